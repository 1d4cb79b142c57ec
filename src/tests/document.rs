//! The OpenAPI document against the server, by schemathesis (PyPI): generated requests, good and bad, with a fixed seed.
//! No answer may be a server error, or one that the document does not describe.

use crate::app::TestApp;
use crate::real_models::tools_dir;
use std::process::Command;

/// Fixed, so that a failure comes again.
const SEED: &str = "7";
const EXAMPLES: &str = "12";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance";

/// Runs schemathesis with a credential; returns what it said if it found something.
async fn tried(app: &TestApp, credential: &str, skip: &[&str]) -> Result<(), String> {
    let tools = tools_dir().join("schemathesis");
    assert!(tools.join("pinned.txt").exists(), "schemathesis is not installed; run `make setup-test`");
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", &tools)
        .env("NO_COLOR", "1")
        .current_dir(app.data_dir())
        .args(["-m", "schemathesis.cli", "run", &app.url("/openapi.json")])
        .args(["--header", &format!("Authorization: Bearer {credential}")])
        .args(["--seed", SEED, "--max-examples", EXAMPLES, "--checks", CHECKS])
        .args(["--phases", "examples,coverage,fuzzing", "--workers", "1", "--warnings", "off"])
        .args(["--request-timeout", "20", "--continue-on-failure"]);
    for operation in skip {
        command.args(["--exclude-operation-id", operation]);
    }
    let run = tokio::task::spawn_blocking(move || command.output()).await.expect("ended").expect("python3");
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    println!("{said}");
    // Something was tried at all: a wrong address would pass with nothing.
    assert!(said.contains("Test cases:"), "{said}");
    if run.status.success() { Ok(()) } else { Err("schemathesis found something, see above".into()) }
}

/// Sockets are tried by tests of their own; the rest ends the login that the run uses.
const SKIPPED: [&str; 6] =
    ["listen", "subscribe", "logout", "logoutEverywhere", "deleteAccount", "changePassword"];

#[actix::test]
async fn generated_requests_of_a_key_get_documented_answers() {
    let app = TestApp::start().await;
    let outcome = tried(&app, &app.key, &SKIPPED).await;
    app.finish().await;
    outcome.unwrap_or_else(|said| panic!("{said}"));
}

#[actix::test]
async fn generated_requests_of_a_person_get_documented_answers() {
    let app = TestApp::start().await;
    let person = app.log_in("ada@example.org").await;
    let outcome = tried(&app, &person.access_token, &SKIPPED).await;
    app.finish().await;
    outcome.unwrap_or_else(|said| panic!("{said}"));
}
