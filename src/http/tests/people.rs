//! People for the tests: they register, log in and call as themselves.

use super::World;
use crate::storage::{self, OpenedIndex};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// The password of everybody; it holds the word that no log may hold.
pub const PASSWORD: &str = "canary-password of everybody";

/// Somebody who is logged in as a native client.
pub struct Person {
    pub access: String,
    pub refresh: String,
}

impl Person {
    fn of(tokens: &Value) -> Self {
        let text = |key: &str| tokens[key].as_str().expect("a token").to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

impl World {
    /// Posts a document without any credential.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.bare(Method::POST, path).json(body).send().await.unwrap()
    }

    /// Begins a request without any credential.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub async fn join(&self, email: &str) -> Person {
        let body = json!({"email": email, "password": PASSWORD, "client": "native"});
        let made = self.post("/auth/register", &body).await;
        assert_eq!(made.status(), 201);
        Person::of(&made.json().await.unwrap())
    }

    pub async fn come_back(&self, email: &str, password: &str) -> Person {
        let body = json!({"email": email, "password": password, "client": "native"});
        let made = self.post("/auth/login", &body).await;
        assert_eq!(made.status(), 200);
        Person::of(&made.json().await.unwrap())
    }

    /// Tries to log in and returns the status and the code of the refusal, if it is one.
    pub async fn try_login(&self, email: &str, password: &str) -> (u16, Value) {
        let answer = self.post("/auth/login", &json!({"email": email, "password": password})).await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["code"].clone())
    }

    pub async fn exchange(&self, refresh: &str) -> Response {
        self.post("/auth/refresh", &json!({"refresh_token": refresh})).await
    }

    /// Exchanges a refresh token that is good.
    pub async fn go_on(&self, refresh: &str) -> Person {
        let exchanged = self.exchange(refresh).await;
        assert_eq!(exchanged.status(), 200);
        Person::of(&exchanged.json().await.unwrap())
    }

    /// Returns whether an access token or a key opens anything.
    pub async fn opens(&self, credential: &str) -> bool {
        let answer = self.bare(Method::GET, "/auth/me").bearer_auth(credential).send().await.unwrap();
        assert!([200, 401].contains(&answer.status().as_u16()));
        answer.status() == 200
    }

    /// Returns whether all that somebody holds is good for nothing.
    pub async fn is_out(&self, person: &Person) -> bool {
        !self.opens(&person.access).await && self.exchange(&person.refresh).await.status() == 401
    }

    /// Opens the index beside the running server, as the operator's commands do.
    pub async fn index(&self) -> OpenedIndex {
        storage::connect(&self.config.storage).await.unwrap()
    }
}
