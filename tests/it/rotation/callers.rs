//! Callers of the service who remember what they were given.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::kit::TestApp;

/// What a caller has seen who asks for one account again and again, until the service is gone or the account dead.
pub struct Seen {
    pub name: String,
    pub refreshed: usize,
    pub newest: Option<String>,
    pub is_dead: bool,
}

/// Asks again and again, until the service is gone or the account is dead.
pub async fn ask_on(client: &reqwest::Client, addr: SocketAddr, name: &str) -> Seen {
    let mut all = Seen { name: name.to_owned(), refreshed: 0, newest: None, is_dead: false };
    while let Some(seen) = ask(client, addr, name).await {
        all.refreshed += seen.refreshed;
        all.newest = seen.newest.or(all.newest);
        all.is_dead = seen.is_dead;
        if all.is_dead {
            break;
        }
    }
    all
}

/// Asks for a refresh; nothing when the service is gone.
pub async fn ask(client: &reqwest::Client, addr: SocketAddr, name: &str) -> Option<Seen> {
    let call = client.post(format!("http://{addr}/public-api/refresh")).header("x-api-secret", TestApp::SECRET);
    let answer = call.json(&json!({"biz_id": name})).send().await.ok()?;
    let (status, body) = (answer.status().as_u16(), answer.json::<Value>().await.ok()?);
    let newest = body["data"]["refresh_token"].as_str().map(str::to_owned);
    let is_dead = status == 409 && body["code"] == "ACCOUNT_DEAD";
    assert!(is_dead || (status == 200 && newest.is_some()), "{name}: {status} {body}");
    Some(Seen { name: name.to_owned(), refreshed: usize::from(status == 200), newest, is_dead })
}
