//! Links in the database. The writer of table `sink_link`.

use entity::{
    UtcMillis, refresh_token,
    sink_link::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, SqlErr,
};

use super::{CHANNEL_LINKED, LINK_NOT_FOUND, channel::CODEX, config::SinkKind, dto::NewLink, file, push, sink};
use crate::{
    base::{
        error::{Error, Result},
        page::{Page, PageQuery},
    },
    outbox,
};

/// The link of that number of that sink.
///
/// # Errors
/// 404 when there is none.
pub async fn require(db: &impl ConnectionTrait, sink_id: i64, id: i64) -> Result<Model> {
    let row = Entity::find_by_id(id).filter(Column::SinkId.eq(sink_id)).one(db).await?;
    row.ok_or_else(|| LINK_NOT_FOUND.error("The sink has no such link."))
}

/// Joins an account to a target, and has its access token pushed there.
///
/// # Errors
/// 404 when there is no such sink, 409 when the target is linked, 422 for an account or a target that cannot be.
pub async fn create(tx: &impl ConnectionTrait, sink_id: i64, new: NewLink, now: UtcMillis) -> Result<Model> {
    let sink = sink::locked(tx, sink_id).await?;
    let kind = SinkKind::parse(&sink.kind)?;
    let channel_id = check_channel(kind, new.channel_id.unwrap_or_default().trim())?;
    if new.channel_type.is_some_and(|kind| kind < 0) {
        return Err(Error::invalid_field("channel_type", "range", "must be at least 0 (range)"));
    }
    if kind == SinkKind::CodexChannel && new.channel_type.is_some_and(|kind| kind != CODEX) {
        return Err(Error::invalid_field("channel_type", "range", "must be 57 for a Codex channel"));
    }
    // Locked, so that a refresh that is about to commit either sees the link or is seen here.
    let account = refresh_token::Entity::find_by_id(new.token_id).lock_exclusive().one(tx).await?;
    let account = account.ok_or_else(|| Error::invalid_field("token_id", "unknown", "is no account"))?;
    let row = ActiveModel {
        id: NotSet,
        sink_id: Set(sink_id),
        token_id: Set(account.id),
        channel_id: Set(channel_id),
        channel_name: Set(new.channel_name),
        channel_type: Set(new.channel_type),
        delivered_version: Set(-1),
        delivered_at: Set(None),
        created_at: Set(now),
    };
    let row = row.insert(tx).await.map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            CHANNEL_LINKED.error("This target of the sink is linked already.")
        }
        _ => error.into(),
    })?;
    if sink.enabled {
        push::hasten(tx, &account, sink.sync_delay_s).await?;
    }
    if sink.enabled && push::has_live_token(&account, now) {
        outbox::put_in_lane(tx, &push::lane(sink_id), &push::message(row.id, account.version), now).await?;
    }
    Ok(row)
}

fn check_channel(kind: SinkKind, channel_id: &str) -> Result<String> {
    let wrong = |message: &'static str| Error::invalid_field("channel_id", "format", message);
    match kind {
        SinkKind::File => file::check_name(channel_id).map_err(wrong)?,
        kind if kind.has_channels() => {
            let number = channel_id.parse::<i64>().ok().filter(|id| *id > 0).map(|id| id.to_string());
            return number.ok_or_else(|| wrong("must be the number of a channel"));
        }
        _ if channel_id.is_empty() => return Err(wrong("must not be empty")),
        _ => {}
    }
    Ok(channel_id.to_owned())
}

/// Ends a link. What was pushed stays where it is.
///
/// # Errors
/// 404 when there is none.
pub async fn delete(tx: &impl ConnectionTrait, sink_id: i64, id: i64, now: UtcMillis) -> Result<Model> {
    let row = require(tx, sink_id, id).await?;
    if Entity::delete_by_id(id).exec(tx).await?.rows_affected == 0 {
        return Err(LINK_NOT_FOUND.error("The sink has no such link."));
    }
    outbox::drop_target(tx, &push::target(id), "the link was deleted", now).await?;
    Ok(row)
}

/// Links of a sink in the order they were made.
///
/// # Errors
/// 404 when there is no such sink, 422 for a page that cannot be.
pub async fn list(db: &impl ConnectionTrait, sink_id: i64, page: &PageQuery) -> Result<Page<Model>> {
    sink::require(db, sink_id).await?;
    let limit = page.limit()?;
    let fitting = Entity::find().filter(Column::SinkId.eq(sink_id));
    let total = fitting.clone().count(db).await?;
    let after: Option<i64> = page.position()?;
    let rows = after.map_or(fitting.clone(), |id| fitting.filter(Column::Id.gt(id)));
    let rows = rows.order_by_asc(Column::Id).limit(limit + 1).all(db).await?;
    Page::cut(rows, limit, Some(total), |row| row.id)
}

/// Notes what arrived, in the transaction that says so in the outbox.
pub(super) async fn note_delivery(tx: &impl ConnectionTrait, id: i64, version: i64, now: UtcMillis) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::DeliveredVersion, version.into())
        .col_expr(Column::DeliveredAt, Some(now).into())
        .filter(Column::Id.eq(id))
        .filter(Column::DeliveredVersion.lte(version))
        .exec(tx)
        .await?;
    Ok(())
}

/// The sink leads elsewhere: what arrived counts no more.
pub(super) async fn forget_deliveries(tx: &impl ConnectionTrait, sink_id: i64) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::DeliveredVersion, (-1).into())
        .filter(Column::SinkId.eq(sink_id))
        .exec(tx)
        .await?;
    Ok(())
}
