//! Limits that several processes share by way of Redis, and how they do without it.

use std::process::Stdio;

use futures_util::future::join_all;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::kit::{Answer, Database, Load, Process, Redis, TestApp, block_on, certificate, eventually};

/// Reads a minute and token, and calls a minute and address, in these tests.
const LIMIT: usize = 12;

/// A process with that Redis, behind a proxy on this machine. Each number has a data folder of its own.
async fn serve(database: &Database, number: u32, url: &str) -> Process {
    let folder = database.replica(number);
    Process::serve_logged(database, |command| {
        command.current_dir(folder).env("LATCHKEY__REDIS__URL", url);
        command.env("LATCHKEY__SERVER__TRUSTED_PROXIES", "127.0.0.1");
        for kind in ["READ", "ADDRESS"] {
            command.env(format!("LATCHKEY__KV__RATE_{kind}"), LIMIT.to_string());
        }
    })
    .await
}

async fn new_token(process: &Process, name: &str) -> String {
    Load::new(process, name, 0).await.token().to_owned()
}

async fn metric(process: &Process, name: &str) -> String {
    let text = process.call("GET", "/metrics").send().await.text();
    text.lines().find_map(|line| line.strip_prefix(name)).expect("the metric").trim().to_owned()
}

/// What each counted by itself.
async fn unshared(both: &[Process; 2]) -> [String; 2] {
    [metric(&both[0], "latchkey_redis_unshared_total").await, metric(&both[1], "latchkey_redis_unshared_total").await]
}

/// How many of these were let through; all others were told to wait.
fn passed(answers: &[Answer], statuses: &[u16]) -> usize {
    for answer in answers.iter().filter(|answer| !statuses.contains(&answer.status)) {
        answer.problem(429, "TOO_MANY_REQUESTS");
        assert!(answer.header("retry-after").is_some());
    }
    answers.iter().filter(|answer| statuses.contains(&answer.status)).count()
}

#[test]
fn two_processes_let_exactly_the_limit_through_together() {
    block_on(async {
        let database = Database::mysql().await;
        let both = [serve(&database, 1, Redis::SHARED).await, serve(&database, 2, Redis::SHARED).await];
        // On a busy machine Redis may answer too late, and then each counts for itself: once more, with other names.
        for round in 1.. {
            assert!(round < 8, "Redis never answers in time");
            let address = format!("192.0.2.{round}");
            let token = new_token(&both[0], &format!("device {round}")).await;
            let before = unshared(&both).await;
            let reads =
                join_all((0..3 * LIMIT).map(|nth| both[nth % 2].call("GET", "/kv/k").token(&token).send())).await;
            let devices = (0..3 * LIMIT).map(|nth| {
                let device = json!({"uuid": format!("{round}-{nth}"), "name": "n"});
                both[nth % 2].call("POST", "/devices").from(&address).json(&device).send()
            });
            let devices = join_all(devices).await;
            let guesses = (0..50).map(|nth| {
                let guess = format!("wrong-{nth}");
                both[nth % 2].call("GET", "/public-api/apps").from(&address).secret(&guess).send()
            });
            let guesses = join_all(guesses).await;
            let passed = (passed(&reads, &[404]), passed(&devices, &[201]), passed(&guesses, &[401]));
            if unshared(&both).await == before {
                assert_eq!(passed, (LIMIT, LIMIT, 20));
                break;
            }
        }
        drop(both);
        database.drop().await;
    });
}

/// Reads with new tokens, each until it is told to wait, as long as it may.
async fn go_on(process: &Process, tokens: &[String], stop: &CancellationToken) -> usize {
    let mut calls = 0;
    while !stop.is_cancelled() {
        for token in tokens {
            let answer = process.call("GET", "/kv/k").token(token).send().await;
            assert!(matches!(answer.status, 404 | 429), "{}", answer.text());
            process.call("GET", "/ready").send().await.expect(200);
            calls += 1;
        }
    }
    calls
}

/// Of more calls than are allowed, those that pass.
async fn allowed(process: &Process, name: &str) -> usize {
    let token = new_token(process, name).await;
    let calls = (0..2 * LIMIT).map(|_| process.call("GET", "/kv/k").token(&token).send());
    passed(&join_all(calls).await, &[404])
}

async fn outage(begin: impl AsyncFnOnce(&mut Redis), end: impl AsyncFnOnce(&mut Redis)) {
    let database = Database::mysql().await;
    let mut redis = Redis::start(&database.folder).await;
    let process = serve(&database, 1, &redis.url("redis")).await;
    let tokens = [new_token(&process, "one").await, new_token(&process, "two").await];
    let stop = CancellationToken::new();
    let outage = async {
        begin(&mut redis).await;
        eventually("Redis is seen to be away", async || metric(&process, "latchkey_redis_up").await == "0").await;
        assert_eq!(allowed(&process, "meanwhile").await, LIMIT, "counted here");
        end(&mut redis).await;
        eventually("Redis is seen to be back", async || metric(&process, "latchkey_redis_up").await == "1").await;
        eventually("counts are shared again", async || {
            let before = metric(&process, "latchkey_redis_unshared_total").await;
            process.call("GET", "/kv/k").token(&tokens[0]).send().await;
            metric(&process, "latchkey_redis_unshared_total").await == before
        })
        .await;
        stop.cancel();
    };
    let (calls, ()) = tokio::join!(go_on(&process, &tokens, &stop), outage);
    assert!(calls > 2);
    let log = Process::log(&database);
    assert!((1..=2).contains(&log.matches("is away").count()), "at most once a minute: {log}");
    drop(process);
    database.drop().await;
}

#[test]
fn a_redis_that_is_killed_costs_nobody_an_answer_and_is_used_again_when_it_is_back() {
    block_on(outage(async |redis| redis.kill(), async |redis| redis.again().await));
}

#[test]
fn a_redis_that_falls_silent_costs_nobody_an_answer_and_is_used_again_when_it_is_back() {
    block_on(outage(async |redis| redis.signal("STOP"), async |redis| redis.signal("CONT")));
}

#[test]
fn a_start_whose_redis_is_not_there_is_refused_without_telling_its_password() {
    let database = Database::sqlite();
    let mut command = Process::command(&database, &["serve"]);
    command.env("LATCHKEY__SERVER__PORT", "0").env("LATCHKEY__REDIS__URL", "redis://user:hunter2@127.0.0.1:1/0");
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("redis.url") && log.contains("127.0.0.1:1") && !log.contains("hunter2"), "{log}");
    block_on(database.drop());
}

#[test]
fn limits_are_counted_in_redis_on_sqlite_too_and_over_tls() {
    block_on(async {
        let database = Database::sqlite();
        let (certificate, key) = certificate(&database.folder);
        let redis = Redis::start_with(&database.folder, |port| {
            let tls =
                ["--port", "0", "--tls-auth-clients", "no", "--tls-cert-file", &certificate, "--tls-key-file", &key];
            let ca = ["--tls-ca-cert-file", &certificate, "--tls-port"];
            tls.into_iter().chain(ca).map(str::to_owned).chain([port.to_string()]).collect()
        })
        .await;
        let process = Process::serve_logged(&database, |command| {
            command.env("LATCHKEY__REDIS__URL", redis.url("rediss")).env("LATCHKEY__KV__RATE_READ", LIMIT.to_string());
            command.env("SSL_CERT_FILE", &certificate);
        })
        .await;
        let mut round = 0;
        eventually("Redis answers in time, and the limit holds", async || {
            round += 1;
            let before = metric(&process, "latchkey_redis_unshared_total").await;
            let passed = allowed(&process, &format!("over tls {round}")).await;
            let is_shared = metric(&process, "latchkey_redis_unshared_total").await == before;
            assert!(!is_shared || passed == LIMIT, "{passed}");
            is_shared
        })
        .await;
        process.call("GET", "/public-api/apps").secret(TestApp::SECRET).send().await.expect(200);
        drop(process);
        // A certificate that nobody vouches for is refused.
        let mut command = Process::command(&database, &["serve"]);
        command.env("LATCHKEY__SERVER__PORT", "0").env("LATCHKEY__REDIS__URL", redis.url("rediss"));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        // The doctor looks at it too.
        let doctor = |trusted: &str| {
            let mut command = Process::command(&database, &["doctor"]);
            command.env("LATCHKEY__REDIS__URL", redis.url("rediss")).env("SSL_CERT_FILE", trusted);
            let output = command.output().unwrap();
            (output.status.code(), String::from_utf8(output.stdout).unwrap())
        };
        let (code, well) = doctor(&certificate);
        assert!(code == Some(0) && well.contains("ok    redis: "), "{well}");
        let (code, ill) = doctor("/dev/null");
        assert!(code == Some(1) && ill.contains("FAIL  redis: "), "{ill}");
        drop(redis);
        database.drop().await;
    });
}
