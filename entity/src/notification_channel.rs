//! `notification_channel`: where people are told.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("notification_channel");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "Where people are told")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Name.
    #[sea_orm(unique)]
    pub name: String,
    /// Pushplus, serverchan, bark, wecom, dingtalk, feishu, telegram, slack, discord, webhook, email.
    pub kind: String,
    /// Enabled.
    pub enabled: bool,
    /// JSON list of event names.
    pub events: String,
    /// 22:00-08:00 in server.timezone.
    pub quiet_hours: Option<String>,
    /// JSON list of event names that quiet hours do not hold.
    pub break_through: String,
    /// For each event and subject.
    pub min_interval_s: i64,
    /// Sealed JSON object.
    pub config: String,
    /// The service asked for it.
    pub paused_until: Option<UtcMillis>,
    /// JSON list of the sends of the last minute in milliseconds since the epoch, where a service counts them.
    pub sent_at: String,
    /// When it was made.
    pub created_at: UtcMillis,
    /// When it was last changed.
    pub updated_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
