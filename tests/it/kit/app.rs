//! A service in this process, and what tests do with it again and again.

use std::net::SocketAddr;

use entity::UtcMillis;
use latchkey::{
    base::{
        clock::Clock,
        metrics::Metrics,
        state::{Shared, State},
    },
    config::{Config, Secret},
    server,
};
use serde_json::{Value, json};

use super::{Call, Database};

/// A running service.
pub struct TestApp {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its clock: stands still until a test moves it.
    pub clock: Clock,
    /// Its database.
    pub database: Database,
    /// What its handlers see.
    pub state: State,
    client: reqwest::Client,
    running: server::Running,
    config: Config,
}

/// A device that has let an app in.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its uuid.
    pub uuid: String,
    /// A token that may write.
    pub token: String,
    /// The app.
    pub app_id: i64,
}

impl TestApp {
    /// The root secret of every test service.
    pub const SECRET: &str = "root-secret-of-the-tests-0123456789abcdef";
    /// The admin's password.
    pub const PASSWORD: &str = "password of the tests";

    /// A service with the tests' configuration.
    pub async fn start(database: Database) -> Self {
        Self::start_with(database, |_| {}).await
    }

    /// A service whose configuration is changed before it starts.
    pub async fn start_with(database: Database, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.server.host = "127.0.0.1".to_owned();
        config.server.port = 0;
        config.server.workers = 2;
        config.server.shutdown_timeout = 5;
        config.auth.api_secret = Secret::new(Self::SECRET);
        config.auth.password = Secret::new(Self::PASSWORD);
        config.auth.jwt_secret = Secret::new("jwt-secret-of-the-tests-0123456789abcdef");
        config.security.master_key = Secret::new("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
        // So that a test can call from many addresses, see Call::from.
        config.server.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")];
        // Tests share one address and call quickly; those about limits set their own.
        (config.kv.rate_read, config.kv.rate_write, config.kv.rate_delete) = (0, 0, 0);
        (config.kv.rate_batch, config.kv.rate_address) = (0, 0);
        database.configure(&mut config);
        change(&mut config);
        // 2026-11-21T04:31:00Z
        Self::resume(database, config, Clock::manual(UtcMillis(1_795_235_460_000))).await
    }

    async fn resume(database: Database, config: Config, clock: Clock) -> Self {
        let running = server::start(config.clone(), clock.clone()).await.expect("the service starts");
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let (addr, state) = (running.addr, running.state.clone());
        Self { addr, clock, database, state, client, running, config }
    }

    /// Stops the service and starts it again on the same data.
    pub async fn restart(self) -> Self {
        let Self { database, config, clock, running, .. } = self;
        running.stop().await;
        Self::resume(database, config, clock).await
    }

    /// Stops the service; its data stays.
    pub async fn halt(self) {
        self.running.stop().await;
    }

    /// Stops the service and deletes its data.
    pub async fn stop(self) {
        self.running.stop().await;
        self.database.drop().await;
    }

    /// What another replica on this database would stand on, in this process: the same but for what it counts.
    pub fn state_of_another(&self) -> State {
        let here = &self.state;
        State::new(Shared {
            config: here.config.clone(),
            db: here.db.clone(),
            writer: here.writer.clone(),
            redis: here.redis.clone(),
            clock: here.clock.clone(),
            sealer: here.sealer.clone(),
            passwords: here.passwords.clone(),
            room: here.room.clone(),
            wakeups: here.wakeups.clone(),
            metrics: Metrics::new(here.clock.now()).expect("metrics"),
            stopping: here.stopping.clone(),
            closing: here.closing.clone(),
        })
    }

    /// A call to be completed and sent.
    pub fn call(&self, method: &str, path: &str) -> Call {
        Call::new(&self.client, self.addr, method, path)
    }

    /// GET.
    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    /// POST with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call("POST", path).json(body)
    }

    /// PUT with a JSON body.
    pub fn put(&self, path: &str, body: &Value) -> Call {
        self.call("PUT", path).json(body)
    }

    /// PATCH with a JSON body.
    pub fn patch(&self, path: &str, body: &Value) -> Call {
        self.call("PATCH", path).json(body)
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Call {
        self.call("DELETE", path)
    }

    /// Signs the admin in and answers the token.
    pub async fn sign_in(&self) -> String {
        let body = json!({"username": "admin", "password": Self::PASSWORD});
        let answer = self.post("/auth/login", &body).send().await.expect(200);
        answer["token"].as_str().expect("a token").to_owned()
    }

    /// Makes a scoped secret and answers its id and the secret.
    pub async fn new_secret(&self, name: &str, scopes: &[&str]) -> (i64, String) {
        let body = json!({"name": name, "scopes": scopes});
        let made = self.post("/public-api/secrets", &body).root().send().await.expect(201);
        (made["id"].as_i64().expect("an id"), made["secret"].as_str().expect("a secret").to_owned())
    }

    /// Registers an app and answers its id.
    pub async fn new_app(&self) -> i64 {
        let body = json!({"name": "Classworks", "developer_name": "ZeroCat"});
        let app = self.post("/public-api/apps", &body).root().send().await.expect(201);
        app["id"].as_i64().expect("an id")
    }

    /// A new device that has let a new app in.
    pub async fn new_device(&self) -> Device {
        let app_id = self.new_app().await;
        let uuid = uuid::Uuid::new_v4().to_string();
        let token = self.authorize(app_id, &uuid).await;
        Device { uuid, token, app_id }
    }

    /// Lets an app in and answers the token.
    pub async fn authorize(&self, app_id: i64, uuid: &str) -> String {
        let granted =
            self.post(&format!("/apps/{app_id}/authorize"), &json!({"deviceUuid": uuid})).send().await.expect(200);
        granted["token"].as_str().expect("a token").to_owned()
    }

    /// Stores a value and answers the revision.
    pub async fn set(&self, device: &Device, key: &str, value: &Value) -> i64 {
        let written = self.post(&format!("/kv/{key}"), value).token(&device.token).send().await.expect(200);
        written["revision"].as_i64().expect("a revision")
    }
}
