//! `kv_store`: the values. Expired rows count as absent until the purge job removes them.

use sea_orm::entity::prelude::*;

use crate::{ByteText, UtcMillis};

entity!("kv_store");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "The values")]
pub struct Model {
    /// The device it belongs to.
    #[sea_orm(primary_key, auto_increment = false)]
    pub device_id: i64,
    /// 1 to 191 characters.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: ByteText,
    /// JSON text, as it was sent.
    pub value: String,
    /// Bytes of `value`.
    pub size: i64,
    /// Number of the last change of this key.
    pub revision: i64,
    /// From when it counts as absent; null: never.
    pub expires_at: Option<UtcMillis>,
    /// Address of the first write.
    pub creator_ip: String,
    /// Address of the last write.
    pub updater_ip: String,
    /// When it was made.
    pub created_at: UtcMillis,
    /// When it was last changed.
    pub updated_at: UtcMillis,
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
