//! The job `dispatch-notifications`: hands what was told to the channels that want it.
//!
//! What has one event and one cause is collected for five seconds and makes one message. What falls into the quiet
//! hours of a channel, or into a pause that its service asked for, is held and told in one summary afterwards.

use std::collections::HashSet;

use chrono_tz::Tz;
use entity::{
    UtcMillis,
    notification::{self, Model},
    notification_channel, notification_told,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};

use super::{
    channel,
    notice::{Group, Notice},
    quiet::QuietHours,
};
use crate::{
    base::{
        error::{Error, Result},
        event::EventKind,
        job::{JobContext, Outcome},
    },
    outbox,
};

/// How long events of one cause are collected, in milliseconds.
const COLLECTED_MS: i64 = 5_000;
/// Most events of one message; of more, the rest makes another.
const MOST: u64 = 10_000;
/// Most values in one statement.
const CHUNK: usize = 500;
/// How long events are kept.
const KEPT_MS: i64 = 30 * 24 * 3_600_000;

/// What a channel wants to be told, and when.
struct Recipient {
    row: notification_channel::Model,
    events: Vec<EventKind>,
    break_through: Vec<EventKind>,
    quiet_hours: Option<QuietHours>,
}

impl Recipient {
    fn new(row: notification_channel::Model) -> Self {
        let hours = row.quiet_hours.as_deref().and_then(|text| QuietHours::parse(text).ok());
        let (events, break_through) = (channel::events(&row.events), channel::events(&row.break_through));
        Self { row, events, break_through, quiet_hours: hours }
    }

    /// Whether nothing is sent there now.
    fn is_paused(&self, now: UtcMillis) -> bool {
        self.row.paused_until.is_some_and(|until| until > now)
    }

    fn is_quiet(&self, now: UtcMillis, zone: Tz) -> bool {
        self.quiet_hours.is_some_and(|hours| hours.holds(now, zone))
    }
}

/// Hands over whatever is due.
///
/// # Errors
/// 503 when the database is out.
pub async fn dispatch(context: JobContext) -> Outcome {
    let (state, zone) = (&context.state, context.state.config.server.timezone);
    let (now, mut messages) = (state.clock.now(), 0);
    for (event, cause) in due(state.db.orm(), now).await? {
        if context.stop.is_cancelled() {
            break;
        }
        let context = context.clone();
        let handed = state.writer.write(async move |tx| {
            context.still_ours(tx).await?;
            hand_over(tx, &event, &cause, now, zone).await
        });
        messages += handed.await?;
    }
    for id in holding(state.db.orm()).await? {
        let Some(row) = channel::find(state.db.orm(), id).await? else { continue };
        let recipient = Recipient::new(row);
        if recipient.row.enabled && (recipient.is_paused(now) || recipient.is_quiet(now, zone)) {
            continue;
        }
        let context = context.clone();
        let released = state.writer.write(async move |tx| {
            context.still_ours(tx).await?;
            release(tx, &recipient.row, now).await
        });
        messages += released.await?;
    }
    Ok((messages > 0).then(|| format!("{messages} messages handed over")))
}

/// Events and causes that were collected long enough.
async fn due(db: &impl ConnectionTrait, now: UtcMillis) -> Result<Vec<(String, String)>> {
    use notification::{Column, Entity};
    let collected = Column::CreatedAt.min().lte(now.plus_millis(-COLLECTED_MS));
    let groups = Entity::find()
        .select_only()
        .columns([Column::Event, Column::Cause])
        .filter(Column::DispatchedAt.is_null())
        .group_by(Column::Event)
        .group_by(Column::Cause)
        .having(collected);
    Ok(groups.into_tuple().all(db).await?)
}

/// One message for everything of one event and one cause, to each channel that wants it. Answers how many.
async fn hand_over(tx: &impl ConnectionTrait, event: &str, cause: &str, now: UtcMillis, zone: Tz) -> Result<usize> {
    let rows = waiting(tx, event, cause).await?;
    // By their ids: others of the group may have come in meanwhile, and wait for the next message.
    for some in rows.chunks(CHUNK) {
        notification::Entity::update_many()
            .col_expr(notification::Column::DispatchedAt, Expr::val(Some(now)))
            .filter(notification::Column::Id.is_in(some.iter().map(|row| row.id)))
            .exec(tx)
            .await?;
    }
    let Some(event) = EventKind::parse(event) else { return Ok(0) }; // a newer version told it
    let channels = notification_channel::Entity::find().filter(notification_channel::Column::Enabled.eq(true));
    let mut messages = 0;
    for recipient in channels.all(tx).await?.into_iter().map(Recipient::new) {
        if !recipient.events.contains(&event) {
            continue;
        }
        let fresh = fresh(tx, &recipient, event, &rows, now).await?;
        let Some(last) = fresh.iter().map(|row| row.id).max() else { continue };
        let breaks_through = recipient.break_through.contains(&event);
        if (recipient.is_quiet(now, zone) && !breaks_through) || recipient.is_paused(now) {
            note(tx, recipient.row.id, &fresh, None).await?;
            continue;
        }
        if recipient.row.min_interval_s > 0 {
            note(tx, recipient.row.id, &fresh, Some(now)).await?;
        }
        let target = channel::target(recipient.row.id, breaks_through);
        put(tx, target, last, &Notice::Event(Group::of(event, &fresh)), now).await?;
        messages += 1;
    }
    Ok(messages)
}

async fn waiting(tx: &impl ConnectionTrait, event: &str, cause: &str) -> Result<Vec<Model>> {
    use notification::{Column, Entity};
    let group = Entity::find()
        .filter(Column::DispatchedAt.is_null())
        .filter(Column::Event.eq(event))
        .filter(Column::Cause.eq(cause));
    Ok(group.order_by_asc(Column::Id).limit(MOST).all(tx).await?)
}

/// Those whose subject the channel was not told of within its interval; each subject once.
async fn fresh<'a>(
    tx: &impl ConnectionTrait,
    recipient: &Recipient,
    event: EventKind,
    rows: &'a [Model],
    now: UtcMillis,
) -> Result<Vec<&'a Model>> {
    let mut known: HashSet<String> = HashSet::new();
    if recipient.row.min_interval_s > 0 {
        let since = now.plus_seconds(-recipient.row.min_interval_s);
        let lately = notification_told::Entity::find()
            .select_only()
            .column(notification_told::Column::Subject)
            .filter(notification_told::Column::ChannelId.eq(recipient.row.id))
            .filter(notification_told::Column::Event.eq(event.name()))
            .filter(notification_told::Column::ToldAt.gt(since));
        known.extend(lately.into_tuple::<String>().all(tx).await?);
    }
    Ok(rows.iter().filter(|row| known.insert(row.subject.clone())).collect())
}

/// Notes that the channel is told of these, or, without a time, will be.
async fn note(tx: &impl ConnectionTrait, channel: i64, rows: &[&Model], told_at: Option<UtcMillis>) -> Result<()> {
    let row = |row: &&Model| notification_told::ActiveModel {
        channel_id: Set(channel),
        notification_id: Set(row.id),
        event: Set(row.event.clone()),
        subject: Set(row.subject.clone()),
        told_at: Set(told_at),
    };
    for some in rows.chunks(CHUNK) {
        notification_told::Entity::insert_many(some.iter().map(row)).exec_without_returning(tx).await?;
    }
    Ok(())
}

/// Channels for which something is held.
async fn holding(db: &impl ConnectionTrait) -> Result<Vec<i64>> {
    let held = notification_told::Entity::find().select_only().column(notification_told::Column::ChannelId).distinct();
    Ok(held.filter(notification_told::Column::ToldAt.is_null()).into_tuple().all(db).await?)
}

/// Tells what was held, in one message; to a channel that was switched off meanwhile it is told no more. Answers how
/// many messages that makes.
async fn release(tx: &impl ConnectionTrait, row: &notification_channel::Model, now: UtcMillis) -> Result<usize> {
    let held = notification_told::Column::ChannelId.eq(row.id).and(notification_told::Column::ToldAt.is_null());
    if !row.enabled {
        notification_told::Entity::delete_many().filter(held).exec(tx).await?;
        return Ok(0);
    }
    let ids: Vec<i64> = notification_told::Entity::find()
        .select_only()
        .column(notification_told::Column::NotificationId)
        .filter(held.clone())
        .order_by_asc(notification_told::Column::NotificationId)
        .limit(MOST)
        .into_tuple()
        .all(tx)
        .await?;
    let mut rows = Vec::new();
    for some in ids.chunks(CHUNK) {
        let all = notification::Entity::find().filter(notification::Column::Id.is_in(some.iter().copied()));
        rows.extend(all.order_by_asc(notification::Column::Id).all(tx).await?);
        notification_told::Entity::update_many()
            .col_expr(notification_told::Column::ToldAt, Expr::val(Some(now)))
            .filter(held.clone())
            .filter(notification_told::Column::NotificationId.is_in(some.iter().copied()))
            .exec(tx)
            .await?;
    }
    match (Notice::summary(&rows), ids.last()) {
        (Some(summary), Some(last)) => {
            put(tx, channel::target(row.id, false), *last, &summary, now).await?;
            Ok(1)
        }
        _ => Ok(0),
    }
}

/// Puts a message for a channel. No two of a channel have the same last event, which therefore tells them apart.
async fn put(tx: &impl ConnectionTrait, target: String, last: i64, notice: &Notice, now: UtcMillis) -> Result<()> {
    let payload = serde_json::to_value(notice).map_err(Error::internal)?;
    let message = outbox::Message { kind: super::KIND, target, version: last, payload, supersedes: false };
    outbox::put(tx, &message, now).await
}

/// Deletes events of 30 days ago, `most` at a time, and answers how many.
///
/// # Errors
/// 503 when the database is out.
pub async fn purge(tx: &impl ConnectionTrait, now: UtcMillis, most: u64) -> Result<u64> {
    use notification::{Column, Entity};
    let old = Entity::find().select_only().column(Column::Id).filter(Column::CreatedAt.lt(now.plus_millis(-KEPT_MS)));
    let ids: Vec<i64> = old.limit(most).into_tuple().all(tx).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(Entity::delete_many().filter(Column::Id.is_in(ids)).exec(tx).await?.rows_affected)
}
