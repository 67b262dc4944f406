//! Links.

use entity::{UtcMillis, sink_link::Model};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::text_or_number;
use crate::{base::input::printable, sinks::config};

/// A link to make.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    /// The account whose access token goes there.
    #[schema(minimum = 1, example = 7)]
    pub token_id: i64,
    /// Where it goes: the number of the channel; for files the path below the sink's folder; for webhooks a name of
    /// your choice, which the call carries.
    #[serde(default, deserialize_with = "config::text_or_number")]
    #[validate(
        required(message = "is required", code = "required"),
        length(min = 1, max = 191),
        custom(function = "printable")
    )]
    #[schema(required, schema_with = text_or_number)]
    pub channel_id: Option<String>,
    /// The name that the channel must have; it is looked at before every write.
    #[serde(default)]
    #[validate(length(min = 1, max = 191), custom(function = "printable"))]
    #[schema(min_length = 1, max_length = 191, example = "gpt-plus-7")]
    pub channel_name: Option<String>,
    /// The type that the channel must have; 57 for `codex_channel` unless it is given.
    #[serde(default)]
    #[schema(minimum = 0, example = 1)]
    pub channel_type: Option<i64>,
}

/// An account joined to a target of a sink.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LinkView {
    /// Identifier.
    #[schema(example = 5)]
    pub id: i64,
    /// The sink.
    #[schema(example = 3)]
    pub sink_id: i64,
    /// The account.
    #[schema(example = 7)]
    pub token_id: i64,
    /// Where its access token goes.
    #[schema(example = "12")]
    pub channel_id: String,
    /// The name that the channel must have.
    #[schema(required, example = "gpt-plus-7")]
    pub channel_name: Option<String>,
    /// The type that the channel must have.
    #[schema(required, example = 1)]
    pub channel_type: Option<i64>,
    /// Version of the access token that arrived last; null before the first.
    #[schema(required, example = 4)]
    pub delivered_version: Option<i64>,
    /// When it arrived.
    #[schema(required, value_type = Option<String>, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub delivered_at: Option<UtcMillis>,
    /// When the link was made.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub created_at: UtcMillis,
}

impl From<Model> for LinkView {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            sink_id: row.sink_id,
            token_id: row.token_id,
            channel_id: row.channel_id,
            channel_name: row.channel_name,
            channel_type: row.channel_type,
            delivered_version: (row.delivered_version >= 0).then_some(row.delivered_version),
            delivered_at: row.delivered_at,
            created_at: row.created_at,
        }
    }
}
