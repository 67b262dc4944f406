//! The audit: an event for every write by an admin.

use entity::{
    UtcMillis,
    audit_event::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, NotSet, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Set,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{actor::Actor, dto::AuditFilter};
use crate::base::{
    error::Result,
    page::{Page, PageQuery},
};

/// How long events are kept.
const KEPT_MS: i64 = 400 * 24 * 3_600_000;

/// Records what `actor` does, in the transaction that does it. `action` is a verb (`create`, `update`, `delete`,
/// `sign_in`), `entity` the kind of thing in the singular (`api_secret`), `entity_id` which one. `changes` is an
/// object, such as [`Changes`] makes, and must not hold secret values.
///
/// # Errors
/// When the database fails.
pub async fn record(
    tx: &impl ConnectionTrait,
    actor: &Actor,
    action: &str,
    entity: &str,
    entity_id: impl ToString,
    changes: impl Into<Value>,
    now: UtcMillis,
) -> Result<()> {
    let event = ActiveModel {
        id: NotSet,
        actor: Set(clipped(&actor.name, 191)),
        action: Set(action.to_owned()),
        entity: Set(entity.to_owned()),
        entity_id: Set(clipped(&entity_id.to_string(), 191)),
        changes: Set(changes.into().to_string()),
        ip: Set(actor.ip.clone()),
        request_id: Set(clipped(&actor.request_id, 128)),
        created_at: Set(now),
    };
    Entity::insert(event).exec_without_returning(tx).await?;
    Ok(())
}

/// The same for what owners may do as well: it is on record when an admin did it.
///
/// # Errors
/// When the database fails.
pub async fn record_if_admin(
    tx: &impl ConnectionTrait,
    admin: Option<&Actor>,
    action: &str,
    entity: &str,
    entity_id: impl ToString,
    changes: impl Into<Value>,
    now: UtcMillis,
) -> Result<()> {
    let Some(actor) = admin else { return Ok(()) };
    record(tx, actor, action, entity, entity_id, changes, now).await
}

/// As much of the text as its column holds: the effect must not fail for its record.
pub(super) fn clipped(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Fields that changed, each with its old and its new value: `{"name": {"old": "a", "new": "b"}}`.
#[derive(Clone, Debug, Default)]
pub struct Changes(Map<String, Value>);

impl Changes {
    /// With this field, if it changed.
    #[must_use]
    pub fn field<T: Serialize + PartialEq>(mut self, name: &str, old: &T, new: &T) -> Self {
        if old != new {
            self.0.insert(name.to_owned(), json!({ "old": old, "new": new }));
        }
        self
    }
}

impl From<Changes> for Value {
    fn from(changes: Changes) -> Self {
        Self::Object(changes.0)
    }
}

/// Events that fit the filter, the newest first.
///
/// # Errors
/// 422 for a page that cannot be.
pub async fn list(db: &impl ConnectionTrait, filter: &AuditFilter, page: &PageQuery) -> Result<Page<Model>> {
    let limit = page.limit()?;
    let fitting = Entity::find().filter(condition(filter));
    let total = match filter.count {
        Some(true) => Some(fitting.clone().count(db).await?),
        _ => None,
    };
    let after: Option<i64> = page.position()?;
    let rows = after
        .map_or(fitting.clone(), |id| fitting.filter(Column::Id.lt(id)))
        .order_by_desc(Column::Id)
        .limit(limit + 1)
        .all(db)
        .await?;
    Page::cut(rows, limit, total, |row| row.id)
}

fn condition(filter: &AuditFilter) -> Condition {
    Condition::all()
        .add_option(filter.actor.as_ref().map(|actor| Column::Actor.eq(actor)))
        .add_option(filter.action.as_ref().map(|action| Column::Action.eq(action)))
        .add_option(filter.entity.as_ref().map(|entity| Column::Entity.eq(entity)))
        .add_option(filter.entity_id.as_ref().map(|id| Column::EntityId.eq(id)))
        .add_option(filter.since.map(|since| Column::CreatedAt.gte(since)))
        .add_option(filter.until.map(|until| Column::CreatedAt.lt(until)))
}

/// Deletes events older than 400 days and answers how many.
///
/// # Errors
/// When the database fails.
pub async fn purge(tx: &impl ConnectionTrait, now: UtcMillis) -> Result<u64> {
    let old = Column::CreatedAt.lt(now.plus_millis(-KEPT_MS));
    Ok(Entity::delete_many().filter(old).exec(tx).await?.rows_affected)
}
