//! Deliveries.

use entity::{UtcMillis, outbox::Model};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::sinks::push::link_of;

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "delivered")]
pub enum DeliveryState {
    /// It is tried at `next_attempt_at`, or just now.
    Pending,
    /// It arrived.
    Delivered,
    /// A newer one took its place, or it is not wanted any more.
    Superseded,
    /// It is not tried again by itself.
    Failed,
}

impl DeliveryState {
    /// Its name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
        }
    }

    fn of(name: &str) -> Self {
        let known = [Self::Pending, Self::Delivered, Self::Superseded];
        known.into_iter().find(|state| state.as_str() == name).unwrap_or(Self::Failed)
    }
}

/// Which deliveries to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveryFilter {
    /// In this state.
    #[param(nullable = false, inline)]
    pub state: Option<DeliveryState>,
    /// Of this link.
    #[param(nullable = false, minimum = 1)]
    pub link_id: Option<i64>,
    /// Whether `total` is counted; otherwise it is null.
    #[param(nullable = false, default = false)]
    pub count: Option<bool>,
}

/// An access token on its way to a target.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    /// Identifier; later deliveries have larger ones.
    #[schema(example = 42)]
    pub id: i64,
    /// The link; it may be gone.
    #[schema(required, example = 5)]
    pub link_id: Option<i64>,
    /// Version of the account's access token.
    #[schema(example = 4)]
    pub version: i64,
    /// How far it is.
    pub state: DeliveryState,
    /// How often it was tried.
    #[schema(example = 1)]
    pub attempts: i64,
    /// When it is tried next; null when it is over.
    #[schema(required, value_type = Option<String>, format = DateTime, example = json!(null))]
    pub next_attempt_at: Option<UtcMillis>,
    /// Why it has not arrived, or is not wanted any more.
    #[schema(required, example = json!(null))]
    pub last_error: Option<String>,
    /// When there was something to deliver.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub created_at: UtcMillis,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub updated_at: UtcMillis,
    /// When it arrived.
    #[schema(required, value_type = Option<String>, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub delivered_at: Option<UtcMillis>,
}

impl From<Model> for DeliveryView {
    fn from(row: Model) -> Self {
        let state = DeliveryState::of(&row.state);
        Self {
            id: row.id,
            link_id: link_of(&row.target),
            version: row.version,
            state,
            attempts: row.attempts,
            next_attempt_at: row.next_attempt_at.filter(|_| state == DeliveryState::Pending),
            last_error: row.last_error,
            created_at: row.created_at,
            updated_at: row.updated_at,
            delivered_at: row.delivered_at,
        }
    }
}
