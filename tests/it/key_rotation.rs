//! New master keys and new data keys: nothing that is sealed is lost, whenever the command is cut off.

mod data_key;
mod master_key;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use entity::{UtcMillis, key_holder, sealing_key};
use latchkey::base::{clock::Clock, sealed::COLUMNS};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};
use serde_json::{Value, json};

use crate::kit::{Database, Process, Provider, eventually, holds};

const TOKENS: &str = "/public-api/tokens";

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A service that logs everything, and whose providers may be on this machine.
async fn serve(database: &Database) -> Process {
    Process::serve_logged(database, |command| {
        command.env("LATCHKEY__LOG__LEVEL", "debug").env("LATCHKEY__SECURITY__ALLOW_PRIVATE_TARGETS", "true");
    })
    .await
}

fn stop(process: Process) {
    process.signal("TERM");
    assert_eq!(process.wait(), Some(0));
}

/// The provider `stub`, with a secret in every place, at the stub.
async fn connect(process: &Process, stub: &Provider) {
    let provider = json!({
        "name": "stub", "token_url": stub.url(), "client_id": "c", "client_secret": "planted-client-secret",
        "headers": {"X-Extra": "planted-header"}, "extra_params": {"audience": "planted-param"}, "timeout_ms": 5000,
    });
    process.call("POST", "/public-api/providers").json(&provider).root().send().await.expect(201);
}

async fn account(process: &Process, stub: &Provider, name: &str) -> i64 {
    let new = json!({"biz_id": name, "provider": "stub", "refresh_token": stub.issue(name)});
    process.call("POST", TOKENS).json(&new).root().send().await.expect(201)["id"].as_i64().unwrap()
}

async fn refresh(process: &Process, name: &str) -> crate::kit::Answer {
    process.call("POST", "/public-api/refresh").json(&json!({"biz_id": name})).root().send().await
}

/// A token of an account, in clear.
async fn revealed(process: &Process, id: i64, field: &str) -> String {
    let path = format!("{TOKENS}/{id}/reveal");
    let shown = process.call("POST", &path).json(&json!({"field": field})).root().send().await.expect(200);
    shown["value"].as_str().unwrap().to_owned()
}

async fn data_keys(database: &Database) -> Vec<i64> {
    let connection = database.connect().await;
    let rows = sealing_key::Entity::find().all(&connection).await.unwrap();
    connection.close().await.unwrap();
    rows.into_iter().map(|row| row.id).collect()
}

async fn execute(database: &Database, sql: &str) {
    let connection = database.connect().await;
    connection.execute_unprepared(sql).await.unwrap();
    connection.close().await.unwrap();
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", errors(output)))
}

fn rotate(database: &Database) -> Output {
    Process::run(database, &["--json", "rotate-data-key"])
}

fn data_folder(database: &Database) -> PathBuf {
    match database.name {
        None => database.folder.clone(),
        Some(_) => database.folder.join("data"),
    }
}

#[test]
fn every_column_that_the_schema_calls_sealed_is_rotated() {
    let schema = include_str!("../../resource/table.sqlite.sql");
    let (mut table, mut sealed) = (String::new(), BTreeSet::new());
    for line in schema.lines() {
        if let Some(name) = line.strip_prefix("CREATE TABLE \"") {
            table = name.split('"').next().unwrap().trim_start_matches("{p}").to_owned();
        }
        let column = line.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
        if let (Some(column), Some((_, comment))) = (column, line.split_once("-- "))
            && comment.starts_with("sealed")
        {
            sealed.insert((table.clone(), column.to_owned()));
        }
    }
    let rotated: BTreeSet<_> =
        COLUMNS.iter().map(|(table, column)| ((*table).to_owned(), (*column).to_owned())).collect();
    assert_eq!(sealed, rotated);
}

#[test]
fn nothing_seals_beside_the_list_of_columns() {
    let seals = |path: &str, text: &str| {
        let base = path.starts_with("src/base/");
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let direct = lines.filter(|line| line.contains(".seal_file(") || line.contains("Sealing(")).count();
        (!base && direct > 0).then(|| path.to_owned())
    };
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut waiting, mut found) = (vec![root.join("src")], Vec::new());
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.extend(seals(&name, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert_eq!(found, ["src/tokens/refresh/journal.rs"], "the rotation knows of these files only");
}
