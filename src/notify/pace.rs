//! Messages a minute, counted in the database, so that all replicas together keep within a service's limit.

use entity::{
    UtcMillis,
    notification_channel::{Column, Entity},
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};

use crate::base::error::Result;

const MINUTE_MS: i64 = 60_000;

/// Counts a message to the channel, unless there were `most` within the last minute. Answers how many seconds to wait
/// then.
///
/// # Errors
/// 503 when the database is out.
pub(super) async fn count(tx: &impl ConnectionTrait, channel: i64, most: usize, now: UtcMillis) -> Result<Option<i64>> {
    let found = Entity::find_by_id(channel).lock_exclusive().one(tx).await?;
    let sent = found.and_then(|row| serde_json::from_str::<Vec<i64>>(&row.sent_at).ok()).unwrap_or_default();
    let mut sent: Vec<i64> = sent.into_iter().filter(|time| now.0 - time < MINUTE_MS).collect();
    if sent.len() >= most {
        let free = sent.first().copied().map_or(now, |first| UtcMillis(first + MINUTE_MS));
        return Ok(Some(free.seconds_after(now).max(1)));
    }
    sent.push(now.0);
    let times = serde_json::to_string(&sent).unwrap_or_default();
    Entity::update_many().col_expr(Column::SentAt, Expr::val(times)).filter(Column::Id.eq(channel)).exec(tx).await?;
    Ok(None)
}
