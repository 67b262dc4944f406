//! One-API and New-API with their quirks, One-API's database, and a receiver of webhooks that checks signatures.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use sea_orm::{ConnectionTrait, Database as Orm, DatabaseConnection, Statement};
use serde_json::{Value, json};

use super::{Asked, HttpStub, Reply};

/// Which relay it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// One-API.
    OneApi,
    /// New-API that asks for the user's number in a header.
    NewApi,
    /// New-API that does not, and has statuses for what fails.
    NewApiNewer,
}

/// What a relay does to those who ask.
#[derive(Clone, Debug, Default)]
pub enum Mood {
    /// Its usual best.
    #[default]
    Well,
    /// Takes the request and never answers.
    Hangs,
    /// Closes the connection.
    Resets,
    /// Answers with this status and a page.
    Fails(u16),
    /// Answers 200 with `success: false`, and repeats the key it was given.
    Refuses,
    /// Answers GET, and never PUT.
    HangsOnPut,
    /// Its own test of a channel fails.
    FailsTests,
    /// Answers everything with this status and text.
    Says(u16, &'static str),
    /// Answers with a body that never ends.
    Endless,
}

/// A channel.
#[derive(Clone, Debug)]
pub struct StubChannel {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: i64,
    /// Its key.
    pub key: String,
    /// New-API: it holds several keys.
    pub has_several_keys: bool,
}

#[derive(Debug)]
struct State {
    flavour: Flavour,
    user_header: String,
    mood: Mood,
    channels: BTreeMap<i64, StubChannel>,
    /// Rows of `abilities` for channels that do not exist.
    junk: Vec<i64>,
    asked: Vec<Asked>,
    puts: usize,
    /// A key whose PUT is kept waiting, and whether one waits.
    held: Option<String>,
    is_holding: bool,
}

/// A relay's admin API.
pub struct Relay {
    /// Where it is.
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Relay {
    /// The administrator's token.
    pub const TOKEN: &str = "f3b1c2d4e5a6978877665544332211aa";
    /// The administrator's number.
    pub const USER: &str = "1";

    /// A relay with channel 12, named `plus`, of type 1.
    pub async fn start(flavour: Flavour) -> Self {
        let channel = StubChannel { name: "plus".to_owned(), kind: 1, key: "old".to_owned(), has_several_keys: false };
        let state = Arc::new(Mutex::new(State {
            flavour,
            user_header: "new-api-user".to_owned(),
            mood: Mood::Well,
            channels: BTreeMap::from([(12, channel)]),
            junk: Vec::new(),
            asked: Vec::new(),
            puts: 0,
            held: None,
            is_holding: false,
        }));
        let shared = Arc::clone(&state);
        let stub = HttpStub::start(move |asked| shared.lock().expect("no panic before").reply(asked)).await;
        Self { url: stub.url, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic before")
    }

    /// Changes its mood.
    pub fn be(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// Keeps the PUT of that key waiting: it is neither done nor answered until [`Self::release`].
    pub fn hold(&self, key: &str) {
        self.state().held = Some(key.to_owned());
    }

    /// Whether a PUT is kept waiting.
    pub fn is_holding(&self) -> bool {
        self.state().is_holding
    }

    /// Goes on with what was kept waiting.
    pub fn release(&self) {
        let mut state = self.state();
        (state.held, state.is_holding) = (None, false);
    }

    /// The keys that were put, in the order in which they came in.
    pub fn keys_put(&self) -> Vec<String> {
        let asked = self.asked();
        let puts = asked.iter().filter(|asked| asked.method == "PUT");
        puts.map(|asked| asked.json()["key"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Renames the header for the user's number, as forks do.
    pub fn rename_user_header(&self, name: &str) {
        self.state().user_header = name.to_ascii_lowercase();
    }

    /// Puts a channel there.
    pub fn set_channel(&self, id: i64, change: impl FnOnce(&mut StubChannel)) {
        let mut state = self.state();
        let new = StubChannel { name: format!("c{id}"), kind: 1, key: "old".to_owned(), has_several_keys: false };
        change(state.channels.entry(id).or_insert(new));
    }

    /// Takes a channel away.
    pub fn remove_channel(&self, id: i64) {
        self.state().channels.remove(&id);
    }

    /// A channel's key.
    pub fn key(&self, id: i64) -> String {
        self.state().channels[&id].key.clone()
    }

    /// How many junk rows it was left with.
    pub fn junk(&self) -> usize {
        self.state().junk.len()
    }

    /// How many times something was put.
    pub fn puts(&self) -> usize {
        self.state().puts
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }
}

fn refused(message: &str) -> Value {
    json!({"success": false, "message": message})
}

fn done(data: &Value) -> Value {
    json!({"success": true, "message": "", "data": data})
}

impl State {
    fn reply(&mut self, asked: &Asked) -> Reply {
        if asked.method == "PUT" && self.held.is_some() && self.held.as_deref() == asked.json()["key"].as_str() {
            self.is_holding = true;
            return Reply::NotYet;
        }
        self.asked.push(asked.clone());
        if asked.method == "PUT" {
            self.puts += 1;
        }
        match self.mood {
            Mood::Hangs => return Reply::Hang,
            Mood::HangsOnPut if asked.method == "PUT" => return Reply::Hang,
            Mood::Resets => return Reply::Reset,
            Mood::Endless => return Reply::Endless,
            Mood::Says(status, text) => return Reply::Raw(status, Vec::new(), text.to_owned()),
            Mood::Fails(status) => {
                return Reply::Raw(status, vec![("Retry-After".to_owned(), "7".to_owned())], "<html>".to_owned());
            }
            Mood::Refuses => {
                let body = String::from_utf8_lossy(&asked.body).into_owned();
                return Reply::Json(200, refused(&format!("{} said {body}", asked.header("authorization"))));
            }
            _ => {}
        }
        if let Some(reply) = self.keep_out(asked) {
            return reply;
        }
        let path = asked.path.split('?').next().unwrap_or_default();
        match (asked.method.as_str(), path.strip_prefix("/api/channel")) {
            // gin redirects what lacks the slash at the end.
            (_, Some("")) => {
                let location = format!("{path}/");
                Reply::Raw(307, vec![("Location".to_owned(), location)], String::new())
            }
            ("GET", Some("/")) => Reply::Json(200, done(&json!([]))),
            ("PUT", Some("/")) => self.put(&asked.json()),
            ("GET", Some(rest)) => match rest.strip_prefix("/test/") {
                Some(id) => self.test(id.parse().unwrap_or(0)),
                None => self.get(rest.trim_start_matches('/').parse().unwrap_or(0)),
            },
            _ => Reply::Raw(404, Vec::new(), "404 page not found".to_owned()),
        }
    }

    fn keep_out(&self, asked: &Asked) -> Option<Reply> {
        let token = asked.header("authorization");
        if token.is_empty() {
            return Some(Reply::Json(401, refused("无权进行此操作，未登录且未提供 access token")));
        }
        if self.flavour == Flavour::NewApi {
            match asked.header(&self.user_header) {
                "" => return Some(Reply::Json(401, refused("未提供 New-Api-User"))),
                Relay::USER => {}
                _ => return Some(Reply::Json(401, refused("与登录用户不匹配"))),
            }
        }
        if token.trim_start_matches("Bearer ") == Relay::TOKEN {
            return None;
        }
        Some(match self.flavour {
            Flavour::NewApiNewer => {
                Reply::Json(401, json!({"success": false, "code": "AUTH_UNAUTHORIZED", "message": "unauthorized"}))
            }
            _ => Reply::Json(200, refused("无权进行此操作，access token 无效")),
        })
    }

    fn get(&self, id: i64) -> Reply {
        let Some(channel) = self.channels.get(&id) else { return self.unknown() };
        let mut data = json!({"id": id, "type": channel.kind, "name": channel.name, "status": 1, "group": "default"});
        if self.flavour != Flavour::OneApi {
            data["channel_info"] = json!({"is_multi_key": channel.has_several_keys, "multi_key_size": 0});
        }
        Reply::Json(200, done(&data))
    }

    fn unknown(&self) -> Reply {
        match self.flavour {
            Flavour::NewApiNewer => {
                Reply::Json(404, json!({"success": false, "code": "channel_not_found", "message": "no such channel"}))
            }
            _ => Reply::Json(200, refused("record not found")),
        }
    }

    fn put(&mut self, body: &Value) -> Reply {
        let Some(id) = body["id"].as_i64() else { return Reply::Json(200, refused("WHERE conditions required")) };
        if self.flavour != Flavour::OneApi && body.get("status").is_some() {
            return Reply::Json(400, refused("invalid params"));
        }
        let Some(channel) = self.channels.get_mut(&id) else {
            if self.flavour == Flavour::NewApiNewer {
                return self.unknown();
            }
            self.junk.push(id); // and says that all is well
            return Reply::Json(200, done(&json!({"id": id})));
        };
        if let Some(key) = body["key"].as_str().filter(|key| !key.is_empty()) {
            channel.key = key.to_owned();
        }
        let shown = if self.flavour == Flavour::OneApi { channel.key.clone() } else { String::new() };
        Reply::Json(200, done(&json!({"id": id, "name": channel.name, "key": shown})))
    }

    fn test(&self, id: i64) -> Reply {
        let Some(channel) = self.channels.get(&id) else { return Reply::Json(200, refused("channel not found")) };
        if matches!(self.mood, Mood::FailsTests) {
            let message = format!("http status code: 401, error message: Incorrect API key provided: {}", channel.key);
            return Reply::Json(200, json!({"success": false, "message": message, "time": 0}));
        }
        Reply::Json(200, json!({"success": true, "message": "", "time": 0.8}))
    }
}

/// One-API's database: a file, or a schema on the MariaDB of the tests.
pub struct OneApiDatabase {
    file: Option<PathBuf>,
    name: Option<String>,
    connection: DatabaseConnection,
}

impl OneApiDatabase {
    /// A SQLite file in that folder, with channel 12, named `plus`, of type 1.
    pub async fn sqlite(folder: &Path) -> Self {
        let file = folder.join("one-api.db");
        let url = format!("sqlite://{}?mode=rwc", file.display());
        let connection = Orm::connect(url).await.expect("a file");
        Self { file: Some(file), name: None, connection }.filled("INTEGER PRIMARY KEY AUTOINCREMENT", "TEXT").await
    }

    /// A schema of its own, with the same channel.
    pub async fn mysql() -> Self {
        let name = format!("latchkey_test_oneapi_{}", uuid::Uuid::new_v4().simple());
        let server = Orm::connect("mysql://root@127.0.0.1:3306/mysql").await.expect("MariaDB");
        server.execute_unprepared(&format!("CREATE DATABASE `{name}`")).await.expect("a database");
        server.close().await.expect("closed");
        let connection = Orm::connect(format!("mysql://root@127.0.0.1:3306/{name}")).await.expect("MariaDB");
        Self { file: None, name: Some(name), connection }
            .filled("BIGINT AUTO_INCREMENT PRIMARY KEY", "VARCHAR(191)")
            .await
    }

    /// The columns that gorm makes of One-API's model.
    async fn filled(self, id: &str, name: &str) -> Self {
        let table = format!(
            "CREATE TABLE channels (id {id}, type BIGINT DEFAULT 0, `key` TEXT, status BIGINT DEFAULT 1, name {name}, \
             weight BIGINT DEFAULT 0, created_time BIGINT, base_url VARCHAR(191) DEFAULT '', models TEXT, \
             `group` VARCHAR(32) DEFAULT 'default', used_quota BIGINT DEFAULT 0, priority BIGINT DEFAULT 0)"
        );
        self.run(&table).await;
        self.run(
            "INSERT INTO channels (id, type, `key`, name) VALUES (12, 1, 'old', 'plus'), (13, 1, 'other', 'free')",
        )
        .await;
        self
    }

    /// Runs a statement.
    pub async fn run(&self, sql: &str) {
        self.connection.execute_unprepared(sql).await.expect("it runs");
    }

    /// Another connection, with one session.
    pub async fn another(&self) -> DatabaseConnection {
        let url = match (&self.file, &self.name) {
            (Some(file), _) => format!("sqlite://{}?mode=rw", file.display()),
            (None, name) => format!("mysql://root@127.0.0.1:3306/{}", name.as_deref().expect("a name")),
        };
        let mut options = sea_orm::ConnectOptions::new(url);
        options.max_connections(1).min_connections(1);
        Orm::connect(options).await.expect("it connects")
    }

    /// The part of a sink's configuration that leads there.
    pub fn config(&self) -> Value {
        match &self.file {
            Some(file) => json!({"sqlite_file": file}),
            None => {
                json!({"dsn": format!("root@tcp(127.0.0.1:3306)/{}?charset=utf8mb4", self.name.as_deref().expect("a name"))})
            }
        }
    }

    /// The keys of all channels, by number.
    pub async fn keys(&self) -> Vec<String> {
        let sql =
            Statement::from_string(self.connection.get_database_backend(), "SELECT `key` FROM channels ORDER BY id");
        let rows = self.connection.query_all_raw(sql).await.expect("rows");
        rows.iter().map(|row| row.try_get_by_index(0).expect("a key")).collect()
    }

    /// Deletes it.
    pub async fn drop(self) {
        if let Some(name) = &self.name {
            self.run(&format!("DROP DATABASE `{name}`")).await;
        }
        self.connection.close().await.expect("closed");
    }
}

/// A call that a receiver of webhooks took.
#[derive(Clone, Debug)]
pub struct Hooked {
    /// The headers, as they came.
    pub asked: Asked,
    /// Whether the signature is right.
    pub is_signed: bool,
}

/// A receiver of webhooks.
pub struct Receiver {
    /// Where it is.
    pub url: String,
    state: Arc<Mutex<(u16, Vec<Hooked>)>>,
}

impl Receiver {
    /// What it shares with those who call.
    pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// A receiver that takes all calls.
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new((204, Vec::new())));
        let shared = Arc::clone(&state);
        let stub = HttpStub::start(move |asked| {
            let (status, calls) = &mut *shared.lock().expect("no panic before");
            if asked.method == "POST" {
                calls.push(Hooked { asked: asked.clone(), is_signed: is_signed(asked) });
            }
            Reply::Raw(*status, vec![("Location".to_owned(), "/elsewhere".to_owned())], String::new())
        });
        Self { url: format!("{}/hook", stub.await.url), state }
    }

    /// Answers with that status from now on.
    pub fn answer(&self, status: u16) {
        self.state.lock().expect("no panic before").0 = status;
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Hooked> {
        self.state.lock().expect("no panic before").1.clone()
    }
}

/// As standardwebhooks.com has it, by other means than the service's.
fn is_signed(asked: &Asked) -> bool {
    let secret = STANDARD.decode(Receiver::SECRET.trim_start_matches("whsec_")).expect("base64");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let signed = format!("{}.{}.", asked.header("webhook-id"), asked.header("webhook-timestamp"));
    let signature = asked.header("webhook-signature").strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
    let whole = [signed.as_bytes(), &asked.body].concat();
    !asked.header("webhook-id").is_empty()
        && signature.is_some_and(|signature| hmac::verify(&key, &whole, &signature).is_ok())
}
