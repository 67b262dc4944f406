//! Clients that do not keep to HTTP, byte by byte over raw sockets. Each gets a 4xx or a closed connection, nobody else
//! notices, and nothing panics.

mod bodies;
mod socket;

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use self::socket::{GUARD, Socket, assert_unharmed, put, start};
use crate::kit::{Database, block_on};

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
