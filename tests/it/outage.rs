//! The database goes away and comes back: clear answers meanwhile, nothing lost, and the service goes on by itself.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::kit::{Answer, Call, Database, Load, Outcome, Process, Proxy, Wire, block_on};

/// Longest time for an answer while the database is out. What is beyond is a hang.
const BOUND: Duration = Duration::from_secs(16);

async fn answered(call: Call) -> Answer {
    timeout(BOUND, call.send()).await.expect("an answer in time, whatever the database does")
}

async fn run_for(load: &mut Load, process: &Process, time: Duration) -> Outcome {
    let stop = CancellationToken::new();
    let end = async {
        tokio::time::sleep(time).await; // how long the load lasts
        stop.cancel();
    };
    let run = async { tokio::join!(load.run(process.addr, &stop), end).0 };
    let outcome = timeout(time + BOUND, run).await.expect("every writer is answered in time");
    assert_eq!(outcome.unanswered, 0, "{outcome:?}");
    outcome
}

fn assert_calm(database: &Database) {
    let log = Process::log(database);
    assert!(!log.contains("panicked"), "{log}");
}

/// Where a SQLite file runs out of space.
struct Small {
    folder: PathBuf,
    mounted: bool,
}

impl Small {
    /// A file system of a hundred megabytes (the log of the database alone may take a third), if this user may mount one.
    fn mount(database: &Database) -> Option<Self> {
        let folder = database.folder.clone();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=100m", "tmpfs"]).arg(&folder).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self { folder, mounted: true })
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
        }
    }
}

/// Fills the database until a write is refused, checks what works then, makes room and checks that all works.
async fn fill_up(database: &Database, process: Process, make_room: impl FnOnce(&Process)) {
    let mut load = Load::new(&process, "load", 4).await;
    assert!(run_for(&mut load, &process, Duration::from_millis(300)).await.acknowledged > 0);
    let token = load.token().to_owned();
    let put = async |stored: usize, value: &Value| {
        answered(process.call("PUT", &format!("/kv/filling-{stored}")).token(&token).json(value)).await
    };
    let mut stored = Vec::new();
    // Down to the last page, and refused as often as it is tried.
    for length in [200_000, 5_000, 10] {
        let value = json!("x".repeat(length));
        let mut refused = 0;
        while refused < 3 {
            let answer = put(stored.len(), &value).await;
            if answer.status == 200 {
                stored.push(value.clone());
            } else {
                answer.problem(503, "DATABASE_UNAVAILABLE");
                assert!(answer.header("retry-after").is_some());
                refused += 1;
            }
            assert!(stored.len() < 5000, "it never fills up");
        }
    }
    // The other way of writing. A little may still fit in, where the log of the database starts anew.
    let mut devices = Vec::new();
    for nth in 0..20 {
        let uuid = format!("device {nth}");
        let new = json!({"uuid": uuid, "name": "n".repeat(100)});
        let answer = answered(process.call("POST", "/devices").json(&new)).await;
        assert!(matches!(answer.status, 201 | 503), "{}", answer.text());
        if answer.status == 201 {
            devices.push(uuid);
        }
    }
    for (nth, value) in stored.iter().enumerate() {
        let read = answered(process.call("GET", &format!("/kv/filling-{nth}")).token(load.token())).await;
        assert!(read.status == 200, "reads go on: {}\n{}", read.text(), Process::log(database));
        assert_eq!(&read.json(), value);
    }
    load.verify(process.addr).await;
    run_for(&mut load, &process, Duration::from_millis(300)).await;
    load.verify(process.addr).await;

    make_room(&process);
    let after = put(stored.len(), &json!("x".repeat(200_000))).await;
    assert!(after.status == 200, "writes go on: {}\n{}", after.text(), Process::log(database));
    for nth in 0..3 {
        let uuid = format!("late {nth}");
        let answer = answered(process.call("POST", "/devices").json(&json!({"uuid": uuid, "name": "n"}))).await;
        assert!(answer.status == 201, "writes go on: {}\n{}", answer.text(), Process::log(database));
        devices.push(uuid);
    }
    let outcome = run_for(&mut load, &process, Duration::from_millis(300)).await;
    assert!(outcome.acknowledged > 0 && outcome.unavailable == 0, "{outcome:?}\n{}", Process::log(database));

    process.kill();
    let process = Process::serve_logged(database, |_| {}).await;
    for uuid in devices {
        process.call("GET", &format!("/devices/{}", uuid.replace(' ', "%20"))).send().await.expect(200);
    }
    load.verify(process.addr).await;
    load.check_books(database).await;
    drop(process);
    assert_calm(database);
}

#[test]
fn a_full_disk_refuses_writes_and_nothing_else() {
    block_on(async {
        let database = Database::sqlite();
        let Some(small) = Small::mount(&database) else {
            // Without the right to mount, the limit on the file's size in the next test stands for the full disk.
            eprintln!("no file system of its own for this test: only a_file_that_may_not_grow… shows a full disk");
            return;
        };
        let ballast = database.folder.join("ballast");
        std::fs::write(&ballast, vec![1; 40 << 20]).expect("a file to be deleted");
        let process = Process::serve_logged(&database, |_| {}).await;
        let ready = process.call("GET", "/ready").send().await.problem(503, "NOT_READY");
        let wrong: Vec<_> =
            ready["checks"].as_array().expect("checks").iter().filter(|check| check["ok"] == false).collect();
        assert_eq!((wrong.len(), &wrong[0]["name"]), (1, &json!("disk")), "{ready}");
        fill_up(&database, process, |_| std::fs::remove_file(&ballast).expect("deleted")).await;
        drop(small);
        database.drop().await;
    });
}

/// `latchkey` whose files may hold at most that many bytes.
pub fn limited(command: &mut Command, bytes: u64) {
    let mut wrapped = Command::new("env");
    wrapped.args(["--ignore-signal=XFSZ", "prlimit", &format!("--fsize={bytes}:unlimited")]);
    wrapped.arg(command.get_program()).args(command.get_args());
    wrapped.current_dir(command.get_current_dir().unwrap_or(Path::new(".")));
    wrapped.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for (name, value) in command.get_envs() {
        wrapped.env(name, value.unwrap_or_default());
    }
    *command = wrapped;
}

#[test]
fn a_file_that_may_not_grow_refuses_writes_and_nothing_else() {
    block_on(async {
        let database = Database::sqlite();
        let process = Process::serve_logged(&database, |command| limited(command, 5 << 20)).await;
        fill_up(&database, process, |process| {
            let id = process.id().to_string();
            let lifted = Command::new("prlimit").args(["--fsize=unlimited", "--pid", &id]).status().expect("it runs");
            assert!(lifted.success());
        })
        .await;
        database.drop().await;
    });
}

/// A service whose way to MariaDB is `proxy`.
async fn behind(database: &Database, proxy: &Proxy) -> Process {
    let port = proxy.addr.port().to_string();
    Process::serve_logged(database, |command| {
        command.env("LATCHKEY__DATABASE__PORT", port);
    })
    .await
}

async fn assert_out(process: &Process, load: &Load) {
    let calls = [
        process.call("GET", "/kv/some").token(load.token()),
        process.call("PUT", "/kv/some").token(load.token()).json(&json!(1)),
        process.call("DELETE", "/kv/some").token(load.token()),
        process.call("GET", "/kv").token(load.token()),
        process.call("GET", "/kv/_changes?since=0").token(load.token()),
        process.call("POST", "/kv/_batch").token(load.token()).json(&json!({"ops": [{"op": "delete", "key": "some"}]})),
        process.call("POST", "/devices").json(&json!({"uuid": uuid::Uuid::new_v4().to_string(), "name": "n"})),
        process.call("GET", "/apps"),
        process.call("GET", "/public-api/devices").root(),
        process.call("POST", "/auth/login").json(&json!({"username": "admin", "password": "wrong"})),
    ];
    for answer in futures_util::future::join_all(calls.map(answered)).await {
        answer.problem(503, "DATABASE_UNAVAILABLE");
        assert!(answer.header("retry-after").is_some());
    }
    let ready = answered(process.call("GET", "/ready")).await.problem(503, "NOT_READY");
    let checks = ready["checks"].as_array().expect("checks");
    assert!(checks.iter().any(|check| check["name"] == "database" && check["ok"] == false), "{ready}");
    answered(process.call("GET", "/health")).await.expect(200);
}

/// Waits until the service is ready again, which it has to become by itself.
async fn recovered(process: &Process) {
    let ready = async {
        while process.call("GET", "/ready").send().await.status != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await; // between two looks
        }
    };
    timeout(Duration::from_secs(30), ready).await.expect("ready again");
}

async fn outage(wire: Wire) {
    let database = Database::mysql().await;
    let mut proxy = Proxy::start().await;
    let process = behind(&database, &proxy).await;
    let mut load = Load::new(&process, "load", 8).await;
    assert!(run_for(&mut load, &process, Duration::from_millis(500)).await.acknowledged > 0);
    for _ in 0..2 {
        // In the midst of writing …
        let stop = CancellationToken::new();
        let cut = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            proxy.set(wire).await;
            stop.cancel();
        };
        let run = async { tokio::join!(load.run(process.addr, &stop), cut).0 };
        let outcome = timeout(BOUND * 2, run).await.expect("every writer is answered");
        assert_eq!(outcome.unanswered, 0, "{outcome:?}");
        // … and while it is out.
        assert_out(&process, &load).await;
        proxy.set(Wire::Whole).await;
        recovered(&process).await;
        load.verify(process.addr).await;
        let outcome = run_for(&mut load, &process, Duration::from_millis(300)).await;
        assert!(outcome.acknowledged > 0 && outcome.unavailable == 0, "{outcome:?}");
        load.verify(process.addr).await;
        load.check_books(&database).await;
    }
    assert_calm(&database);
    drop(process);
    database.drop().await;
}

#[test]
fn a_mysql_that_refuses_connections_is_survived() {
    block_on(outage(Wire::Cut));
}

#[test]
fn a_mysql_that_falls_silent_is_survived() {
    block_on(outage(Wire::Stalled));
}

#[test]
fn killed_connections_cost_a_503_and_no_write() {
    block_on(async {
        let database = Database::mysql().await;
        let process = Process::serve_logged(&database, |_| {}).await;
        let mut load = Load::new(&process, "load", 8).await;
        let stop = CancellationToken::new();
        let (outcome, ()) = tokio::join!(load.run(process.addr, &stop), async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(100)).await; // so that there are writes to hit
                database.kill_connections().await;
            }
            stop.cancel();
        });
        assert!(outcome.acknowledged > 0 && outcome.unanswered == 0, "{outcome:?}");
        load.verify(process.addr).await;
        load.check_books(&database).await;
        assert_calm(&database);
        drop(process);
        database.drop().await;
    });
}
