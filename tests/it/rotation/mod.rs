//! No rotated token is lost: the real service is killed at every step of a refresh, its database goes away, it is told
//! to stop, and there are two of it.

mod books;
mod callers;
mod outage;
mod plan;
mod stopping;
mod together;
mod torture;

use std::process::Command;

use serde_json::{Value, json};

use crate::kit::{Database, Process, Provider};

/// Lets a service call what runs on this machine.
fn near(command: &mut Command) {
    command.env("LATCHKEY__SECURITY__ALLOW_PRIVATE_TARGETS", "true");
}

async fn serve(database: &Database) -> Process {
    Process::serve_logged(database, near).await
}

/// Makes the stub known as provider `stub`; `more` outranks the rest.
async fn introduce(process: &Process, stub: &Provider, more: Value) {
    let mut body = json!({"name": "stub", "token_url": stub.url(), "client_id": "c", "max_concurrency": 64});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    process.call("POST", "/public-api/providers").root().json(&body).send().await.expect(201);
}

/// Stores accounts of the stub, and answers their ids.
async fn accounts(process: &Process, stub: &Provider, names: &[String]) -> Vec<i64> {
    let list: Vec<Value> =
        names.iter().map(|name| json!({"biz_id": name, "refresh_token": stub.issue(name)})).collect();
    let body = json!({"format": "json", "content": list, "defaults": {"provider": "stub"}});
    let done = process.call("POST", "/public-api/tokens/import").root().json(&body).send().await.expect(200);
    done["results"].as_array().unwrap().iter().map(|one| one["id"].as_i64().expect("an account")).collect()
}

/// The refresh token that the service holds.
async fn revealed(process: &Process, id: i64) -> String {
    let body = json!({"field": "refresh_token"});
    let call = process.call("POST", &format!("/public-api/tokens/{id}/reveal")).root().json(&body);
    call.send().await.expect(200)["value"].as_str().expect("a token").to_owned()
}
