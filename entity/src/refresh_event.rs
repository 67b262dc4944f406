//! `refresh_event`: what happened to an account.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("refresh_event");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "What happened to an account")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Token id.
    pub token_id: i64,
    /// Started, succeeded, failed, uncertain, dead, recovered, created, edited, imported, revealed.
    pub kind: String,
    /// Api, admin, job, batch, serve, replay.
    pub cause: String,
    /// Joins a start with its end.
    pub attempt: Option<String>,
    /// Of the refresh token that is used.
    pub token_hash: Option<String>,
    /// 1 while a started attempt has no end.
    pub open: Option<bool>,
    /// Lease epoch.
    pub lease_epoch: Option<i64>,
    /// Instance.
    pub instance: Option<String>,
    /// Failure class.
    pub failure_class: Option<String>,
    /// Never a token.
    pub detail: Option<String>,
    /// Duration ms.
    pub duration_ms: Option<i64>,
    /// When it was made.
    pub created_at: UtcMillis,
}

/// The rows it points to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// By `token_id`.
    #[sea_orm(
        belongs_to = "super::refresh_token::Entity",
        from = "Column::TokenId",
        to = "super::refresh_token::Column::Id"
    )]
    RefreshToken,
}

impl Related<super::refresh_token::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::RefreshToken.def()
    }
}
