//! Changes of keys.

use entity::UtcMillis;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

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
