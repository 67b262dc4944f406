//! `kv_change`: the last changes of each device, for /kv/_changes.

use sea_orm::entity::prelude::*;

use crate::{ByteText, UtcMillis};

entity!("kv_change");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "The last changes of each device, for /kv/_changes")]
pub struct Model {
    /// The device.
    #[sea_orm(primary_key, auto_increment = false)]
    pub device_id: i64,
    /// Number of the change.
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: i64,
    /// The key that changed.
    pub key: ByteText,
    /// Whether it was deleted; else written.
    pub deleted: bool,
    /// When.
    pub changed_at: UtcMillis,
}

/// The rows it points to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// By `device_id`.
    #[sea_orm(belongs_to = "super::device::Entity", from = "Column::DeviceId", to = "super::device::Column::Id")]
    Device,
}

impl Related<super::device::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Device.def()
    }
}
