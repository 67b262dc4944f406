//! Batches as they come in: read without their values being rebuilt.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    etag::Precondition,
    key::Key,
    plan::{Action, Change},
    value::{BadValue, Value},
};
use crate::base::error::{Error, FieldError, Result};

/// Most operations of a batch.
const MOST_OPS: usize = 1000;
/// Most keys of an import.
const MOST_KEYS: usize = 10_000;

#[derive(Deserialize)]
struct RawBatch<'a> {
    #[serde(borrow)]
    ops: Vec<RawOp<'a>>,
}

#[derive(Deserialize)]
struct RawOp<'a> {
    op: String,
    key: String,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
    #[serde(rename = "ifMatch")]
    if_match: Option<i64>,
    ttl: Option<i64>,
}

/// A value that is there, null included.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads the operations of `/kv/_batch`.
///
/// # Errors
/// 400 naming the operation, 413 when a value is too large.
pub fn parse(body: &[u8], most_bytes: usize) -> Result<Vec<Change>> {
    let batch: RawBatch<'_> = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    if batch.ops.is_empty() || batch.ops.len() > MOST_OPS {
        return Err(Error::malformed(format!("'ops' must hold 1 to {MOST_OPS} operations.")));
    }
    let changes = batch.ops.into_iter().enumerate();
    changes.map(|(index, op)| change(op, most_bytes).map_err(|error| error.with("index", index))).collect()
}

fn change(op: RawOp<'_>, most_bytes: usize) -> Result<Change> {
    let key = Key::new(&op.key)?;
    if op.ttl.is_some_and(|ttl| !super::api::TTL.contains(&ttl)) {
        return Err(Error::malformed("'ttl' must be a number of seconds from 1 to 315360000."));
    }
    let precondition = match op.if_match {
        None => Precondition::default(),
        Some(revision) if revision >= 0 => Precondition::revision(revision),
        Some(_) => return Err(Error::malformed("'ifMatch' must be a revision, or 0 for absent.")),
    };
    let action = match op.op.as_str() {
        "set" => {
            let text = op.value.ok_or(BadValue::Missing)?;
            Action::Set { value: Value::new(text.get().as_bytes(), most_bytes)?, ttl: op.ttl }
        }
        "delete" => Action::Delete,
        "check" if op.if_match.is_none() => return Err(Error::malformed("A check needs 'ifMatch'.")),
        "check" => Action::Check,
        _ => return Err(Error::malformed("'op' must be set, delete or check.")),
    };
    Ok(Change { key, action, precondition })
}

/// Members of an object in the order they were sent.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of keys and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Each).map(Self)
    }
}

/// Reads the keys and values of `/kv/_batchimport`.
///
/// # Errors
/// 400 when it is not an object of at least one key; 422 listing every bad key and value.
pub fn parse_import(body: &[u8], most_bytes: usize) -> Result<Vec<Change>> {
    let Members(members) = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    if members.is_empty() {
        return Err(Error::malformed("Send an object with at least one key."));
    }
    if members.len() > MOST_KEYS {
        return Err(Error::invalid_field("", "range", format!("An import holds at most {MOST_KEYS} keys.")));
    }
    let (mut changes, mut bad, mut seen) = (Vec::with_capacity(members.len()), Vec::new(), HashSet::new());
    for (name, text) in members {
        let key = Key::new(&name).map_err(|why| why.in_field(name.clone()));
        let value = Value::new(text.get().as_bytes(), most_bytes).map_err(|why| why.in_field(name.clone()));
        match (key, value) {
            (Ok(key), Ok(_)) if !seen.insert(key.clone()) => {
                bad.push(FieldError::new(name, "duplicate", "is given twice"));
            }
            (Ok(key), Ok(value)) => {
                let action = Action::Set { value, ttl: None };
                changes.push(Change { key, action, precondition: Precondition::default() });
            }
            (key, value) => bad.extend(key.err().into_iter().chain(value.err())),
        }
    }
    if bad.is_empty() { Ok(changes) } else { Err(Error::invalid(bad)) }
}

fn not_json(error: &serde_json::Error) -> Error {
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or_default();
    Error::malformed(format!("The body cannot be read: {what} at line {}, column {}.", error.line(), error.column()))
}
