//! How the service stops: it takes no new requests, ends those it has, and loses nothing.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Stdio,
};

use serde_json::json;

use crate::kit::{Database, Process, block_on, eventually};

/// A request whose body has not come yet.
struct Unfinished {
    socket: TcpStream,
    rest: Vec<u8>,
}

impl Unfinished {
    fn begin(addr: SocketAddr, app: i64) -> Self {
        let body = json!({"deviceUuid": "a-device-that-came-late"}).to_string();
        let mut socket = TcpStream::connect(addr).unwrap();
        let head = format!(
            "POST /apps/{app}/authorize HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(&body.as_bytes()[..5]).unwrap();
        Self { socket, rest: body.as_bytes()[5..].to_vec() }
    }

    fn finish(mut self) -> String {
        self.socket.write_all(&self.rest).unwrap();
        let mut answer = String::new();
        self.socket.read_to_string(&mut answer).unwrap();
        answer
    }
}

async fn new_app(process: &Process) -> i64 {
    let app = json!({"name": "Classworks", "developer_name": "ZeroCat"});
    process.call("POST", "/public-api/apps").json(&app).root().send().await.expect(201)["id"].as_i64().unwrap()
}

/// Waits until the service has read the head of a request that is not finished.
async fn arrived(process: &Process) {
    // Requests of one worker are taken in turn; a few on every worker come after the one that was begun.
    for _ in 0..8 {
        process.call("GET", "/health").header("connection", "close").send().await.expect(200);
    }
}

async fn a_running_request_is_finished(database: Database) {
    let process = Process::serve(&database).await;
    let app = new_app(&process).await;
    let unfinished = Unfinished::begin(process.addr, app);
    arrived(&process).await;
    process.signal("TERM");
    let addr = process.addr;
    eventually("no new connection is taken", async || TcpStream::connect(addr).is_err()).await;
    let answer = tokio::task::spawn_blocking(move || unfinished.finish()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(process.wait(), Some(0));
    let process = Process::serve(&database).await;
    process.call("GET", "/public-api/devices/a-device-that-came-late").root().send().await.expect(200);
    drop(process);
    database.drop().await;
}

#[test]
fn a_running_request_is_finished_and_its_write_kept_on_sqlite() {
    block_on(a_running_request_is_finished(Database::sqlite()));
}

#[test]
fn a_running_request_is_finished_and_its_write_kept_on_mysql() {
    block_on(async { a_running_request_is_finished(Database::mysql().await).await });
}

#[test]
fn ready_turns_503_at_once_and_requests_are_taken_for_the_configured_delay() {
    block_on(async {
        let database = Database::sqlite();
        let process = Process::serve_with(&database, |command| {
            command.env("LATCHKEY__SERVER__SHUTDOWN_DELAY", "5");
        });
        let process = process.await;
        process.call("GET", "/ready").send().await.expect(200);
        process.signal("TERM");
        eventually("/ready says 503", async || {
            let ready = process.call("GET", "/ready").send().await;
            assert!(matches!(ready.status, 200 | 503));
            ready.status == 503
        })
        .await;
        let ready = process.call("GET", "/ready").send().await;
        ready.problem(503, "NOT_READY");
        assert!(ready.header("retry-after").is_some());
        process.call("GET", "/health").send().await.expect(200);
        new_app(&process).await;
        assert_eq!(process.wait(), Some(0));
        database.drop().await;
    });
}

#[test]
fn an_open_stream_of_changes_ends_with_the_service() {
    block_on(async {
        let database = Database::sqlite();
        let process = Process::serve(&database).await;
        let app = new_app(&process).await;
        let granted =
            process.call("POST", &format!("/apps/{app}/authorize")).json(&json!({"deviceUuid": "d"})).send().await;
        let token = granted.expect(200)["token"].as_str().unwrap().to_owned();
        let stream =
            process.call("GET", "/kv/_changes").token(&token).header("accept", "text/event-stream").open().await;
        assert_eq!(stream.status(), 200);
        process.signal("INT");
        let _ = stream.bytes().await; // whatever it held, it has ended
        assert_eq!(process.wait(), Some(0));
        database.drop().await;
    });
}

#[test]
fn a_second_signal_stops_at_once_and_says_so() {
    block_on(async {
        let database = Database::sqlite();
        let process = Process::serve_with(&database, |command| {
            command.stderr(Stdio::piped());
        });
        let process = process.await;
        let app = new_app(&process).await;
        let unfinished = Unfinished::begin(process.addr, app);
        arrived(&process).await;
        process.signal("TERM");
        let addr = process.addr;
        eventually("no new connection is taken", async || TcpStream::connect(addr).is_err()).await;
        process.signal("TERM");
        let (code, log) = process.finish();
        assert_eq!(code, Some(1), "{log}");
        assert!(log.contains("second signal"), "{log}");
        drop(unfinished);
        database.drop().await;
    });
}
