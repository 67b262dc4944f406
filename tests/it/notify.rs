//! Notifications: channels, what they are told, and what the services make of it.

mod causes;
mod channels;
mod dispatching;
mod kinds;
mod secrecy;

use latchkey::{
    config::Config,
    notify::{Event, EventKind, tell},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use crate::kit::{GOOD, MailServer, Notifiers, PASSWORD, SIGNING, TestApp, USER, WHSEC, eventually};

const PATH: &str = "/public-api/notifications/channels";
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// For services whose channels lead to stubs on this machine.
fn near(config: &mut Config) {
    config.security.allow_private_targets = true;
}

/// What a channel of that kind has to know to reach the stub, and to be let in.
fn config_for(kind: &str, stubs: &Notifiers) -> Value {
    let url = &stubs.url;
    match kind {
        "pushplus" => json!({"token": GOOD, "base_url": url}),
        "serverchan" => json!({"send_key": GOOD, "base_url": url}),
        "bark" => json!({"device_key": GOOD, "base_url": url}),
        "wecom" => json!({"key": GOOD, "base_url": url}),
        "dingtalk" => json!({"access_token": GOOD, "secret": SIGNING, "base_url": url}),
        "feishu" => json!({"hook_id": GOOD, "secret": SIGNING, "base_url": url}),
        "telegram" => json!({"bot_token": format!("12345:{GOOD}"), "chat_id": "-1001", "base_url": url}),
        "slack" => json!({"url": format!("https://hooks.slack.com/services/T0/B0/{GOOD}"), "base_url": url}),
        "discord" => json!({"url": format!("https://discord.com/api/webhooks/1/{GOOD}"), "base_url": url}),
        "webhook" => json!({"url": format!("{url}/hook"), "secret": WHSEC}),
        other => panic!("{other} is no kind over HTTP"),
    }
}

const OVER_HTTP: [&str; 10] =
    ["pushplus", "serverchan", "bark", "wecom", "dingtalk", "feishu", "telegram", "slack", "discord", "webhook"];

/// The same for e-mail, without encryption.
fn mail_config(server: &MailServer) -> Value {
    json!({
        "host": "127.0.0.1", "port": server.port, "security": "none", "username": USER, "password": PASSWORD,
        "from": "Latchkey <latchkey@example.com>", "to": ["Ops <ops@example.com>", "second@example.com"],
    })
}

/// Makes a channel and answers its id; `more` outranks the rest.
async fn channel(app: &TestApp, kind: &str, config: Value, more: Value) -> i64 {
    let mut body = json!({"name": format!("a channel of {kind}"), "kind": kind, "config": config});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.post(PATH, &body).root().send().await.expect(201)["id"].as_i64().unwrap()
}

async fn tried(app: &TestApp, id: i64) -> (bool, String) {
    let result = app.call("POST", &format!("{PATH}/{id}/test")).root().send().await.expect(200);
    (result["delivered"].as_bool().unwrap(), result["detail"].as_str().unwrap().to_owned())
}

async fn told(app: &TestApp, kind: EventKind, subject: &str, cause: &str, params: Value) {
    let event = Event { kind, subject: subject.to_owned(), cause: cause.to_owned(), params };
    let now = app.clock.now();
    app.state.writer.write(async move |tx| tell(tx, &event, now).await).await.unwrap();
}

async fn dead(app: &TestApp, nth: u32, cause: &str) {
    let params = json!({"name": format!("u{nth}@example.com"), "provider": "claude", "class": cause});
    told(app, EventKind::TokenDead, &format!("token:{nth}"), cause, params).await;
}

/// Runs a job to its end, whether or not it is due, and answers what it did.
async fn run(app: &TestApp, job: &str) -> String {
    let mut task = String::new();
    eventually("the job can be started", async || {
        let answer = app.call("POST", &format!("/public-api/jobs/{job}/run")).root().send().await;
        if answer.status == 202 {
            task = answer.json()["task_id"].as_str().unwrap().to_owned();
        }
        answer.status == 202
    })
    .await;
    let mut detail = String::new();
    eventually("the job has ended", async || {
        let task = app.get(&format!("/public-api/tasks/{task}")).root().send().await.expect(200);
        assert_ne!(task["state"], "failed", "{task}");
        detail = task["detail"].as_str().unwrap_or_default().to_owned();
        task["state"] == "done"
    })
    .await;
    detail
}

/// Hands over what is due and waits until it is delivered, or has to wait.
async fn settle(app: &TestApp) {
    run(app, "dispatch-notifications").await;
    run(app, "deliver-outbox").await;
    eventually("nothing is left to deliver", async || {
        let pending = entity::outbox::Entity::find()
            .filter(entity::outbox::Column::State.eq("pending"))
            .order_by_asc(entity::outbox::Column::Version)
            .all(app.state.db.orm())
            .await
            .unwrap();
        let now = app.clock.now();
        // Of each target the first one is what holds up the others.
        let mut seen = std::collections::HashSet::new();
        pending.iter().filter(|row| seen.insert(&row.target)).all(|row| row.next_attempt_at.is_none_or(|at| at > now))
    })
    .await;
}

/// Lets that many milliseconds pass, and what is due by then happen.
async fn later(app: &TestApp, millis: i64) {
    app.clock.advance_millis(millis);
    settle(app).await;
}
