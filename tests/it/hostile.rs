//! Clients that do not keep to HTTP, byte by byte over raw sockets. Each gets a 4xx or a closed connection, nobody else
//! notices, and nothing panics.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::kit::{Database, Load, Process, block_on};

/// A guard against a test that hangs; the service's own limits are shorter.
const GUARD: Duration = Duration::from_secs(40);

/// A service, and a device's token.
async fn start(database: &Database) -> (Process, String) {
    let process = Process::serve_logged(database, |_| {}).await;
    let token = Load::new(&process, "hostile", 0).await.token().to_owned();
    (process, token)
}

/// Checks that the service is as well as before, and ends it.
async fn assert_unharmed(database: Database, process: Process, token: &str) {
    let value = json!({"after": "all that"});
    process.call("PUT", "/kv/afterwards").token(token).json(&value).send().await.expect(200);
    assert_eq!(process.call("GET", "/kv/afterwards").token(token).send().await.expect(200), value);
    drop(process);
    let log = Process::log(&database);
    assert!(!log.contains("panicked"), "{log}");
    assert!(!log.contains(token), "no token in the log");
    database.drop().await;
}

/// A raw connection.
struct Socket(TcpStream);

/// What came back: status lines with their bodies, as text.
#[derive(Debug)]
struct Reply {
    statuses: Vec<u16>,
    text: String,
}

impl Socket {
    async fn open(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).await.expect("a connection"))
    }

    /// Sends; a service that has closed already is no failure.
    async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Everything until the service closes.
    async fn until_closed(&mut self) -> Reply {
        let mut bytes = Vec::new();
        let read = self.0.read_to_end(&mut bytes);
        let _ = timeout(GUARD, read).await.expect("the service closes"); // a reset is an end too
        Reply::parse(&bytes)
    }

    /// One answer of a connection that may stay open: until `count` heads with their bodies have come.
    async fn answers(&mut self, count: usize) -> Reply {
        let mut bytes = Vec::new();
        let read = async {
            let mut buffer = [0; 16 * 1024];
            while Reply::parse(&bytes).complete(&bytes) < count {
                match self.0.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(more) => bytes.extend_from_slice(&buffer[..more]),
                }
            }
        };
        timeout(GUARD, read).await.expect("an answer");
        Reply::parse(&bytes)
    }
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let lines = text.match_indices("HTTP/1.").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok());
        Self { statuses: lines.collect(), text: text.clone() }
    }

    /// How many answers are there in full, by their Content-Length.
    fn complete(&self, bytes: &[u8]) -> usize {
        let (mut rest, mut count) = (bytes, 0);
        while let Some(head) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&rest[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if rest.len() < head + 4 + length {
                break;
            }
            rest = &rest[head + 4 + length..];
            count += usize::from(!text.starts_with("http/1.1 100"));
        }
        count
    }

    /// The body of the last answer as JSON.
    #[track_caller]
    fn problem(&self) -> Value {
        let body = self.text.rsplit("\r\n\r\n").next().unwrap_or_default();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Refused: closed without a word, or nothing but 4xx.
    #[track_caller]
    fn assert_refused(&self, what: &str) {
        assert!(self.statuses.iter().all(|status| (400..500).contains(status)), "{what}: {}", self.text);
    }
}

/// A request with that body.
fn put(path: &str, token: &str, headers: &str, body: &str) -> String {
    format!(
        "PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{headers}\r\n{body}"
    )
}

#[test]
fn slow_and_half_requests_are_ended_and_harm_nobody() {
    block_on(async {
        let database = Database::sqlite();
        let (process, token) = start(&database).await;
        let addr = process.addr;
        let slow_head = async {
            let mut socket = Socket::open(addr).await;
            for byte in put("/kv/slow", &token, "Content-Length: 1\r\n", "1").bytes() {
                if !socket.send([byte]).await {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(300)).await; // this slowness is what is tested
            }
            socket.until_closed().await.assert_refused("a slow head");
        };
        let half_head = async {
            let mut socket = Socket::open(addr).await;
            socket.send("GET /kv/half HTTP/1.1\r\nHos").await;
            socket.until_closed().await.assert_refused("half a head");
        };
        let short_body = async {
            let mut socket = Socket::open(addr).await;
            socket.send(put("/kv/short", &token, "Content-Length: 100\r\n", "\"short")).await;
            let reply = socket.answers(1).await;
            assert_eq!(reply.statuses, [408], "{}", reply.text);
            assert_eq!(reply.problem()["code"], "REQUEST_TIMEOUT");
        };
        let gone = async {
            for _ in 0..50 {
                let mut socket = Socket::open(addr).await;
                socket.send(put("/kv/gone", &token, "Content-Length: 100\r\n", "\"half a bo")).await;
            }
        };
        let idle = async {
            let mut sockets = join_all((0..100).map(|_| Socket::open(addr))).await;
            for reply in join_all(sockets.iter_mut().map(Socket::until_closed)).await {
                reply.assert_refused("idle");
            }
        };
        // Others are served meanwhile.
        let others = async {
            for nth in 0..200 {
                let path = format!("/kv/other-{}", nth % 10);
                process.call("PUT", &path).token(&token).json(&json!(nth)).send().await.expect(200);
                process.call("GET", &path).token(&token).send().await.expect(200);
            }
        };
        tokio::join!(slow_head, half_head, short_body, gone, idle, others);
        for key in ["slow", "half", "short", "gone"] {
            process.call("GET", &format!("/kv/{key}")).token(&token).send().await.problem(404, "KEY_NOT_FOUND");
        }
        assert_unharmed(database, process, &token).await;
    });
}

#[test]
fn bodies_without_an_end_are_413() {
    block_on(async {
        let database = Database::sqlite();
        let (process, token) = start(&database).await;
        let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
        let (addr, chunk, key) = (process.addr, &chunk, &token);
        let paths = [("/kv/endless", 1_052_672), ("/devices", 262_144), ("/kv/_batchimport", 16_777_216)];
        join_all(paths.map(|(path, most)| async move {
            let mut socket = Socket::open(addr).await;
            let head = put(path, key, "Transfer-Encoding: chunked\r\n", "");
            let method = if path == "/kv/endless" { "PUT" } else { "POST" };
            socket.send(head.replacen("PUT", method, 1)).await;
            let mut sent = 0;
            // Far more than the limit, until the service has had enough.
            while sent < most * 4 && socket.send(chunk).await {
                sent += 0x8000;
            }
            let reply = socket.until_closed().await;
            // The kernel may throw an answer away when data come after the close.
            if let Some(status) = reply.statuses.first() {
                assert_eq!(*status, 413, "{path}: {}", reply.text);
            }
            // An honest client that stops at the limit reads why, and is then let go.
            let mut socket = Socket::open(addr).await;
            socket.send(head.replacen("PUT", method, 1)).await;
            for _ in 0..=most / 0x8000 {
                socket.send(chunk).await;
            }
            let reply = socket.answers(1).await;
            assert_eq!(reply.statuses, [413], "{path}: {}", reply.text);
            assert_eq!(reply.problem()["code"], "PAYLOAD_TOO_LARGE");
            assert!(reply.text.contains("connection: close"), "{}", reply.text);
            socket.until_closed().await;
        }))
        .await;
        // Nobody waits for the end of a body that nobody wants.
        let mut socket = Socket::open(process.addr).await;
        socket.send(format!("GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}")).await;
        assert_eq!(socket.until_closed().await.statuses, [200]);
        let mut socket = Socket::open(process.addr).await;
        socket.send(put("/kv/announced", &token, "Content-Length: 99999999999\r\n", "")).await;
        assert_eq!(socket.answers(1).await.problem()["code"], "PAYLOAD_TOO_LARGE", "before the body is read");
        assert_unharmed(database, process, &token).await;
    });
}

#[test]
fn what_is_not_http_is_refused() {
    block_on(async {
        let database = Database::sqlite();
        let (process, token) = start(&database).await;
        let long = "x".repeat(1 << 20);
        let many: String = (0..2000).map(|nth| format!("x-{nth}: 1\r\n")).collect();
        let requests: Vec<(&str, Vec<u8>)> = vec![
            ("huge header", put("/kv/k", &token, &format!("X-Huge: {long}\r\nContent-Length: 1\r\n"), "1").into()),
            ("too many headers", put("/kv/k", &token, &format!("{many}Content-Length: 1\r\n"), "1").into()),
            ("huge target", put(&format!("/kv/{long}"), &token, "Content-Length: 1\r\n", "1").into()),
            (
                "both lengths",
                put("/kv/k", &token, "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n").into(),
            ),
            (
                "both lengths, turned",
                put("/kv/k", &token, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n").into(),
            ),
            ("two lengths", put("/kv/k", &token, "Content-Length: 1\r\nContent-Length: 2\r\n", "12").into()),
            ("list of lengths", put("/kv/k", &token, "Content-Length: 1, 1\r\n", "1").into()),
            ("signed length", put("/kv/k", &token, "Content-Length: +1\r\n", "1").into()),
            ("length of letters", put("/kv/k", &token, "Content-Length: one\r\n", "1").into()),
            ("unknown coding", put("/kv/k", &token, "Transfer-Encoding: cow\r\n", "1").into()),
            ("chunked not last", put("/kv/k", &token, "Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n").into()),
            ("hidden chunked", put("/kv/k", &token, "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n").into()),
            ("bad chunk size", put("/kv/k", &token, "Transfer-Encoding: chunked\r\n", "zz\r\n1\r\n0\r\n\r\n").into()),
            (
                "endless chunk size",
                put("/kv/k", &token, "Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n1").into(),
            ),
            ("blank before colon", put("/kv/k", &token, "Content-Length : 1\r\n", "1").into()),
            ("folded header", put("/kv/k", &token, "X-Folded: a\r\n b\r\nContent-Length: 1\r\n", "1").into()),
            ("bare CR in a header", put("/kv/k", &token, "X-Bare: a\rb\r\nContent-Length: 1\r\n", "1").into()),
            ("NUL in a header", put("/kv/k", &token, "X-Nul: a\0b\r\nContent-Length: 1\r\n", "1").into()),
            ("NUL in the target", put("/kv/a\0b", &token, "Content-Length: 1\r\n", "1").into()),
            ("raw UTF-8 in the target", put("/kv/键", &token, "Content-Length: 1\r\n", "1").into()),
            ("blank in the target", put("/kv/a b", &token, "Content-Length: 1\r\n", "1").into()),
            ("no target", b"GET\r\n\r\n".to_vec()),
            ("HTTP/3.0", b"GET /kv/k HTTP/3.0\r\nHost: x\r\n\r\n".to_vec()),
            ("TLS", [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 200], b"\r\n\r\n"].concat()),
            ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
            ("noise", (0..4096_u32).map(|nth| (nth.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
        ];
        for (what, bytes) in requests {
            let mut socket = Socket::open(process.addr).await;
            socket.send(&bytes).await;
            let _ = socket.0.shutdown().await;
            let reply = socket.until_closed().await;
            reply.assert_refused(what);
        }
        process.call("GET", "/kv/k").token(&token).send().await.problem(404, "KEY_NOT_FOUND");
        assert_unharmed(database, process, &token).await;
    });
}

#[test]
fn odd_but_readable_requests_get_a_problem() {
    block_on(async {
        let database = Database::sqlite();
        let (process, token) = start(&database).await;
        let deep = "[".repeat(20_000);
        let length = |body: &str| format!("Content-Length: {}\r\n", body.len());
        let cases: Vec<(&str, u16, Vec<u8>)> = vec![
            ("encoded NUL", 400, put("/kv/a%00b", &token, &length("1"), "1").into()),
            ("half an escape", 400, put("/kv/%4", &token, &length("1"), "1").into()),
            ("no escape", 400, put("/kv/%zz", &token, &length("1"), "1").into()),
            ("escaped bytes that are no UTF-8", 400, put("/kv/%ff%fe", &token, &length("1"), "1").into()),
            ("bytes that are no UTF-8 in the uuid", 400, "GET /devices/%ff HTTP/1.1\r\nHost: x\r\n\r\n".into()),
            ("bytes that are no UTF-8 in the query", 400, put("/kv/k?ttl=%ff", &token, &length("1"), "1").into()),
            ("deep nesting", 400, put("/kv/k", &token, &length(&deep), &deep).into()),
            (
                "deep nesting in an import",
                400,
                put("/kv/_batchimport", &token, &length(&deep), &deep).replacen("PUT", "POST", 1).into(),
            ),
            (
                "deep nesting for an admin",
                401,
                put("/public-api/apps", &token, &length(&deep), &deep).replacen("PUT", "POST", 1).into(),
            ),
            (
                "unknown method",
                405,
                format!("BREW /kv/k HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n").into(),
            ),
            ("CONNECT", 404, b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
            ("TRACE", 405, format!("TRACE /kv/k HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n").into()),
            (
                "token of bytes",
                401,
                b"GET /kv/k HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n".to_vec(),
            ),
            (
                "device uuid of bytes",
                400,
                b"GET /apps/1/installations HTTP/1.1\r\nHost: x\r\nx-device-uuid: %ff\r\n\r\n".to_vec(),
            ),
            (
                "value of bytes",
                400,
                [put("/kv/k", &token, "Content-Length: 4\r\n", "").as_bytes(), b"\"\xff\xfe\""].concat(),
            ),
            ("asterisk", 404, b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ];
        for (what, status, bytes) in cases {
            let mut socket = Socket::open(process.addr).await;
            socket.send(&bytes).await;
            let reply = socket.answers(1).await;
            assert_eq!(reply.statuses, [status], "{what}: {}", reply.text);
            let problem = reply.problem();
            assert_eq!(problem["status"], status, "{what}: {problem}");
            assert!(problem["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{what}: {problem}");
        }
        process.call("GET", "/kv/k").token(&token).send().await.problem(404, "KEY_NOT_FOUND");
        assert_unharmed(database, process, &token).await;
    });
}

#[test]
fn rare_but_good_http_works() {
    block_on(async {
        let database = Database::sqlite();
        let (process, token) = start(&database).await;
        let addr = process.addr;
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");

        let mut socket = Socket::open(addr).await;
        socket.send(put("/kv/a", &token, "Content-Length: 3\r\nExpect: 100-continue\r\n", "")).await;
        let mut line = [0; 25];
        timeout(GUARD, socket.0.read_exact(&mut line)).await.expect("an interim answer").expect("a line");
        assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
        socket.send("\"a\"").await;
        assert_eq!(socket.answers(1).await.statuses, [200]);

        // Pipelined: answered in order.
        let all: String =
            [put("/kv/b", &token, "Content-Length: 3\r\n", "\"b\""), get("/kv/b"), get("/kv/none"), get("/kv/a")]
                .concat();
        socket.send(all).await;
        let reply = socket.answers(4).await;
        assert_eq!(reply.statuses, [200, 200, 404, 200], "{}", reply.text);

        // Absolute form, HTTP/1.0, chunks of one byte.
        socket.send(get("http://x/kv/a")).await;
        assert_eq!(socket.answers(1).await.statuses, [200]);
        socket
            .send(put("/kv/c", &token, "Transfer-Encoding: chunked\r\n", "1\r\n\"\r\n1\r\nc\r\n1\r\n\"\r\n0\r\n\r\n"))
            .await;
        assert_eq!(socket.answers(1).await.statuses, [200]);
        socket.send(get("/kv/c").replace("HTTP/1.1", "HTTP/1.0")).await;
        let reply = socket.until_closed().await;
        assert_eq!(reply.statuses, [200], "and HTTP/1.0 ends with the connection");
        assert!(reply.text.ends_with("\"c\""), "{}", reply.text);

        // Too much pipelined for one read, the client gone before the answers.
        let mut socket = Socket::open(addr).await;
        socket.send(get("/kv/a").repeat(5000)).await;
        drop(socket);
        assert_unharmed(database, process, &token).await;
    });
}

/// The most memory the process has had, in MiB.
fn peak(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

#[test]
fn many_large_bodies_at_once_wait_for_room_instead_of_taking_all_memory() {
    block_on(async {
        let database = Database::sqlite();
        let (process, token) = start(&database).await;
        let (addr, before) = (process.addr, peak(&process));
        let most = 16 * 1024 * 1024;
        // All but the last byte, so that whatever is taken in has to be kept.
        let part = vec![b' '; most - 1];
        let send = async |token: &str| {
            let mut socket = Socket::open(addr).await;
            let head = put("/kv/_batchimport", token, &format!("Content-Length: {most}\r\n"), "");
            socket.send(head.replacen("PUT", "POST", 1)).await;
            let (mut from, mut to) = socket.0.split();
            let mut reply = Vec::new();
            tokio::select! {
                biased;
                _ = from.read_to_end(&mut reply) => {}
                () = async { let _ = to.write_all(&part).await; std::future::pending().await } => {}
            }
            let reply = Reply::parse(&reply);
            // A reset may have thrown the answer away.
            assert!(reply.statuses.iter().all(|status| matches!(status, 408 | 503)), "{}", reply.text);
        };
        let known = join_all((0..24).map(|_| send(&token)));
        let strangers = join_all((0..24).map(|_| send("no-token")));
        let others = async {
            for nth in 0..100 {
                process.call("PUT", "/kv/small").token(&token).json(&json!(nth)).send().await.expect(200);
            }
        };
        timeout(GUARD * 3, async { tokio::join!(known, strangers, others) }).await.expect("all are answered");
        let grown = peak(&process) - before;
        assert!(grown < 160, "{grown} MiB for 768 MiB of bodies");

        // Honest ones wait for each other and all get through.
        let value = "x".repeat(1_000_000);
        let imports = (0..8).map(|nth| {
            let body: serde_json::Map<_, _> = (0..12).map(|key| (format!("large-{nth}-{key}"), json!(value))).collect();
            process.call("POST", "/kv/_batchimport").token(&token).json(&Value::Object(body)).send()
        });
        for answer in join_all(imports).await {
            assert_eq!(answer.expect(200)["successful"], 12);
        }
        let grown = peak(&process) - before;
        assert!(grown < 320, "{grown} MiB for eight imports of 12 MiB");
        assert_unharmed(database, process, &token).await;
    });
}
