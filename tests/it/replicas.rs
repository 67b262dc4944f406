//! Several processes on one MariaDB: who may live beside whom, what one does holds in the other, and they never get in
//! each other's way.

use std::{
    fs::File,
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::kit::{Database, Load, Process, Redis, block_on, eventually};

/// A replica with a data folder of its own.
async fn replica(database: &Database, number: u32, change: impl FnOnce(&mut Command)) -> Process {
    let folder = database.replica(number);
    Process::serve_logged(database, |command| {
        command.current_dir(folder);
        change(command);
    })
    .await
}

/// One without Redis, which has to be the only one.
async fn alone(database: &Database, number: u32) -> Process {
    replica(database, number, |_| {}).await
}

/// Two services that share a Redis.
async fn two(database: &Database) -> (Process, Process) {
    let one = replica(database, 1, with_redis).await;
    let other = replica(database, 2, with_redis).await;
    (one, other)
}

fn with_redis(command: &mut Command) {
    command.env("LATCHKEY__REDIS__URL", Redis::SHARED);
}

/// A start that may have to wait: where it will listen, its process, and the file it logs to.
fn begin(database: &Database, number: u32, change: impl FnOnce(&mut Command)) -> (SocketAddr, Child) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Process::command(database, &["serve"]);
    command.current_dir(database.replica(number)).stderr(File::create(log_file(database, number)).unwrap());
    command.env("LATCHKEY__SERVER__HOST", "127.0.0.1").env("LATCHKEY__SERVER__PORT", port.to_string());
    change(&mut command);
    (SocketAddr::from(([127, 0, 0, 1], port)), command.stdout(Stdio::null()).spawn().unwrap())
}

fn log_file(database: &Database, number: u32) -> std::path::PathBuf {
    database.folder.join(format!("begun-{number}.log"))
}

fn log_of(database: &Database, number: u32) -> String {
    std::fs::read_to_string(log_file(database, number)).unwrap()
}

async fn waits(database: &Database, number: u32) {
    eventually("it waits", async || log_of(database, number).contains("waiting up to")).await;
}

fn instance(database: &Database, number: u32) -> String {
    std::fs::read_to_string(database.replica(number).join("data/instance_id")).unwrap().trim().to_owned()
}

async fn run_sql(database: &Database, sql: &str) {
    let outside = database.connect().await;
    outside.execute_unprepared(sql).await.unwrap();
    outside.close().await.unwrap();
}

fn checked(ready: &Value, name: &str) -> Value {
    ready["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).expect("the check").clone()
}

#[test]
fn a_second_replica_without_redis_is_refused_with_the_reason_and_the_first_goes_on() {
    block_on(async {
        let database = Database::mysql().await;
        let one = alone(&database, 1).await;
        let id = one.id();
        let (addr, second) = begin(&database, 2, |_| {});
        let (with, third) = begin(&database, 3, with_redis);
        waits(&database, 2).await;
        waits(&database, 3).await;
        for waiting in [addr, with] {
            assert!(TcpStream::connect(waiting).is_err(), "nothing is served before it is decided");
        }
        for (number, mut child) in [(2, second), (3, third)] {
            let code = tokio::task::spawn_blocking(move || child.wait().unwrap().code()).await.unwrap();
            let log = log_of(&database, number);
            assert_eq!(code, Some(1), "{log}");
            for part in
                [instance(&database, 1), format!("process {id} on "), "since 20".to_owned(), "redis.url".to_owned()]
            {
                assert!(log.contains(&part), "{part}: {log}");
            }
        }
        let ready = one.call("GET", "/ready").send().await.expect(200);
        assert_eq!(checked(&ready, "replica")["ok"], true);
        Load::new(&one, "the first", 0).await;
        drop(one);
        database.drop().await;
    });
}

#[test]
fn a_start_waits_for_the_replica_that_is_stopping() {
    block_on(async {
        let database = Database::mysql().await;
        let one = alone(&database, 1).await;
        let (addr, mut second) = begin(&database, 2, |_| {});
        waits(&database, 2).await;
        one.signal("TERM");
        assert_eq!(one.wait(), Some(0));
        eventually("the second serves", async || TcpStream::connect(addr).is_ok()).await;
        let mut kill = Command::new("kill");
        assert!(kill.arg("-TERM").arg(second.id().to_string()).status().unwrap().success());
        assert_eq!(second.wait().unwrap().code(), Some(0));
        database.drop().await;
    });
}

#[test]
fn a_waiting_start_can_be_told_to_stop() {
    block_on(async {
        let database = Database::mysql().await;
        let one = alone(&database, 1).await;
        let (_, mut second) = begin(&database, 2, |_| {});
        waits(&database, 2).await;
        let mut kill = Command::new("kill");
        assert!(kill.arg("-TERM").arg(second.id().to_string()).status().unwrap().success());
        assert_eq!(second.wait().unwrap().code(), Some(0));
        assert!(log_of(&database, 2).contains("before it had started"));
        one.call("GET", "/ready").send().await.expect(200);
        drop(one);
        database.drop().await;
    });
}

#[test]
fn nobody_waits_for_a_stopped_replica_nor_for_its_own_former_life_nor_for_one_that_lapsed() {
    block_on(async {
        let database = Database::mysql().await;
        let one = alone(&database, 1).await;
        one.signal("TERM");
        assert_eq!(one.wait(), Some(0));
        alone(&database, 2).await.kill(); // after a clean stop
        alone(&database, 2).await.kill(); // its own former life
        run_sql(&database, "UPDATE replica SET beat_at = beat_at - 15000").await;
        alone(&database, 1).await.kill(); // after one that was killed 15 seconds ago
        let log = Process::log(&database);
        assert!(!log.contains("waiting up to"), "{log}");
        database.drop().await;
    });
}

#[test]
fn a_replica_whose_place_was_taken_is_not_ready_until_it_is_back_in_it() {
    block_on(async {
        let database = Database::mysql().await;
        let one = alone(&database, 1).await;
        let load = Load::new(&one, "the first", 0).await;
        // As another one does it that starts while the database is away for this one for 15 seconds.
        run_sql(
            &database,
            "UPDATE replica SET instance = 'other', life = 'other', beat_at = beat_at + 12000, has_redis = 0",
        )
        .await;
        let ready = async || one.call("GET", "/ready").send().await;
        eventually("it is not ready", async || ready().await.status == 503).await;
        let problem = ready().await.problem(503, "NOT_READY");
        assert!(checked(&problem, "replica")["message"].as_str().unwrap().contains("redis.url"), "{problem}");
        let written = one.call("PUT", "/kv/k").token(load.token()).json(&json!(1)).send().await;
        written.expect(200); // whom it is asked by all the same, it answers
        run_sql(&database, "DELETE FROM replica").await;
        eventually("it is ready again", async || ready().await.status == 200).await;
        assert!(Process::log(&database).contains("stands aside"));
        eventually("it says so", async || Process::log(&database).contains("back in its place")).await;
        drop(one);
        database.drop().await;
    });
}

#[test]
fn what_one_replica_changes_holds_on_the_other_and_on_itself_at_once() {
    block_on(async {
        let database = Database::mysql().await;
        let (one, other) = two(&database).await;
        // A revoked app token.
        let load = Load::new(&one, "shared", 0).await;
        let token = load.token();
        other.call("GET", "/kv/_keys").token(token).send().await.expect(200);
        other.call("PUT", "/kv/k").token(token).json(&json!(1)).send().await.expect(200);
        one.call("DELETE", &format!("/apps/tokens/{token}")).send().await.expect(204);
        one.call("GET", "/kv/k").token(token).send().await.problem(401, "TOKEN_INVALID");
        for (method, path) in [("GET", "/kv/k"), ("GET", "/kv/_keys"), ("PUT", "/kv/k")] {
            let call = || other.call(method, path).token(token).json(&json!(2));
            eventually("the token is revoked", async || call().send().await.status == 401).await;
        }

        // A revoked secret of an admin.
        let new = json!({"name": "gateway", "scopes": ["admin"]});
        let made = one.call("POST", "/public-api/secrets").root().json(&new).send().await.expect(201);
        let secret = made["secret"].as_str().unwrap();
        other.call("GET", "/public-api/apps").secret(secret).send().await.expect(200);
        one.call("DELETE", &format!("/public-api/secrets/{}", made["id"])).root().send().await;
        one.call("GET", "/public-api/apps").secret(secret).send().await.problem(401, "UNAUTHENTICATED");
        let call = || other.call("GET", "/public-api/apps").secret(secret);
        eventually("the secret is revoked", async || call().send().await.status == 401).await;

        // A session that was ended.
        let login = json!({"username": "admin", "password": password(&database)});
        let login = one.call("POST", "/auth/login").json(&login).send().await.expect(200);
        let session = login["token"].as_str().unwrap();
        other.call("GET", "/auth/me").token(session).send().await.expect(200);
        let ended = one.call("POST", "/auth/logout").token(session).send().await;
        assert!(ended.status < 300, "{}", ended.text());
        one.call("GET", "/auth/me").token(session).send().await.problem(401, "UNAUTHENTICATED");
        let call = || other.call("GET", "/auth/me").token(session);
        eventually("the session is ended", async || call().send().await.status == 401).await;

        // A setting.
        let load = Load::new(&one, "limited", 0).await;
        let policy = async |process: &Process| {
            let read = process.call("GET", "/kv/_keys").token(load.token()).send().await;
            read.header("ratelimit-policy").map(str::to_owned)
        };
        assert_eq!(policy(&other).await, None);
        let limit = json!({"kv.rate_read": 1000});
        one.call("PATCH", "/public-api/settings").root().json(&limit).send().await.expect(200);
        let changed = Some("1000;w=60".to_owned());
        assert_eq!(policy(&one).await, changed);
        eventually("the setting holds", async || policy(&other).await == changed).await;
        drop((one, other));
        database.drop().await;
    });
}

/// The admin's password, which the first start generated.
fn password(database: &Database) -> String {
    let secrets = std::fs::read_to_string(database.replica(1).join("data/secrets.yml")).unwrap();
    let line = secrets.lines().find_map(|line| line.trim().strip_prefix("password: ")).expect("a password");
    line.trim_matches('"').to_owned()
}

#[test]
fn two_processes_write_one_device_as_one_would() {
    block_on(async {
        let database = Database::mysql().await;
        let (one, other) = two(&database).await;
        let mut here = Load::new(&one, "shared", 8).await;
        let mut there = here.beside("there", 8);
        let stop = CancellationToken::new();
        let end = async {
            tokio::time::sleep(Duration::from_secs(2)).await; // how long the load lasts
            stop.cancel();
        };
        let (first, second, ()) = tokio::join!(here.run(one.addr, &stop), there.run(other.addr, &stop), end);
        for outcome in [first, second] {
            assert!(outcome.acknowledged > 20 && outcome.unavailable + outcome.unanswered == 0, "{outcome:?}");
        }
        here.assert_apart(&there);
        // Each reads what the other wrote.
        here.verify(other.addr).await;
        there.verify(one.addr).await;
        here.check_books(&database).await;
        drop((one, other));
        assert!(!Process::log(&database).contains("panicked"), "{}", Process::log(&database));
        database.drop().await;
    });
}

#[test]
fn a_change_shows_and_a_revocation_holds_in_the_other_process() {
    block_on(async {
        let database = Database::mysql().await;
        let (one, other) = two(&database).await;
        let load = Load::new(&one, "shared", 0).await;
        let token = load.token();
        let open = || other.call("GET", "/kv/_changes").token(token).header("accept", "text/event-stream").open();
        let mut stream = open().await;
        assert_eq!(stream.status(), 200);
        let until = async |stream: &mut reqwest::Response, text: &str| {
            let mut seen = String::new();
            while !seen.contains(text) {
                let piece = stream.chunk().await.expect("more of the stream")?;
                seen.push_str(&String::from_utf8_lossy(&piece));
            }
            Some(seen)
        };
        until(&mut stream, ": open").await.expect("it is open");
        let written = one.call("PUT", "/kv/seen").token(token).json(&json!(1)).send().await.expect(200);
        let patience = Duration::from_secs(20); // a guard; the service looks every half a second
        let event = timeout(patience, until(&mut stream, "\n\n")).await.expect("in time").expect("an event");
        assert!(event.contains(&format!("id: {}\n", written["revision"])) && event.contains("\"seen\""), "{event}");
        assert_eq!(other.call("GET", "/kv/seen").token(token).send().await.expect(200), json!(1));

        one.call("DELETE", &format!("/apps/tokens/{token}")).send().await.expect(204);
        other.call("GET", "/kv/seen").token(token).send().await.problem(401, "TOKEN_INVALID");
        other.call("PUT", "/kv/seen").token(token).json(&json!(2)).send().await.problem(401, "TOKEN_INVALID");
        let ended = timeout(patience, until(&mut stream, "event:")).await.expect("in time");
        assert_eq!(ended, None, "the open stream ends");
        drop((one, other));
        database.drop().await;
    });
}
