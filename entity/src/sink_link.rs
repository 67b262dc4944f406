//! `sink_link`: an account joined to a target of a sink.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("sink_link");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "An account joined to a target of a sink")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Sink id.
    pub sink_id: i64,
    /// Token id.
    pub token_id: i64,
    /// Of the target.
    pub channel_id: String,
    /// The target must have it.
    pub channel_name: Option<String>,
    /// The target must have it.
    pub channel_type: Option<i64>,
    /// Version of the token that arrived last.
    pub delivered_version: i64,
    /// Delivered at.
    pub delivered_at: Option<UtcMillis>,
    /// When it was made.
    pub created_at: UtcMillis,
}

/// The rows it points to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// By `sink_id`.
    #[sea_orm(belongs_to = "super::token_sink::Entity", from = "Column::SinkId", to = "super::token_sink::Column::Id")]
    TokenSink,
    /// By `token_id`.
    #[sea_orm(
        belongs_to = "super::refresh_token::Entity",
        from = "Column::TokenId",
        to = "super::refresh_token::Column::Id"
    )]
    RefreshToken,
}

impl Related<super::token_sink::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::TokenSink.def()
    }
}

impl Related<super::refresh_token::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::RefreshToken.def()
    }
}
