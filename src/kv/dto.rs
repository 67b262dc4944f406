//! Keys and changes as they cross the wire.

use std::collections::BTreeMap;

use entity::{UtcMillis, kv_store};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What is known of a key beside its value.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Address of the first write.
    pub creator_ip: String,
    /// Address of the last write.
    pub updater_ip: String,
    /// When the key was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: UtcMillis,
    /// When it was last written.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: UtcMillis,
    /// Bytes of its value.
    pub size: i64,
    /// Number of its last change; its ETag.
    pub revision: i64,
    /// When it expires; null: never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<UtcMillis>,
}

/// A key without its value.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"deviceId": 7, "key": "homework-2026-11-21", "metadata": {"creatorIp": "192.0.2.7", "updaterIp": "192.0.2.7", "createdAt": "2026-11-21T04:31:00.000Z", "updatedAt": "2026-11-21T04:31:00.000Z", "size": 17, "revision": 41, "expiresAt": null}}))]
pub struct KeyView {
    /// Number of the device.
    pub device_id: i64,
    /// The key.
    pub key: String,
    /// What is known of it.
    pub metadata: Metadata,
}

impl From<kv_store::Model> for KeyView {
    fn from(row: kv_store::Model) -> Self {
        Self {
            device_id: row.device_id,
            key: row.key.0,
            metadata: Metadata {
                creator_ip: row.creator_ip,
                updater_ip: row.updater_ip,
                created_at: row.created_at,
                updated_at: row.updated_at,
                size: row.size,
                revision: row.revision,
                expires_at: row.expires_at,
            },
        }
    }
}

/// How a list is sorted, cut and filtered.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `key` (default), `createdAt`, `updatedAt` or `size`. Ties are sorted by key, in the same direction.
    #[param(nullable = false, example = "key", pattern = "^(key|createdAt|updatedAt|size)$")]
    pub sort_by: Option<String>,
    /// `asc` (default) or `desc`.
    #[param(nullable = false, example = "asc", pattern = "^(asc|desc)$")]
    pub sort_dir: Option<String>,
    /// How many, 1 to 1000.
    #[param(value_type = u64, minimum = 1, maximum = 1000, default = 100, example = 100)]
    pub limit: Option<String>,
    /// How many to leave out. Costs by what is left out; `cursor` does not.
    #[param(value_type = u64, default = 0, example = 0)]
    pub skip: Option<String>,
    /// Only keys that begin with this.
    #[param(nullable = false, example = "homework-")]
    pub prefix: Option<String>,
    /// `next_cursor` of the page before; instead of `skip`.
    #[param(nullable = false)]
    pub cursor: Option<String>,
}

/// A page of keys with what is known of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KeyList {
    /// The keys.
    pub items: Vec<KeyView>,
    /// How many there are.
    pub total_rows: u64,
    /// Path of the next page; only while more follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub load_more: Option<String>,
    /// Cursor of the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// Which page it is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct CurrentPage {
    /// How many were asked for.
    pub limit: u64,
    /// How many were left out.
    pub skip: u64,
    /// How many are here.
    pub count: u64,
}

/// A page of key names.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KeyNames {
    /// The keys.
    pub keys: Vec<String>,
    /// How many there are.
    pub total_rows: u64,
    /// Which page it is.
    pub current_page: CurrentPage,
    /// Path of the next page; only while more follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub load_more: Option<String>,
    /// Cursor of the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// What a write came to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"deviceId": 7, "key": "homework-2026-11-21", "created": true, "updatedAt": "2026-11-21T04:31:00.000Z", "revision": 41}))]
pub struct Written {
    /// Number of the device.
    pub device_id: i64,
    /// The key.
    pub key: String,
    /// Whether the key was absent before.
    pub created: bool,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: UtcMillis,
    /// Number of this change; the key's ETag.
    pub revision: i64,
}

/// How long a value lives.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TtlQuery {
    /// Seconds until the value expires, 1 to 315360000; without it, it never does.
    #[param(value_type = u64, minimum = 1, maximum = 315360000, example = 3600)]
    pub ttl: Option<String>,
}

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

/// A change of a key.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"key": "homework-2026-11-21", "action": "upsert", "revision": 41, "updatedAt": "2026-11-21T04:31:00.000Z"}))]
pub struct ChangeView {
    /// The key.
    pub key: String,
    /// `upsert` or `delete`.
    pub action: &'static str,
    /// Number of the change; where to resume.
    pub revision: i64,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: UtcMillis,
}

/// Changes since a revision.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChangeList {
    /// In the order they happened.
    pub changes: Vec<ChangeView>,
    /// Where to go on: pass it as `since`.
    pub revision: i64,
}

/// Where to begin, and how long to wait.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChangesQuery {
    /// Changes after this revision; without it, from now on. An event stream takes `Last-Event-ID` as well.
    #[param(value_type = u64, example = 41)]
    pub since: Option<String>,
    /// Long poll: seconds to wait for a change, 0 to 60.
    #[param(value_type = u64, minimum = 0, maximum = 60, default = 0, example = 30)]
    pub wait: Option<String>,
}
