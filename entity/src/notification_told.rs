//! `notification_told`: which channel was told what, or will be when its quiet hours end.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("notification_told");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "Which channel was told what, or will be when its quiet hours end")]
pub struct Model {
    /// The channel.
    #[sea_orm(primary_key, auto_increment = false)]
    pub channel_id: i64,
    /// The notification.
    #[sea_orm(primary_key, auto_increment = false)]
    pub notification_id: i64,
    /// As in the notification.
    pub event: String,
    /// As in the notification.
    pub subject: String,
    /// Null: it is held.
    pub told_at: Option<UtcMillis>,
}

/// The rows it points to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// By `channel_id`.
    #[sea_orm(
        belongs_to = "super::notification_channel::Entity",
        from = "Column::ChannelId",
        to = "super::notification_channel::Column::Id"
    )]
    NotificationChannel,
    /// By `notification_id`.
    #[sea_orm(
        belongs_to = "super::notification::Entity",
        from = "Column::NotificationId",
        to = "super::notification::Column::Id"
    )]
    Notification,
}

impl Related<super::notification_channel::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::NotificationChannel.def()
    }
}

impl Related<super::notification::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Notification.def()
    }
}
