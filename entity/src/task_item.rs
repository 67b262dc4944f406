//! `task_item`: the items of a task that is done one by one.

use sea_orm::entity::prelude::*;

entity!("task_item");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "The items of a task that is done one by one, and how each ended")]
pub struct Model {
    /// The task.
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: String,
    /// From 0, in the order they are done.
    #[sea_orm(primary_key, auto_increment = false)]
    pub nth: i64,
    /// Id of what is worked on.
    pub subject: i64,
    /// HTTP status of its outcome; null: it waits.
    pub status: Option<i64>,
    /// Code of the problem, if there was one.
    pub code: Option<String>,
}

/// The rows it points to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// By `task_id`.
    #[sea_orm(belongs_to = "super::task::Entity", from = "Column::TaskId", to = "super::task::Column::Id")]
    Task,
}

impl Related<super::task::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Task.def()
    }
}
