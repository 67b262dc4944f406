//! `admin_session`: a signed-in session; its id is the token's jti, so ending the row ends the token.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("admin_session");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "A signed-in session")]
pub struct Model {
    /// UUID v4; the `jti` of the token.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Whose session it is.
    pub admin_user_id: i64,
    /// Address that signed in.
    pub ip: String,
    /// When it was made.
    pub created_at: UtcMillis,
    /// When the token ends by itself.
    pub expires_at: UtcMillis,
}

/// The rows it points to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// By `admin_user_id`.
    #[sea_orm(
        belongs_to = "super::admin_user::Entity",
        from = "Column::AdminUserId",
        to = "super::admin_user::Column::Id"
    )]
    AdminUser,
}

impl Related<super::admin_user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::AdminUser.def()
    }
}
