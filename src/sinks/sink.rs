//! Sinks in the database. The writer of table `token_sink`.

use entity::{
    UtcMillis, sink_link,
    token_sink::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set, Unchanged},
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    SqlErr,
};
use serde_json::{Map, Value, json};

use super::{
    SINK_NAME_TAKEN, SINK_NOT_FOUND,
    config::{SinkKind, Target, merged, split},
    dto::{NewSink, SinkFilter, SinkPatch},
    push::{catch_up, hasten_all, lane},
};
use crate::{
    admin::audit::Changes,
    base::{
        error::{Error, FieldError, Result},
        http_client::HttpClient,
        input::Patch,
        page::{Page, PageQuery},
        sealed::Place,
        secret::{Sealer, Secret},
    },
    outbox,
};

/// The sink of that number.
///
/// # Errors
/// 404 when there is none.
pub async fn require(db: &impl ConnectionTrait, id: i64) -> Result<Model> {
    Entity::find_by_id(id).one(db).await?.ok_or_else(|| SINK_NOT_FOUND.error("There is no such sink."))
}

/// The same, locked until the end of the transaction.
///
/// # Errors
/// 404 when there is none.
pub async fn locked(tx: &impl ConnectionTrait, id: i64) -> Result<Model> {
    let row = Entity::find_by_id(id).lock_exclusive().one(tx).await?;
    row.ok_or_else(|| SINK_NOT_FOUND.error("There is no such sink."))
}

/// The whole configuration, secret members included.
///
/// # Errors
/// When what is sealed does not open.
pub fn whole_config(sealer: &Sealer, row: &Model) -> Result<Map<String, Value>> {
    let mut whole: Map<String, Value> = serde_json::from_str(&row.config).map_err(Error::internal)?;
    if let Some(sealed) = &row.secrets {
        let secrets = place(row.id).unseal(sealer, sealed)?;
        whole.extend(serde_json::from_str::<Map<String, Value>>(secrets.expose()).map_err(Error::internal)?);
    }
    Ok(whole)
}

/// Where the sink leads.
///
/// # Errors
/// When what is sealed does not open, or is not what this version knows.
pub fn target(sealer: &Sealer, row: &Model) -> Result<Target> {
    Target::parse(SinkKind::parse(&row.kind)?, &whole_config(sealer, row)?)
}

fn place(id: i64) -> Place<'static> {
    Place { table: "token_sink", id, column: "secrets" }
}

async fn sealed(
    tx: &impl ConnectionTrait,
    sealer: &Sealer,
    id: i64,
    secrets: &Map<String, Value>,
) -> Result<Option<String>> {
    if secrets.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_string(secrets).map_err(Error::internal)?;
    Ok(Some(place(id).seal(&sealer.sealing(tx).await?, &Secret::new(text))?))
}

fn taken(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => SINK_NAME_TAKEN.error("Another sink has this name."),
        _ => error.into(),
    }
}

/// Makes a sink.
///
/// # Errors
/// 409 when its name is taken, 422 for a configuration that cannot be.
pub async fn create(
    tx: &impl ConnectionTrait,
    sealer: &Sealer,
    net: &HttpClient,
    new: NewSink,
    now: UtcMillis,
) -> Result<Model> {
    let whole = merged(Map::new(), &new.config);
    Target::parse(new.kind, &whole)?.check(net)?;
    let (shown, secrets) = split(whole);
    let row = ActiveModel {
        id: NotSet,
        name: Set(new.name),
        kind: Set(new.kind.as_str().to_owned()),
        enabled: Set(new.enabled),
        config: Set(json!(shown).to_string()),
        secrets: Set(None),
        sync_delay_s: Set(new.sync_delay_s.unwrap_or(new.kind.default_sync_delay())),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let row = row.insert(tx).await.map_err(taken)?;
    // The box is bound to the row's number, which is known only now.
    let Some(sealed) = sealed(tx, sealer, row.id, &secrets).await? else { return Ok(row) };
    Ok(ActiveModel { id: Unchanged(row.id), secrets: Set(Some(sealed)), ..Default::default() }.update(tx).await?)
}

/// Changes a sink, and pushes what it lacks then. Answers it with what changed, for the audit.
///
/// # Errors
/// 404; 409 when its name is taken; 422 for a configuration that cannot be.
pub async fn update(
    tx: &impl ConnectionTrait,
    sealer: &Sealer,
    net: &HttpClient,
    id: i64,
    patch: SinkPatch,
    now: UtcMillis,
) -> Result<(Model, Value)> {
    let old = locked(tx, id).await?;
    let kind = SinkKind::parse(&old.kind)?;
    let mut row = ActiveModel { id: Unchanged(id), updated_at: Set(now), ..Default::default() };
    let mut anew: Vec<String> = Vec::new();
    let mut config_changed = false;
    if let Patch::Value(config) = &patch.config {
        let before = whole_config(sealer, &old)?;
        let whole = merged(before.clone(), config);
        forbid_redirection(&before, &whole, config)?;
        Target::parse(kind, &whole)?.check(net)?;
        config_changed = whole != before;
        let (shown, secrets) = split(whole);
        anew = secrets.keys().filter(|name| config.contains_key(*name)).cloned().collect();
        row.config = Set(json!(shown).to_string());
        row.secrets = Set(sealed(tx, sealer, id, &secrets).await?);
    }
    if let Patch::Value(name) = patch.name {
        row.name = Set(name);
    }
    if let Patch::Value(enabled) = patch.enabled {
        row.enabled = Set(enabled);
    }
    if let Some(delay) = patch.sync_delay_s.into_change() {
        row.sync_delay_s = Set(delay.unwrap_or(kind.default_sync_delay()));
    }
    let new = row.update(tx).await.map_err(taken)?;
    follow(tx, &old, &new, config_changed, now).await?;
    let mut changes: Value = Changes::default()
        .field("name", &old.name, &new.name)
        .field("enabled", &old.enabled, &new.enabled)
        .field("config", &shown(&old), &shown(&new))
        .field("sync_delay_s", &old.sync_delay_s, &new.sync_delay_s)
        .into();
    if let (Value::Object(changes), false) = (&mut changes, anew.is_empty()) {
        changes.insert("secrets".to_owned(), json!(anew));
    }
    Ok((new, changes))
}

fn shown(row: &Model) -> Value {
    serde_json::from_str(&row.config).unwrap_or_default()
}

/// A token that was entered for one relay is not sent to another one because somebody edits the address.
fn forbid_redirection(
    before: &Map<String, Value>,
    whole: &Map<String, Value>,
    given: &Map<String, Value>,
) -> Result<()> {
    let moves = before.contains_key("access_token") && before.get("base_url") != whole.get("base_url");
    if moves && !given.contains_key("access_token") {
        let message = "must be given anew when base_url changes";
        return Err(Error::invalid(vec![FieldError::new("config.access_token", "required", message)]));
    }
    Ok(())
}

/// What a change of the sink means for what is on its way.
async fn follow(
    tx: &impl ConnectionTrait,
    old: &Model,
    new: &Model,
    config_changed: bool,
    now: UtcMillis,
) -> Result<()> {
    if !new.enabled {
        return outbox::drop_lane(tx, &lane(new.id), "the sink was switched off", now).await;
    }
    if !old.enabled || new.sync_delay_s > old.sync_delay_s {
        hasten_all(tx, new).await?;
    }
    if config_changed {
        // What arrived did so at another place, perhaps.
        super::link::forget_deliveries(tx, new.id).await?;
    }
    if config_changed || !old.enabled {
        outbox::hurry_lane(tx, &lane(new.id), now).await?;
        catch_up(tx, new.id, config_changed, now).await?;
    }
    Ok(())
}

/// Deletes a sink and its links. What was pushed stays where it is.
///
/// # Errors
/// 404 when there is none.
pub async fn delete(tx: &impl ConnectionTrait, id: i64, now: UtcMillis) -> Result<Model> {
    let row = locked(tx, id).await?;
    outbox::drop_lane(tx, &lane(id), "the sink was deleted", now).await?;
    Entity::delete_by_id(id).exec(tx).await?;
    Ok(row)
}

/// Sinks in the order they were made.
///
/// # Errors
/// 422 for a page that cannot be.
pub async fn list(db: &impl ConnectionTrait, filter: &SinkFilter, page: &PageQuery) -> Result<Page<Model>> {
    let limit = page.limit()?;
    let fitting = Condition::all()
        .add_option(filter.kind.map(|kind| Column::Kind.eq(kind.as_str())))
        .add_option(filter.enabled.map(|enabled| Column::Enabled.eq(enabled)));
    let fitting = Entity::find().filter(fitting);
    let total = fitting.clone().count(db).await?;
    let after: Option<i64> = page.position()?;
    let rows = after.map_or(fitting.clone(), |id| fitting.filter(Column::Id.gt(id)));
    let rows = rows.order_by_asc(Column::Id).limit(limit + 1).all(db).await?;
    Page::cut(rows, limit, Some(total), |row| row.id)
}

/// The links of a sink, the oldest first, up to `most`.
pub(super) async fn links(db: &impl ConnectionTrait, id: i64, most: u64) -> Result<Vec<sink_link::Model>> {
    let links = sink_link::Entity::find().filter(sink_link::Column::SinkId.eq(id));
    Ok(links.order_by_asc(sink_link::Column::Id).limit(most).all(db).await?)
}
