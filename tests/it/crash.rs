//! `kill -9`: what was promised is kept, and nothing is half there. `ROUNDS=200` tortures longer.

use std::{process::Stdio, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::kit::{Database, Load, Process, block_on};

fn rounds() -> usize {
    std::env::var("ROUNDS").map_or(4, |text| text.parse().expect("ROUNDS is a number"))
}

/// Some time below `most`, other in every run: each has to be as good as any other.
fn random(most: Duration) -> Duration {
    let [byte, other, ..] = *uuid::Uuid::new_v4().as_bytes();
    most * u32::from(u16::from_ne_bytes([byte, other])) / u32::from(u16::MAX)
}

async fn kill_under_load(database: Database) {
    let mut process = Process::serve_logged(&database, |_| {}).await;
    let mut load = Load::new(&process, "load", 16).await;
    let mut promised = 0;
    for round in 0..rounds() {
        let (addr, stop) = (process.addr, CancellationToken::new());
        let kill = async {
            tokio::time::sleep(Duration::from_millis(50) + random(Duration::from_millis(700))).await;
            process.kill();
            stop.cancel();
        };
        let (outcome, ()) = tokio::join!(load.run(addr, &stop), kill);
        promised += outcome.acknowledged;
        assert_eq!(outcome.unavailable, 0, "nothing was out of order but the kill");
        load.check_books(&database).await;
        process = Process::serve_logged(&database, |_| {}).await;
        load.verify(process.addr).await;
        eprintln!("round {round}: {outcome:?}");
    }
    assert!(promised > 100, "only {promised} writes: this tested little");
    load.check_books(&database).await;
    drop(process);
    assert!(!Process::log(&database).contains("panicked"), "{}", Process::log(&database));
    database.drop().await;
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_there_sqlite() {
    block_on(kill_under_load(Database::sqlite()));
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_there_mysql() {
    block_on(async { kill_under_load(Database::mysql().await).await });
}

/// Kills starts on one new database, each at another moment, then lets one come up.
async fn kill_while_starting(database: Database, most: Duration) {
    for _ in 0..rounds() * 2 {
        let mut command = Process::command(&database, &["serve"]);
        command.env("LATCHKEY__SERVER__PORT", "0").env("LATCHKEY__SERVER__HOST", "127.0.0.1").stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        tokio::time::sleep(random(most)).await;
        child.kill().expect("killed");
        child.wait().expect("gone");
    }
    let process = Process::serve_logged(&database, |_| {}).await;
    // The secrets on the disk are those the database was initialised with, or this start would have been refused.
    let mut load = Load::new(&process, "load", 2).await;
    let stop = CancellationToken::new();
    let (outcome, ()) = tokio::join!(load.run(process.addr, &stop), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.cancel();
    });
    assert!(outcome.acknowledged > 0, "{outcome:?}");
    load.verify(process.addr).await;
    load.check_books(&database).await;
    drop(process);
    let folder: Vec<_> = std::fs::read_dir(&database.folder).expect("a folder").flatten().collect();
    assert!(
        folder.iter().any(|entry| entry.file_name() == "secrets.yml")
            || database.folder.join("data/secrets.yml").exists()
    );
    database.drop().await;
}

#[test]
fn a_first_start_that_was_cut_off_can_be_repeated_sqlite() {
    block_on(kill_while_starting(Database::sqlite(), Duration::from_millis(600)));
}

#[test]
fn a_first_start_that_was_cut_off_can_be_repeated_mysql() {
    block_on(async { kill_while_starting(Database::mysql().await, Duration::from_millis(1500)).await });
}
