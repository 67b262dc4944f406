//! Every status that the document promises for an operation was seen by a test. Runs after the integration tests, as
//! `cargo test` orders them, and reads the marks they left.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

/// Statuses that no test can bring about at will, each with the reason.
const UNSEEN: &[(&str, &str)] = &[];

#[test]
fn every_documented_status_of_every_operation_was_seen_by_a_test() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("answers");
    let marks = fs::read_dir(&folder).expect("run all tests: cargo test");
    let seen: BTreeSet<String> = marks.map(|mark| mark.unwrap().file_name().into_string().unwrap()).collect();
    fs::remove_dir_all(&folder).unwrap(); // so that a mark never outlives the test that made it
    let document: Value = serde_json::from_slice(&latchkey::server::openapi::document().json).unwrap();
    let mut missing = Vec::new();
    for operation in document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values())
    {
        let id = operation["operationId"].as_str().unwrap();
        for status in operation["responses"].as_object().unwrap().keys() {
            let name = format!("{id} {status}");
            let excused = UNSEEN.iter().any(|(unseen, _)| *unseen == name);
            assert!(!(excused && seen.contains(&name)), "{name} was seen: take it off the list");
            if !excused && !seen.contains(&name) {
                missing.push(name);
            }
        }
    }
    assert!(missing.is_empty(), "no test has seen: {missing:#?}");
}
