//! What happened to an account.

use entity::{UtcMillis, refresh_event};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Something that happened to an account.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 41, "kind": "succeeded", "cause": "job", "attempt": "0198f1b2-5f0a-7c3e-9a51-3f6f0c2b7d11", "failure_class": null, "detail": null, "duration_ms": 412, "created_at": "2026-11-21T04:31:00.000Z"}))]
pub struct AccountEvent {
    /// Number of the event.
    pub id: i64,
    /// `started`, `succeeded`, `failed`, `uncertain`, `dead`, `recovered`, `created`, `imported`, `edited`, `revealed`.
    pub kind: String,
    /// Who asked for it: `api`, `admin`, `job`, `batch`, `serve`, `replay`.
    pub cause: String,
    /// Joins the events of one attempt to refresh.
    pub attempt: Option<String>,
    /// How it failed: `permanent.expired`, `transient.timeout`, …
    pub failure_class: Option<String>,
    /// In words; never a token.
    pub detail: Option<String>,
    /// How long the provider took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: UtcMillis,
}

impl From<refresh_event::Model> for AccountEvent {
    fn from(row: refresh_event::Model) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            cause: row.cause,
            attempt: row.attempt,
            failure_class: row.failure_class,
            detail: row.detail,
            duration_ms: row.duration_ms,
            created_at: row.created_at,
        }
    }
}

/// How to list events.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventFilter {
    /// Whether to count them: `total` is null else.
    #[param(nullable = false, default = false)]
    pub count: Option<bool>,
}
