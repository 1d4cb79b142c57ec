//! The route table: the one list that registers handlers, and that tests compare with the OpenAPI document and the
//! authorization matrix.

use crate::http::auth::{login, logout, me, oidc, password, refresh, register, verify};
use crate::http::credentials::{api_keys, grants, tickets};
use crate::http::doors::{deepgram, openai};
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use crate::http::{artifacts, callback_secret, headers, health, jobs, openapi, page, request_id, upload};
use crate::ws::{listen, status};
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, Route, web};
use sottovoce_protocol::scope::Scope;

/// Methods in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    /// `GET`; `HEAD` is answered alike, without the body.
    Get,
    /// `POST`.
    Post,
    /// `DELETE`.
    Delete,
}

impl Verb {
    /// Returns the method's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// Who may call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Anyone.
    Open,
    /// Whoever has a refresh token, in the cookie or in the body: no other credential is asked for.
    Refresh,
    /// A key or a person with this scope.
    Scope(Scope),
    /// A key, whatever its scopes, or a person.
    Anyone,
    /// A person who logged in.
    Person,
}

/// One route.
pub struct Endpoint {
    /// Method.
    pub verb: Verb,
    /// Path with `{names}`.
    pub path: &'static str,
    /// Who may call; the handler's `Guarded<…>` enforces it, a test compares the two.
    pub access: Access,
    /// Attaches the handler.
    pub to: fn(Route) -> Route,
}

/// Every route of the main listener; the routes of one path stand together.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        verb: Verb::Post,
        path: "/saas/jobs",
        access: Access::Scope(Scope::JobsWrite),
        to: |route| route.to(upload::submit),
    },
    Endpoint {
        verb: Verb::Get,
        path: "/saas/jobs",
        access: Access::Scope(Scope::JobsRead),
        to: |route| route.to(jobs::list),
    },
    Endpoint {
        verb: Verb::Get,
        path: "/saas/jobs/{id}",
        access: Access::Scope(Scope::JobsRead),
        to: |route| route.to(jobs::show),
    },
    Endpoint {
        verb: Verb::Delete,
        path: "/saas/jobs/{id}",
        access: Access::Scope(Scope::JobsWrite),
        to: |route| route.to(jobs::delete),
    },
    Endpoint {
        verb: Verb::Get,
        path: "/saas/jobs/{id}/artifacts/{kind}",
        access: Access::Scope(Scope::JobsRead),
        to: |route| route.to(artifacts::download),
    },
    Endpoint {
        verb: Verb::Get,
        path: "/saas/callback-secret",
        access: Access::Scope(Scope::JobsWrite),
        to: |route| route.to(callback_secret::show),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/saas/callback-secret",
        access: Access::Scope(Scope::JobsWrite),
        to: |route| route.to(callback_secret::replace),
    },
    Endpoint {
        verb: Verb::Get,
        path: "/v1/listen",
        access: Access::Scope(Scope::Listen),
        to: |route| route.to(listen::listen),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/listen",
        access: Access::Scope(Scope::Listen),
        to: |route| route.to(deepgram::listen),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/audio/transcriptions",
        access: Access::Scope(Scope::JobsWrite),
        to: |route| route.to(openai::transcribe),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/audio/translations",
        access: Access::Scope(Scope::JobsWrite),
        to: |route| route.to(openai::translate),
    },
    Endpoint {
        verb: Verb::Get,
        path: "/ws",
        access: Access::Scope(Scope::JobsRead),
        to: |route| route.to(status::subscribe),
    },
    Endpoint {
        verb: Verb::Get,
        path: "/auth/oidc/login",
        access: Access::Open,
        to: |route| route.to(oidc::login),
    },
    Endpoint {
        verb: Verb::Get,
        path: "/auth/oidc/callback",
        access: Access::Open,
        to: |route| route.to(oidc::callback),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/auth/register",
        access: Access::Open,
        to: |route| route.to(register::register),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/auth/login",
        access: Access::Open,
        to: |route| route.to(login::login),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/auth/refresh",
        access: Access::Refresh,
        to: |route| route.to(refresh::refresh),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/auth/logout",
        access: Access::Refresh,
        to: |route| route.to(logout::logout),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/auth/logout-all",
        access: Access::Person,
        to: |route| route.to(logout::logout_all),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/auth/password",
        access: Access::Person,
        to: |route| route.to(password::change),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/auth/password/forgotten",
        access: Access::Open,
        to: |route| route.to(password::forgotten),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/auth/password/reset",
        access: Access::Open,
        to: |route| route.to(password::reset),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/auth/verify",
        access: Access::Open,
        to: |route| route.to(verify::verify),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/auth/verify/resend",
        access: Access::Open,
        to: |route| route.to(verify::resend),
    },
    Endpoint { verb: Verb::Get, path: "/auth/me", access: Access::Anyone, to: |route| route.to(me::show) },
    Endpoint {
        verb: Verb::Delete,
        path: "/auth/me",
        access: Access::Person,
        to: |route| route.to(me::delete),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/auth/ws-tickets",
        access: Access::Anyone,
        to: |route| route.to(tickets::create),
    },
    Endpoint {
        verb: Verb::Get,
        path: "/auth/api-keys",
        access: Access::Person,
        to: |route| route.to(api_keys::list),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/auth/api-keys",
        access: Access::Person,
        to: |route| route.to(api_keys::create),
    },
    Endpoint {
        verb: Verb::Delete,
        path: "/auth/api-keys/{id}",
        access: Access::Person,
        to: |route| route.to(api_keys::revoke),
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/auth/grant",
        access: Access::Scope(Scope::Listen),
        to: |route| route.to(grants::grant),
    },
    Endpoint {
        verb: Verb::Get,
        path: "/v1/auth/token",
        access: Access::Anyone,
        to: |route| route.to(grants::describe),
    },
    Endpoint { verb: Verb::Get, path: "/", access: Access::Open, to: |route| route.to(page::document) },
    Endpoint { verb: Verb::Get, path: "/page.css", access: Access::Open, to: |route| route.to(page::style) },
    Endpoint { verb: Verb::Get, path: "/page.js", access: Access::Open, to: |route| route.to(page::script) },
    Endpoint { verb: Verb::Get, path: "/livez", access: Access::Open, to: |route| route.to(health::live) },
    Endpoint { verb: Verb::Get, path: "/readyz", access: Access::Open, to: |route| route.to(health::ready) },
    Endpoint {
        verb: Verb::Get,
        path: "/openapi.json",
        access: Access::Open,
        to: |route| route.to(openapi::document),
    },
];

/// Registers every route with its middleware. Called once per HTTP worker.
pub fn configure(config: &mut web::ServiceConfig, state: HttpState) {
    let cors = headers::cors(state.origins.clone());
    config.app_data(web::Data::new(state)).service(
        web::scope("")
            .configure(register)
            .default_service(web::to(|| async { Err::<&str, _>(ApiError::not_found()) }))
            .wrap(cors)
            .wrap(from_fn(headers::secure))
            .wrap(from_fn(request_id::observe)),
    );
}

fn register(config: &mut web::ServiceConfig) {
    for endpoints in ENDPOINTS.chunk_by(|one, next| one.path == next.path) {
        let mut resource = web::resource(endpoints[0].path);
        for endpoint in endpoints {
            resource = match endpoint.verb {
                Verb::Get => resource.route((endpoint.to)(web::get())).route((endpoint.to)(web::head())),
                Verb::Post => resource.route((endpoint.to)(web::post())),
                Verb::Delete => resource.route((endpoint.to)(web::delete())),
            };
        }
        config.service(resource.default_service(web::to(wrong_method)));
    }
}

async fn wrong_method(request: HttpRequest) -> Result<&'static str, ApiError> {
    let pattern = request.match_pattern().unwrap_or_default();
    let allowed: Vec<&str> = ENDPOINTS
        .iter()
        .filter(|endpoint| endpoint.path == pattern)
        .map(|endpoint| endpoint.verb.as_str())
        .collect();
    Err(ApiError::method_not_allowed(&allowed.join(", ")))
}
