//! `key_holder`: replicas whose rotation journal may be sealed under a data key or a later one: it is not deleted.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("key_holder");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "Replicas whose rotation journal may be sealed under a data key or a later one")]
pub struct Model {
    /// Name of the replica: `data/instance_id`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub instance: String,
    /// The oldest data key that it may need.
    pub key_id: i64,
    /// When that was last looked at and had changed.
    pub updated_at: UtcMillis,
}

/// The rows it points to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// By `key_id`.
    #[sea_orm(belongs_to = "super::sealing_key::Entity", from = "Column::KeyId", to = "super::sealing_key::Column::Id")]
    SealingKey,
}

impl Related<super::sealing_key::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::SealingKey.def()
    }
}
