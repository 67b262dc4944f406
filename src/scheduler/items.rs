//! Tasks that are done item by item. How far such a task has come is in the database, so it goes on after a restart with
//! the items that wait. Whoever works on the items of a kind holds the lease of that name.

use entity::{
    UtcMillis, task,
    task_item::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};

use super::{dto::TaskDetail, tasks};
use crate::base::error::Result;

/// Most rows of one statement.
const CHUNK: usize = 500;

/// An item that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its task.
    pub task_id: String,
    /// Its place in the task.
    pub nth: i64,
    /// Id of what is to be worked on.
    pub subject: i64,
}

/// Makes a task with an item for each subject, in that order. Without any it is done at once.
///
/// # Errors
/// 503 when the database is out.
pub async fn begin(tx: &impl ConnectionTrait, kind: &str, subjects: &[i64], now: UtcMillis) -> Result<task::Model> {
    let total = i64::try_from(subjects.len()).unwrap_or(i64::MAX);
    let is_over = subjects.is_empty();
    let row = task::Model {
        id: uuid::Uuid::now_v7().to_string(),
        kind: kind.to_owned(),
        status: if is_over { tasks::DONE } else { tasks::RUNNING }.to_owned(),
        detail: is_over.then(|| "nothing to do".to_owned()),
        total,
        done: 0,
        created_at: now,
        updated_at: now,
        finished_at: is_over.then_some(now),
    };
    task::Entity::insert(task::ActiveModel::from(row.clone())).exec_without_returning(tx).await?;
    insert(tx, &row.id, 0, subjects).await?;
    Ok(row)
}

/// Puts more items behind those of a task. One that has ended meanwhile goes on.
///
/// # Errors
/// 404 when there is none of this id; 503 when the database is out.
pub async fn add(tx: &impl ConnectionTrait, task_id: &str, subjects: &[i64], now: UtcMillis) -> Result<()> {
    let more = i64::try_from(subjects.len()).unwrap_or(i64::MAX);
    task::Entity::update_many()
        .col_expr(task::Column::Total, task::Column::Total.into_expr().add(more))
        .col_expr(task::Column::Status, Expr::value(tasks::RUNNING))
        .col_expr(task::Column::Detail, Expr::value(None::<String>))
        .col_expr(task::Column::FinishedAt, Expr::value(None::<i64>))
        .col_expr(task::Column::UpdatedAt, Expr::value(now))
        .filter(task::Column::Id.eq(task_id))
        .exec(tx)
        .await?;
    let task = tasks::find(tx, task_id).await?;
    insert(tx, task_id, task.total - more, subjects).await
}

async fn insert(tx: &impl ConnectionTrait, task_id: &str, first: i64, subjects: &[i64]) -> Result<()> {
    let item = |(nth, subject): (i64, &i64)| ActiveModel {
        task_id: Set(task_id.to_owned()),
        nth: Set(nth),
        subject: Set(*subject),
        status: Set(None),
        code: Set(None),
    };
    let items: Vec<ActiveModel> = (first..).zip(subjects).map(item).collect();
    for chunk in items.chunks(CHUNK) {
        Entity::insert_many(chunk.to_vec()).exec_without_returning(tx).await?;
    }
    Ok(())
}

/// Up to `most` items of running tasks of this kind that wait, those of several tasks by turns.
///
/// # Errors
/// 503 when the database is out.
pub async fn waiting(db: &impl ConnectionTrait, kind: &str, most: u64) -> Result<Vec<Item>> {
    let running: Vec<String> = task::Entity::find()
        .select_only()
        .column(task::Column::Id)
        .filter(task::Column::Status.eq(tasks::RUNNING))
        .filter(task::Column::Kind.eq(kind))
        .filter(task::Column::Total.gt(0))
        .into_tuple()
        .all(db)
        .await?;
    if running.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find()
        .filter(Column::TaskId.is_in(running))
        .filter(Column::Status.is_null())
        .order_by_asc(Column::Nth)
        .order_by_asc(Column::TaskId)
        .limit(most)
        .all(db)
        .await?;
    let item = |Model { task_id, nth, subject, .. }| Item { task_id, nth, subject };
    Ok(rows.into_iter().map(item).collect())
}

/// Notes how an item ended: an HTTP status, and the problem's code if it was one. The last one ends its task. An item
/// that has ended already stays as it is.
///
/// # Errors
/// 503 when the database is out.
pub async fn note(
    tx: &impl ConnectionTrait,
    item: &Item,
    status: u16,
    code: Option<&str>,
    now: UtcMillis,
) -> Result<()> {
    let noted = Entity::update_many()
        .col_expr(Column::Status, Expr::value(i64::from(status)))
        .col_expr(Column::Code, Expr::value(code.map(str::to_owned)))
        .filter(Column::TaskId.eq(&item.task_id))
        .filter(Column::Nth.eq(item.nth))
        .filter(Column::Status.is_null())
        .exec(tx)
        .await?;
    if noted.rows_affected == 0 {
        return Ok(());
    }
    task::Entity::update_many()
        .col_expr(task::Column::Done, task::Column::Done.into_expr().add(1))
        .col_expr(task::Column::UpdatedAt, Expr::value(now))
        .filter(task::Column::Id.eq(&item.task_id))
        .exec(tx)
        .await?;
    finish(tx, &item.task_id, now).await
}

/// Ends the task if all its items have ended.
async fn finish(tx: &impl ConnectionTrait, task_id: &str, now: UtcMillis) -> Result<()> {
    let task = task::Entity::find_by_id(task_id.to_owned()).one(tx).await?;
    let Some(task) = task.filter(|task| task.done >= task.total) else { return Ok(()) };
    let well = Entity::find().filter(Column::TaskId.eq(task_id)).filter(Column::Status.lt(400)).count(tx).await?;
    tasks::finish(tx, task_id, Ok(&format!("{well} of {} succeeded", task.total)), now).await
}

/// A task with its items, in order.
///
/// # Errors
/// 404 when there is none of this id.
pub async fn show(db: &impl ConnectionTrait, task_id: &str) -> Result<TaskDetail> {
    let task = tasks::find(db, task_id).await?;
    let items = Entity::find().filter(Column::TaskId.eq(task_id)).order_by_asc(Column::Nth).all(db).await?;
    Ok(TaskDetail::new(task, items))
}
