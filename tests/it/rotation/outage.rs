//! The database refuses writes right after the provider rotated: the new token waits in the journal, or, where the disk
//! refuses that too, in the process; nobody spends the old one meanwhile.

use std::process::Command;

use serde_json::json;

use super::{accounts, books::journal, introduce, near, revealed};
use crate::{
    kit::{Database, Mariadb, Process, Provider, TestApp, block_on, eventually},
    outage::limited,
};

/// A database that can be made to refuse.
enum Fickle {
    /// Stopped, and started again.
    Server(Mariadb),
    /// SQLite's files may not grow beyond so many bytes: small ones, such as the journal's, may be written.
    File(u64),
}

impl Fickle {
    fn prepare(&self, command: &mut Command) {
        near(command);
        command.env("LATCHKEY__REFRESH__COMMIT_RETRY_S", "3600");
        match self {
            Self::Server(server) => drop(command.env("LATCHKEY__DATABASE__PORT", server.port.to_string())),
            Self::File(_) => limited(command, 1 << 40),
        }
        command.stderr(std::process::Stdio::null()); // it may be a file, and those may not grow
    }

    fn refuse(&mut self, process: &Process) {
        match self {
            Self::Server(server) => server.kill(),
            Self::File(bytes) => limit(process, &bytes.to_string()),
        }
    }

    async fn accept(&mut self, process: Option<&Process>) {
        match (self, process) {
            (Self::Server(server), _) => server.again().await,
            (Self::File(_), Some(process)) => limit(process, "unlimited"),
            (Self::File(_), None) => {} // it was the process that was limited
        }
    }
}

fn limit(process: &Process, bytes: &str) {
    let id = process.id().to_string();
    let status = Command::new("prlimit").arg(format!("--fsize={bytes}:unlimited")).args(["--pid", &id]).status();
    assert!(status.expect("prlimit runs").success());
}

/// A service, a provider that forgives nothing, one account.
struct Scene {
    database: Database,
    fickle: Fickle,
    stub: Provider,
    process: Process,
    id: i64,
}

/// Answer of a call that goes on while other things happen.
type Asked = tokio::task::JoinHandle<reqwest::Response>;

impl Scene {
    async fn open(fickle: impl AsyncFnOnce(&mut Database) -> Fickle, retry_s: u32) -> Self {
        let mut database = Database::sqlite();
        let fickle = fickle(&mut database).await;
        let change = |command: &mut Command| {
            fickle.prepare(command);
            command.env("LATCHKEY__REFRESH__COMMIT_RETRY_S", retry_s.to_string());
        };
        let process = Process::serve_with(&database, change).await;
        let stub = Provider::start(&latchkey::base::clock::Clock::System);
        introduce(&process, &stub, json!({})).await;
        let id = accounts(&process, &stub, &["a".to_owned()]).await[0];
        let scene = Self { database, fickle, stub, process, id };
        scene.ask().await.unwrap().error_for_status().expect("a first refresh");
        scene
    }

    fn ask(&self) -> Asked {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let call = client.post(format!("http://{}/public-api/refresh", self.process.addr));
        let call = call.header("x-api-secret", TestApp::SECRET).json(&json!({"biz_id": "a"}));
        tokio::spawn(async move { call.send().await.expect("an answer") })
    }

    /// A refresh whose answer the database refuses.
    async fn rotate(&mut self) -> Asked {
        let calls = self.stub.calls();
        self.stub.hold();
        let asked = self.ask();
        self.stub.wait_for_calls(calls + 1).await;
        self.fickle.refuse(&self.process);
        self.stub.release();
        asked
    }

    async fn lies_in_the_journal(&self) {
        eventually("it lies in the journal", async || journal(&self.database).len() == 1).await;
    }

    async fn serves_the_newest(&self) {
        let current = self.stub.current("a");
        assert_eq!((Some(revealed(&self.process, self.id).await), true), (current.clone(), current.is_some()));
        let served = self.process.call("POST", "/public-api/get-at").root().json(&json!({"biz_id": "a"}));
        assert_eq!(served.send().await.expect(200)["data"]["refresh_token"].as_str(), current.as_deref());
        assert_eq!(journal(&self.database), Vec::<String>::new());
    }

    /// Once more, with what it holds now.
    async fn close(self) {
        let calls = self.stub.calls();
        assert_eq!(self.ask().await.unwrap().status(), 200);
        assert_eq!(self.stub.calls(), calls + 1);
        self.serves_the_newest().await;
        drop(self.process);
        drop(self.fickle);
        std::fs::remove_dir_all(&self.database.folder).unwrap();
    }
}

async fn server(database: &mut Database) -> Fickle {
    database.name = Some("latchkey".to_owned());
    Fickle::Server(Mariadb::start(&database.folder, "latchkey").await)
}

async fn file(_: &mut Database) -> Fickle {
    Fickle::File(4096)
}

/// The caller waits, and is answered when the database has it.
async fn it_is_kept_until_the_database_is_back(fickle: impl AsyncFnOnce(&mut Database) -> Fickle) {
    let mut scene = Scene::open(fickle, 3600).await;
    let asked = scene.rotate().await;
    scene.lies_in_the_journal().await;
    assert!(!asked.is_finished(), "nobody is answered what a crash could undo");
    scene.fickle.accept(Some(&scene.process)).await;
    assert_eq!(asked.await.unwrap().status(), 200);
    scene.serves_the_newest().await;
    scene.close().await;
}

/// The caller is told when it takes too long; then whoever asks next finds it, and the old one is not sent again.
async fn it_is_found_by_whoever_asks_next(fickle: impl AsyncFnOnce(&mut Database) -> Fickle) {
    let mut scene = Scene::open(fickle, 1).await;
    let asked = scene.rotate().await;
    assert_eq!(asked.await.unwrap().status(), 503);
    let calls = scene.stub.calls();
    assert_eq!(scene.ask().await.unwrap().status(), 503, "and nothing is sent meanwhile");
    scene.lies_in_the_journal().await;
    scene.fickle.accept(Some(&scene.process)).await;
    assert_eq!(scene.stub.calls(), calls);
    // It is taken from the journal by this call, or was just before it; the provider revokes what is sent twice.
    eventually("it is served", async || scene.ask().await.unwrap().status() == 200).await;
    scene.serves_the_newest().await;
    scene.close().await;
}

/// Nobody asks: the process brings it in by itself.
async fn it_is_brought_in_when_the_database_is_back(fickle: impl AsyncFnOnce(&mut Database) -> Fickle) {
    let mut scene = Scene::open(fickle, 1).await;
    assert_eq!(scene.rotate().await.await.unwrap().status(), 503);
    let calls = scene.stub.calls();
    scene.lies_in_the_journal().await;
    scene.fickle.accept(Some(&scene.process)).await;
    eventually("it is taken from the journal", async || journal(&scene.database).is_empty()).await;
    scene.serves_the_newest().await;
    assert_eq!(scene.stub.calls(), calls);
    scene.close().await;
}

/// Killed meanwhile.
async fn it_is_found_by_the_next_start(fickle: impl AsyncFnOnce(&mut Database) -> Fickle) {
    let mut scene = Scene::open(fickle, 3600).await;
    let asked = scene.rotate().await;
    scene.lies_in_the_journal().await;
    let Scene { database, mut fickle, stub, process, id } = scene;
    process.kill();
    asked.abort();
    let calls = stub.calls();
    fickle.accept(None).await;
    let process = Process::serve_with(&database, |command| fickle.prepare(command)).await;
    let scene = Scene { database, fickle, stub, process, id };
    scene.serves_the_newest().await;
    assert_eq!(scene.stub.calls(), calls);
    scene.close().await;
}

macro_rules! with_each_database {
    ($($name:ident)*) => {
        $(
            mod $name {
                #[test]
                fn sqlite() {
                    super::block_on(super::$name(super::file));
                }

                #[test]
                fn mysql() {
                    super::block_on(super::$name(super::server));
                }
            }
        )*
    };
}

with_each_database! {
    it_is_kept_until_the_database_is_back
    it_is_found_by_whoever_asks_next
    it_is_brought_in_when_the_database_is_back
    it_is_found_by_the_next_start
}

#[test]
fn a_disk_that_takes_not_even_the_journal_leaves_it_in_the_process_and_nobody_spends_the_old_one() {
    block_on(async {
        let mut scene = Scene::open(async |_| Fickle::File(1), 1).await;
        let asked = scene.rotate().await;
        let calls = scene.stub.calls();
        // `get-at` is not the same flight as `refresh`: it asks by itself.
        let body = json!({"biz_id": "a", "min_ttl": 86_400});
        let served = scene.process.call("POST", "/public-api/get-at").root().json(&body).send().await.expect(200);
        assert_ne!(served["data"]["refresh_token"].as_str(), scene.stub.current("a").as_deref(), "the one before");
        assert_eq!((journal(&scene.database), asked.is_finished()), (vec![], false));
        scene.fickle.accept(Some(&scene.process)).await;
        assert_eq!(asked.await.unwrap().status(), 200);
        assert_eq!(scene.stub.calls(), calls);
        scene.serves_the_newest().await;
        scene.close().await;
    });
}

#[test]
fn a_commit_that_nobody_confirmed_is_found_to_be_ours() {
    block_on(async {
        let database = Database::mysql().await;
        let process = super::serve(&database).await;
        let stub = Provider::start(&latchkey::base::clock::Clock::System);
        introduce(&process, &stub, json!({"timeout_ms": 1000})).await;
        let names: Vec<String> = (0..8).map(|nth| format!("account-{nth}")).collect();
        let ids = accounts(&process, &stub, &names).await;
        let refresh = async |name: &str| {
            let call = process.call("POST", "/public-api/refresh").root().json(&json!({"biz_id": name}));
            call.send().await.status
        };
        let stop = tokio_util::sync::CancellationToken::new();
        let callers = names.iter().map(async |name| {
            while !stop.is_cancelled() {
                // Never that somebody else has changed the account.
                let status = refresh(name).await;
                assert!(matches!(status, 200 | 503), "{name}: {status}");
            }
        });
        let kills = async {
            for _ in 0..20 {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await; // so that there are commits to hit
                database.kill_connections().await;
            }
            stop.cancel();
        };
        tokio::join!(futures_util::future::join_all(callers), kills);
        for (name, id) in names.iter().zip(ids) {
            eventually("it is refreshed again", async || refresh(name).await == 200).await;
            assert_eq!(Some(revealed(&process, id).await), stub.current(name), "{name}");
        }
        drop(process);
        database.drop().await;
    });
}
