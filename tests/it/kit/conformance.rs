//! Every answer that a test sees is held against the OpenAPI document: its operation, its status, its schema.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, OnceLock},
};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::Answer;

static DOCUMENT: OnceLock<Value> = OnceLock::new();

/// The document.
pub fn document() -> &'static Value {
    DOCUMENT.get_or_init(|| serde_json::from_slice(&latchkey::server::openapi::document().json).expect("a document"))
}

/// Every operation: method, template, what the document says.
pub fn documented() -> Vec<(String, String, Value)> {
    let paths = document()["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("an item").iter();
        methods.map(move |(method, operation)| (method.to_ascii_uppercase(), path.clone(), operation.clone()))
    });
    operations.collect()
}

/// The template and operation of a path, literal pieces before parameters.
pub fn operation(method: &str, path: &str) -> Option<(&'static str, &'static Value)> {
    let path = path.split('?').next().unwrap_or_default();
    let method = if method == "HEAD" { "get".to_owned() } else { method.to_ascii_lowercase() };
    let paths = document()["paths"].as_object().expect("paths");
    let matching = paths.iter().filter(|(template, _)| fits(template, path));
    let (template, item) = matching.min_by_key(|(template, _)| template.matches('{').count())?;
    item.get(&method).map(|operation| (template.as_str(), operation))
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(&path).all(|(t, p)| (t.starts_with('{') && !p.is_empty()) || t == p)
}

/// The same for an answer as it came over the wire.
#[track_caller]
pub fn check_raw(method: &str, path: &str, answer: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let mut headers = reqwest::header::HeaderMap::new();
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        let name = reqwest::header::HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.append(name, value.parse().expect("a value"));
    }
    check(method, path, &Answer { status, headers, body: body.as_bytes().to_vec() });
}

/// Panics unless the answer is documented. Calls that match no operation have to be answered 404 or 405.
#[track_caller]
pub fn check(method: &str, path: &str, answer: &Answer) {
    assert!(answer.headers.contains_key("x-request-id"), "{method} {path}: no X-Request-Id");
    let Some((template, operation)) = operation(method, path) else {
        return;
    };
    let status = answer.status.to_string();
    let Some(response) = operation["responses"].get(&status) else {
        panic!("{method} {template}: status {status} is not documented: {}", answer.text());
    };
    if method != "HEAD" {
        record(operation["operationId"].as_str().expect("an id"), &status);
    }
    if method == "HEAD" || answer.body.is_empty() {
        return;
    }
    let kind = answer.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    let response = resolve(response);
    let Some(media) = response["content"].get(kind) else {
        panic!("{method} {template}: {status} with {kind} is not documented");
    };
    let is_json = kind == "application/json" || kind.ends_with("+json");
    // A schema without rules takes any JSON, numbers and strings that this program cannot hold included.
    let rules =
        media["schema"].as_object().map_or(0, |schema| schema.keys().filter(|key| *key != "description").count());
    if !is_json || rules == 0 {
        return;
    }
    let validator = validator(&format!("{method} {template} {status} {kind}"), &media["schema"]);
    let body = answer.json();
    let errors: Vec<String> =
        validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(errors.is_empty(), "{method} {template} {status}: {errors:?}\n{body}");
}

/// Notes that this operation was seen to answer with this status, for `tests/statuses.rs`, which runs after these tests.
fn record(operation: &str, status: &str) {
    static SEEN: OnceLock<Mutex<HashSet<String>>> = OnceLock::new();
    let name = format!("{operation} {status}");
    let mut seen = SEEN.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if seen.insert(name.clone()) {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("answers");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(name), "").expect("a mark");
    }
}

fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => document().pointer(pointer).expect("a reference that leads somewhere"),
        None => value,
    }
}

fn validator(name: &str, schema: &Value) -> Arc<Validator> {
    static VALIDATORS: OnceLock<Mutex<HashMap<String, Arc<Validator>>>> = OnceLock::new();
    let mut validators =
        VALIDATORS.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let made = validators.entry(name.to_owned()).or_insert_with(|| {
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "components": document()["components"],
        });
        Arc::new(jsonschema::validator_for(&whole).expect("a schema"))
    });
    Arc::clone(made)
}
