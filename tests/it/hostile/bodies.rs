//! Bodies that are too large, have no end, or are too many at once.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::socket::{GUARD, Reply, Socket, assert_unharmed, put, start};
use crate::kit::{Database, Process, block_on};

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
