//! No token, key or password of the vault stands in clear in anything that is stored, logged or answered: not even when
//! providers and targets send it back.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use latchkey::base::clock::Clock;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::kit::{
    Answer, Call, Database, GOOD, HttpStub, Notifiers, Process, Provider, Receiver, Reply, eventually, holds,
    provider::{Act, Acting, Said},
};

const TOKENS: &str = "/public-api/tokens";
const CLIENT_SECRET: &str = "planted-client-secret-7d1193ab";
const HEADER: &str = "planted-header-value-0c2b7d11";
const PARAM: &str = "planted-parameter-5f0c2b7d";
const PROXY_PASSWORD: &str = "planted-proxy-password-93d1c5";

/// What was said: lists, events, problems.
struct Service {
    process: Process,
    texts: Vec<(String, String)>,
}

impl Service {
    fn call(&self, method: &str, path: &str) -> Call {
        self.process.call(method, path).root()
    }

    async fn get(&mut self, path: &str) -> Value {
        let answer = self.call("GET", path).send().await;
        self.keep(path, &answer);
        answer.expect(200)
    }

    async fn post(&mut self, path: &str, body: &Value) -> Answer {
        let answer = self.call("POST", path).json(body).send().await;
        // What these two answer when all is well is the tokens.
        if answer.status >= 400 || !["/public-api/refresh", "/public-api/get-at"].contains(&path) {
            self.keep(&format!("{path} {body}"), &answer);
        }
        answer
    }

    fn keep(&mut self, what: &str, answer: &Answer) {
        self.texts.push((what.to_owned(), format!("{:?} {}", answer.headers, answer.text())));
    }
}

/// Every way in which a provider may send a refresh token back, as far as they are told apart.
fn echoes(token: &str) -> Vec<Act> {
    let say = |said| Act::Say(Acting::Not, said);
    let whole = format!("the token {token} is no good, refresh_token={token}&x=1 \"{token}\" <{token}>");
    let encoded = STANDARD.encode(token);
    vec![
        say(Said::json(400, &json!({"error": {"message": whole, "type": token, "code": token, "param": token}}))),
        say(Said::json(400, &json!({"error": token, "error_description": whole, "error_uri": token}))),
        say(Said::json(
            401,
            &json!({"error": "invalid_token_of_mine", "error_description": format!("{encoded} {token}")}),
        )),
        say(Said::json(200, &json!({"error": "temporarily_unavailable", "error_description": whole}))),
        say(Said::json(500, &json!({"message": whole, token: token}))),
        say(Said::of(502, "text/plain", whole.clone())),
        say(Said::of(403, "text/html", format!("<html><title>{token}</title>{whole}"))),
        say(Said::of(200, "application/json", format!("{{\"access_token\": \"{token}"))),
        say(Said::of(302, "text/plain", token).header("Location", &format!("http://127.0.0.1:9/{token}?t={token}"))),
        say(Said::json(503, &json!({"error": {"message": whole}})).header("Retry-After", token)),
        say(Said::json(400, &json!({"error": "invalid_grant", "error_description": whole}))),
    ]
}

async fn nothing_stands_in_clear(database: Database) {
    let (stub, channels) = (Provider::start(&Clock::System), Notifiers::start().await);
    let process = Process::serve_logged(&database, |command| {
        command.env("LATCHKEY__LOG__LEVEL", "debug").env("LATCHKEY__SECURITY__ALLOW_PRIVATE_TARGETS", "true");
    });
    let mut said = Service { process: process.await, texts: Vec::new() };
    let provider = json!({
        "name": "stub", "token_url": stub.url(), "client_id": "c", "client_secret": CLIENT_SECRET, "timeout_ms": 2000,
        "headers": {"X-Extra": HEADER}, "extra_params": {"audience": PARAM},
    });
    said.post("/public-api/providers", &provider).await.expect(201);
    let every: Vec<&str> = latchkey::notify::EventKind::ALL.iter().map(|kind| kind.name()).collect();
    let channel = json!({"name": "hook", "kind": "webhook", "events": every, "config": {"url": format!("{}/hook", channels.url), "secret": Receiver::SECRET}});
    said.post("/public-api/notifications/channels", &channel).await.expect(201);
    let bark = json!({"name": "bark", "kind": "bark", "events": every, "config": {"device_key": GOOD, "base_url": channels.url}});
    said.post("/public-api/notifications/channels", &bark).await.expect(201);

    // Imports, good and bad.
    let names: Vec<String> = (0..echoes("").len()).map(|nth| format!("echo-{nth}")).collect();
    let issued = |name: &str| (name.to_owned(), stub.issue(name));
    let of: Vec<(String, String)> =
        ["good", "journal"].into_iter().map(issued).chain(names.iter().map(|name| issued(name))).collect();
    let proxy = format!("http://user:{PROXY_PASSWORD}@127.0.0.1:9");
    let lines: Vec<Value> = of.iter().map(|(name, token)| json!({"biz_id": name, "refresh_token": token})).collect();
    let import = json!({"format": "json", "content": Value::from(lines).to_string(), "defaults": {"provider": "stub"}});
    said.post(&format!("{TOKENS}/import"), &import).await.expect(200);
    said.post(&format!("{TOKENS}/import"), &import).await.expect(200);
    let bad = format!("{0} and {0}\n{0}----{0}\n{{{0}}}\n", of[0].1);
    said.post(
        &format!("{TOKENS}/import"),
        &json!({"format": "text", "content": bad, "defaults": {"provider": "stub", "proxy": proxy}}),
    )
    .await;
    said.post(TOKENS, &json!({"refresh_token": of[0].1, "provider": "stub", "proxy": format!("nonsense {proxy}")}))
        .await;
    said.post(TOKENS, &json!({"refresh_token": of[0].1, "provider": of[0].1, "proxy": proxy})).await;
    // Who sends this is told which field it was; nobody else is.
    let unknown = json!({"refresh_token": format!("{} {}", of[0].1, of[1].1), of[0].1.clone(): 1});
    said.call("POST", TOKENS).json(&unknown).send().await.problem(422, "INVALID_REQUEST");
    let proxied =
        json!({"biz_id": "proxied", "refresh_token": stub.issue("proxied"), "provider": "stub", "proxy": proxy});
    said.post(TOKENS, &proxied).await.expect(201);

    // A target that sends back what it is sent.
    let echo =
        HttpStub::start(|asked| Reply::Raw(400, Vec::new(), String::from_utf8_lossy(&asked.body).into_owned())).await;
    let sink = json!({"name": "echo", "kind": "webhook", "config": {"url": format!("{}/", echo.url), "secret": Receiver::SECRET, "include_access_token": true}});
    let sink = said.post("/public-api/sinks", &sink).await.expect(201)["id"].clone();
    let good = said.get(&format!("{TOKENS}?biz_id=good")).await["items"][0]["id"].clone();
    said.post(&format!("/public-api/sinks/{sink}/links"), &json!({"token_id": good, "channel_id": "x"}))
        .await
        .expect(201);

    // Refreshes that go well.
    let mut access_tokens = BTreeSet::new();
    for _ in 0..3 {
        let answer = said.post("/public-api/refresh", &json!({"biz_id": "good"})).await.expect(200);
        access_tokens.insert(answer["data"]["access_token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned());
    }

    // What the provider answered lies in the journal, since the database refuses it.
    stub.hold();
    let calls = stub.calls();
    let call = said.process.call("POST", "/public-api/refresh").json(&json!({"biz_id": "journal"})).root();
    let call = actix_web::rt::spawn(call.open());
    stub.wait_for_calls(calls + 1).await;
    let connection = database.connect().await;
    connection.execute_unprepared("ALTER TABLE refresh_event RENAME TO refresh_event_away").await.unwrap();
    stub.release();
    eventually("an answer lies in the journal", async || {
        database.files().iter().any(|(path, _)| path.extension().is_some_and(|ending| ending == "sealed"))
    })
    .await;
    let with_journal = database.files();
    connection.execute_unprepared("ALTER TABLE refresh_event_away RENAME TO refresh_event").await.unwrap();
    connection.close().await.unwrap();
    call.await.unwrap();

    // What providers and targets send back.
    channels.answer_next("400 Bad Request", &format!("{{\"code\": 400, \"message\": \"bad key {GOOD}\"}}"));
    for name in &names {
        let token = stub.current(name).unwrap();
        let nth = names.iter().position(|one| one == name).unwrap();
        stub.next(echoes(&token).remove(nth));
        let answer = said.post("/public-api/refresh", &json!({"biz_id": name})).await;
        assert!(answer.status >= 400, "{name}: {}", answer.text());
        said.call("POST", "/public-api/providers/stub/resume").send().await;
    }
    stub.always(Act::Good);
    said.post("/public-api/refresh", &json!({"biz_id": "proxied"})).await;
    said.post(&format!("{TOKENS}/batch-refresh"), &json!({"filter": {}})).await.expect(202);
    said.post("/public-api/jobs/refresh-tokens/run", &json!({})).await;

    eventually("what happened is told", async || !channels.received().is_empty()).await;

    // Everything that can be looked at.
    let ids: Vec<Value> = said.get(&format!("{TOKENS}?limit=200")).await["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].clone())
        .collect();
    for id in &ids {
        said.get(&format!("{TOKENS}/{id}/events")).await;
        said.get(&format!("{TOKENS}/{id}")).await;
    }
    for path in [
        "/public-api/audit?limit=200",
        "/public-api/providers",
        "/public-api/sinks",
        "/public-api/notifications/channels",
        "/public-api/tasks",
        "/public-api/jobs",
        "/public-api/settings",
    ] {
        said.get(path).await;
    }
    said.get(&format!("/public-api/sinks/{sink}/deliveries")).await;
    let metrics = said.process.call("GET", "/metrics").send().await;
    said.keep("metrics", &metrics);
    for command in [&["tokens", "list", "--limit", "200"][..], &["providers", "list"], &["doctor"], &["config", "show"]]
    {
        let output = Process::run(&database, command);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        said.texts.push((command.join(" "), text));
    }

    let mut secrets: BTreeSet<String> =
        stub.seen().into_iter().filter_map(|seen| seen.fields.get("refresh_token").cloned()).collect();
    secrets.extend(of.iter().map(|(_, token)| token.clone()));
    secrets.extend(["good", "journal", "proxied"].iter().filter_map(|name| stub.current(name)));
    let encoded: Vec<String> = secrets.iter().map(|token| STANDARD.encode(token)).collect();
    // Of a token six characters may be shown, and not ten.
    let tails: Vec<String> = secrets.iter().map(|token| token[token.len() - 10..].to_owned()).collect();
    secrets.extend(encoded);
    secrets.extend(tails);
    secrets.extend(access_tokens);
    secrets.extend([CLIENT_SECRET, HEADER, PARAM, PROXY_PASSWORD, GOOD, &Receiver::SECRET[6..]].map(str::to_owned));
    assert!(secrets.len() > 40, "{}", secrets.len());
    let is_redacted = |(_, text): &&(String, String)| text.contains("is no good") && text.contains('…');
    assert!(said.texts.iter().filter(is_redacted).count() > 5, "what providers say is told, without tokens");
    for (what, text) in &said.texts {
        // What was asked for is named in the first part.
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is in the answer to {what}: {text}");
        }
    }
    let stored = database.everything().await;
    assert!(stored.len() > 500, "{}", stored.len());
    for secret in &secrets {
        for one in &stored {
            assert!(!one.text.contains(secret.as_str()), "{secret} is in {}.{}: {}", one.table, one.column, one.text);
        }
        for (path, bytes) in with_journal.iter().chain(&database.files()) {
            assert!(!holds(bytes, secret), "{secret} is in {}", path.display());
        }
    }
    let log = Process::log(&database);
    assert!(log.contains("DEBUG") || log.contains("INFO"), "the log is there");
    drop(said);
    for secret in &secrets {
        for (path, bytes) in database.files() {
            assert!(!holds(&bytes, secret), "{secret} is in {} after the end", path.display());
        }
    }
    database.drop().await;
}

on_each_database! {
    async fn nothing_that_is_stored_logged_or_answered_holds_a_secret(database: Database) {
        nothing_stands_in_clear(database).await;
    }
}
