//! Channels: where people are told.

use entity::{
    UtcMillis,
    notification_channel::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, NotSet, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    SqlErr,
    sea_query::Expr,
};
use serde_json::{Map, Value, json};

use super::{
    CHANNEL_NAME_TAKEN,
    config::Config,
    dto::{ChannelChange, CheckedChannel},
    kinds::ChannelKind,
};
use crate::{
    admin::{
        Actor,
        audit::{self, Changes},
    },
    base::{
        error::{Error, FieldError, NOT_FOUND, Result},
        event::EventKind,
        http_client::HttpClient,
        page::{Page, PageQuery},
        sealed::Place,
        secret::{Sealer, Secret},
    },
    outbox,
};

/// Channels in the order they were made.
///
/// # Errors
/// 422 for a page that cannot be.
pub(super) async fn list(db: &impl ConnectionTrait, page: &PageQuery) -> Result<Page<Model>> {
    let (limit, after) = (page.limit()?, page.position::<i64>()?);
    let total = Entity::find().count(db).await?;
    let rest = Entity::find().filter(Column::Id.gt(after.unwrap_or(0)));
    let rows = rest.order_by_asc(Column::Id).limit(limit + 1).all(db).await?;
    Page::cut(rows, limit, Some(total), |row| row.id)
}

/// The channel of that id, if there is one.
///
/// # Errors
/// 503 when the database is out.
pub(super) async fn find(db: &impl ConnectionTrait, id: i64) -> Result<Option<Model>> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

/// The channel of that id.
///
/// # Errors
/// 404.
pub(super) async fn get(db: &impl ConnectionTrait, id: i64) -> Result<Model> {
    find(db, id).await?.ok_or_else(unknown)
}

fn unknown() -> Error {
    NOT_FOUND.error("There is no such channel.")
}

/// What the channel has to know.
///
/// # Errors
/// 500 when it does not open.
pub(super) fn config(row: &Model, sealer: &Sealer) -> Result<Config> {
    Config::read(&place(row.id).unseal(sealer, &row.config)?)
}

fn place(id: i64) -> Place<'static> {
    Place { table: "notification_channel", id, column: "config" }
}

/// The names of events in a column. Those that this version does not know are left out.
pub(super) fn events(column: &str) -> Vec<EventKind> {
    let names: Vec<String> = serde_json::from_str(column).unwrap_or_default();
    names.iter().filter_map(|name| EventKind::parse(name)).collect()
}

fn names(events: &[EventKind]) -> String {
    json!(events).to_string()
}

/// Makes a channel.
///
/// # Errors
/// 409 `CHANNEL_NAME_TAKEN`.
pub(super) async fn create(
    tx: &impl ConnectionTrait,
    actor: &Actor,
    new: &CheckedChannel,
    sealer: &Sealer,
    now: UtcMillis,
) -> Result<Model> {
    let row = ActiveModel {
        id: NotSet,
        name: Set(new.name.clone()),
        kind: Set(new.kind.name()),
        enabled: Set(new.enabled),
        events: Set(names(&new.events)),
        quiet_hours: Set(new.quiet_hours.clone()),
        break_through: Set(names(&new.break_through)),
        min_interval_s: Set(new.min_interval_s),
        config: Set(String::new()),
        paused_until: Set(None),
        sent_at: Set("[]".to_owned()),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let made = row.insert(tx).await.map_err(taken)?;
    let sealed = place(made.id).seal(&sealer.sealing(tx).await?, &new.config.write())?;
    let boxed = ActiveModel { id: Unchanged(made.id), config: Set(sealed), ..Default::default() };
    let made = Entity::update(boxed).exec(tx).await?;
    let changes = json!({
        "name": made.name, "kind": made.kind, "enabled": made.enabled, "events": new.events,
        "config": new.config.changed(&Config::read(&Secret::new("{}"))?),
    });
    audit::record(tx, actor, "create", "notification_channel", made.id, changes, now).await?;
    Ok(made)
}

/// Changes a channel. A new configuration, or switching it on, ends a pause.
///
/// # Errors
/// 404, 409 `CHANNEL_NAME_TAKEN`, 422 when the configuration does not fit as a whole.
pub(super) async fn change(
    tx: &impl ConnectionTrait,
    actor: &Actor,
    id: i64,
    change: &ChannelChange,
    sealer: &Sealer,
    http: &HttpClient,
    now: UtcMillis,
) -> Result<Model> {
    let old = Entity::find_by_id(id).lock_exclusive().one(tx).await?.ok_or_else(unknown)?;
    let old_config = config(&old, sealer)?;
    let kind = ChannelKind::parse(&old.kind).ok_or_else(|| Error::internal("a channel is of no kind"))?;
    let new_config = match &change.config {
        Some(patch) => Config::check(&old_config.merged(patch), kind.fields(), http).map_err(Error::invalid)?,
        None => old_config.clone(),
    };
    if let Some(patch) = &change.config {
        forbid_redirection(kind, &old_config, &new_config, patch)?;
    }
    let members = old_config.changed(&new_config);
    let mut new = change.applied_to(&old);
    if !members.is_empty() {
        new.config = place(id).seal(&sealer.sealing(tx).await?, &new_config.write())?;
    }
    if !members.is_empty() || (new.enabled && !old.enabled) {
        new.paused_until = None;
    }
    if new == old {
        return Ok(old);
    }
    new.updated_at = now;
    Entity::update(changed(&new)).exec(tx).await.map_err(taken)?;
    let changes = Changes::default()
        .field("name", &old.name, &new.name)
        .field("enabled", &old.enabled, &new.enabled)
        .field("events", &events(&old.events), &events(&new.events))
        .field("quiet_hours", &old.quiet_hours, &new.quiet_hours)
        .field("break_through", &events(&old.break_through), &events(&new.break_through))
        .field("min_interval_s", &old.min_interval_s, &new.min_interval_s);
    // Of the configuration the names of its members, and no values.
    let changes = changes.field("config", &Vec::new(), &members);
    audit::record(tx, actor, "update", "notification_channel", id, changes, now).await?;
    Ok(new)
}

/// A secret that was entered for one place is not sent to another one because somebody edits the address.
fn forbid_redirection(kind: ChannelKind, old: &Config, new: &Config, given: &Map<String, Value>) -> Result<()> {
    let Some(moved) = ["base_url", "host"].into_iter().find(|name| old.text(name) != new.text(name)) else {
        return Ok(());
    };
    let kept = kind.fields().iter().filter(|field| field.is_for_the_service() && old.has(field.name));
    let kept = kept.filter(|field| !given.contains_key(field.name));
    let message = || format!("must be given anew when {moved} changes");
    let wrong: Vec<FieldError> =
        kept.map(|field| FieldError::new(format!("config.{}", field.name), "required", message())).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Error::invalid(wrong)) }
}

fn changed(new: &Model) -> ActiveModel {
    ActiveModel {
        id: Unchanged(new.id),
        name: Set(new.name.clone()),
        enabled: Set(new.enabled),
        events: Set(new.events.clone()),
        quiet_hours: Set(new.quiet_hours.clone()),
        break_through: Set(new.break_through.clone()),
        min_interval_s: Set(new.min_interval_s),
        config: Set(new.config.clone()),
        paused_until: Set(new.paused_until),
        updated_at: Set(new.updated_at),
        ..Default::default()
    }
}

/// Deletes a channel; what is on its way to it is given up.
///
/// # Errors
/// 404.
pub(super) async fn delete(tx: &impl ConnectionTrait, actor: &Actor, id: i64, now: UtcMillis) -> Result<()> {
    let old = Entity::find_by_id(id).lock_exclusive().one(tx).await?.ok_or_else(unknown)?;
    Entity::delete_by_id(id).exec(tx).await?;
    for breaks_through in [false, true] {
        outbox::drop_target(tx, &target(id, breaks_through), "the channel was deleted", now).await?;
    }
    let changes = json!({ "name": old.name, "kind": old.kind });
    audit::record(tx, actor, "delete", "notification_channel", id, changes, now).await
}

/// What the outbox calls the channel. What breaks through quiet hours does not queue behind what they hold up.
pub(super) fn target(id: i64, breaks_through: bool) -> String {
    if breaks_through { format!("channel:{id}:urgent") } else { format!("channel:{id}") }
}

/// The channel of a target, and whether its messages break through.
pub(super) fn of_target(target: &str) -> Option<(i64, bool)> {
    let name = target.strip_prefix("channel:")?;
    let (id, breaks_through) = name.strip_suffix(":urgent").map_or((name, false), |id| (id, true));
    Some((id.parse().ok()?, breaks_through))
}

/// Sends nothing more to the channel before then.
///
/// # Errors
/// 503 when the database is out.
pub(super) async fn pause(tx: &impl ConnectionTrait, id: i64, until: UtcMillis) -> Result<()> {
    let until = Expr::val(Some(until));
    Entity::update_many().col_expr(Column::PausedUntil, until).filter(Column::Id.eq(id)).exec(tx).await?;
    Ok(())
}

fn taken(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => CHANNEL_NAME_TAKEN.error("Another channel has this name."),
        _ => error.into(),
    }
}
