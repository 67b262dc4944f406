//! Two processes on one MariaDB: what one does holds in the other, and they never get in each other's way.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::kit::{Database, Load, Process, block_on};

/// Two services, the second with the first one's secrets.
async fn two(database: &Database) -> (Process, Process) {
    let one = Process::serve_logged(database, |_| {}).await;
    let folder = database.folder.join("other");
    std::fs::create_dir_all(folder.join("data")).expect("a folder");
    std::fs::copy(database.folder.join("data/secrets.yml"), folder.join("data/secrets.yml")).expect("the secrets");
    let other = Process::serve_logged(database, |command| {
        command.current_dir(folder);
    })
    .await;
    (one, other)
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
