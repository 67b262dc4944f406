//! Keys and lists of them.

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
