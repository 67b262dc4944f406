//! Audit events.

use entity::{UtcMillis, audit_event};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

/// Which events to list.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// Who: `root`, `admin:<username>`, `secret:<name>` or `cli`.
    #[param(nullable = false, example = "admin:admin")]
    pub actor: Option<String>,
    /// What was done.
    #[param(nullable = false, example = "create")]
    pub action: Option<String>,
    /// Kind of thing it was done to.
    #[param(nullable = false, example = "api_secret")]
    pub entity: Option<String>,
    /// Which one.
    #[param(nullable = false, example = "7")]
    pub entity_id: Option<String>,
    /// From this moment on.
    #[param(nullable = false, value_type = Option<String>, format = DateTime, example = "2026-11-21T00:00:00.000Z")]
    pub since: Option<UtcMillis>,
    /// Before this moment.
    #[param(nullable = false, value_type = Option<String>, format = DateTime, example = "2026-11-22T00:00:00.000Z")]
    pub until: Option<UtcMillis>,
    /// Whether `total` is counted; otherwise it is null.
    #[param(nullable = false, default = false)]
    pub count: Option<bool>,
}

/// Something an admin did.
#[derive(Serialize, ToSchema)]
pub struct AuditView {
    /// Identifier; later events have larger ones.
    #[schema(example = 42)]
    pub id: i64,
    /// Who: `root`, `admin:<username>`, `secret:<name>` or `cli`.
    #[schema(example = "admin:admin")]
    pub actor: String,
    /// What was done.
    #[schema(example = "update")]
    pub action: String,
    /// Kind of thing it was done to.
    #[schema(example = "api_secret")]
    pub entity: String,
    /// Which one.
    #[schema(example = "7")]
    pub entity_id: String,
    /// What changed, without secret values.
    #[schema(value_type = std::collections::HashMap<String, Value>, example = json!({"name": {"old": "gateway", "new": "gateway-1"}}))]
    pub changes: Value,
    /// Address it came from; empty for the command line.
    #[schema(example = "192.0.2.7")]
    pub ip: String,
    /// Request it came in; empty for the command line.
    #[schema(example = "0198f0c2-7a5e-7c31-9d3e-5b0f4f6a1c22")]
    pub request_id: String,
    /// When it was done.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub created_at: UtcMillis,
}

impl From<audit_event::Model> for AuditView {
    fn from(row: audit_event::Model) -> Self {
        Self {
            id: row.id,
            actor: row.actor,
            action: row.action,
            entity: row.entity,
            entity_id: row.entity_id,
            changes: serde_json::from_str(&row.changes).unwrap_or_else(|_| json!({})),
            ip: row.ip,
            request_id: row.request_id,
            created_at: row.created_at,
        }
    }
}
