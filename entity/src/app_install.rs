//! `app_install`: the grant of one device to one app.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("app_install");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "The grant of one device to one app")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The app.
    pub app_id: i64,
    /// The device.
    pub device_id: i64,
    /// SHA-256 of the app token, 64 hex digits.
    #[sea_orm(unique)]
    pub token_hash: String,
    /// Its last four digits.
    pub token_last4: String,
    /// Whether writes are refused.
    pub read_only: bool,
    /// What the owner noted.
    pub note: String,
    /// When access was granted.
    pub installed_at: UtcMillis,
    /// When it was last changed.
    pub updated_at: UtcMillis,
    /// Last use, to the minute.
    pub last_used_at: Option<UtcMillis>,
}

/// The rows it points to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// By `app_id`.
    #[sea_orm(belongs_to = "super::app::Entity", from = "Column::AppId", to = "super::app::Column::Id")]
    App,
    /// By `device_id`.
    #[sea_orm(belongs_to = "super::device::Entity", from = "Column::DeviceId", to = "super::device::Column::Id")]
    Device,
}

impl Related<super::app::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::App.def()
    }
}

impl Related<super::device::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Device.def()
    }
}
