//! Imports and batches.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// One imported key.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Imported {
    /// The key.
    pub key: String,
    /// Whether it was absent before.
    pub created: bool,
}

/// The same, for the newer generation of clients.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportedNew {
    /// The key.
    pub key: String,
    /// Whether it was absent before.
    pub is_new: bool,
}

/// How many keys an import stored.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct ImportSummary {
    /// Keys sent.
    pub total: usize,
    /// Keys stored: all of them.
    pub successful: usize,
    /// Always 0: an import with a bad key or value stores nothing.
    pub failed: usize,
}

/// An import, for the newer generation of clients.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportData {
    /// Number of the device.
    pub device_id: i64,
    /// How many.
    pub summary: ImportSummary,
    /// One for each key.
    pub results: Vec<ImportedNew>,
}

/// What an import came to; both generations of clients find their fields.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    /// Always 200.
    pub code: u16,
    /// For people.
    pub message: String,
    /// Number of the device.
    pub device_id: i64,
    /// Keys sent.
    pub total: usize,
    /// Keys stored: all of them.
    pub successful: usize,
    /// Always 0.
    pub failed: usize,
    /// One for each key.
    pub results: Vec<Imported>,
    /// The same, differently.
    pub data: ImportData,
}

/// Keys and values to import.
#[derive(Debug, ToSchema)]
#[schema(value_type = BTreeMap<String, serde_json::Value>, example = json!({"homework-2026-11-21": {"math": "p. 12"}, "seats": []}))]
#[expect(dead_code, reason = "only a schema: imports are read without being rebuilt")]
pub struct ImportBody(BTreeMap<String, serde_json::Value>);

/// An operation of a batch.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"op": "set", "key": "counter", "value": 2, "ifMatch": 41}))]
#[expect(dead_code, reason = "only a schema: batches are read without their values being rebuilt")]
pub struct BatchOp {
    /// `set`, `delete` or `check`.
    #[schema(pattern = "^(set|delete|check)$")]
    pub op: String,
    /// The key.
    pub key: String,
    /// What to store: any JSON. For `set`.
    #[schema(required = false)]
    pub value: serde_json::Value,
    /// Only if the key's revision is this; 0: only if it is absent.
    #[serde(rename = "ifMatch")]
    #[schema(rename = "ifMatch", minimum = 0)]
    pub if_match: Option<i64>,
    /// Seconds until the value expires, 1 to 315360000. For `set`.
    #[schema(minimum = 1, maximum = 315360000)]
    pub ttl: Option<i64>,
}

/// Operations that happen together or not at all.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only a schema: batches are read without their values being rebuilt")]
pub struct BatchBody {
    /// 1 to 1000.
    #[schema(min_items = 1, max_items = 1000)]
    pub ops: Vec<BatchOp>,
}

/// What an operation came to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchResult {
    /// Its place in the batch.
    pub index: usize,
    /// The key.
    pub key: String,
    /// `set`, `delete` or `check`.
    pub op: &'static str,
    /// Revision of the key after it; of a delete of nothing, the device's; of a check of an absent key, 0.
    pub revision: i64,
    /// For `set`: whether the key was absent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub created: Option<bool>,
    /// For `delete`: whether the key was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub deleted: Option<bool>,
}

/// What a batch came to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"deviceId": 7, "revision": 43, "results": [{"index": 0, "key": "counter", "op": "set", "revision": 42, "created": false}, {"index": 1, "key": "draft", "op": "delete", "revision": 43, "deleted": true}]}))]
pub struct BatchDone {
    /// Number of the device.
    pub device_id: i64,
    /// The device's revision after it.
    pub revision: i64,
    /// One for each operation.
    pub results: Vec<BatchResult>,
}
