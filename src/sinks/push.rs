//! What is to be pushed, put into the outbox in the transaction of its cause.

use std::collections::HashMap;

use entity::{UtcMillis, refresh_token, sink_link, token_sink};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, RelationTrait,
};
use serde_json::json;

use crate::{
    base::error::Result,
    outbox::{self, Message},
};

/// The kind of messages that [`super::SinkCourier`] brings.
pub const KIND: &str = "sink";

/// The enabled sinks that an account is linked to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Link and sink.
    links: Vec<(i64, i64)>,
    /// The longest time, in seconds, that one of these goes on with an old token; 0 when there is none.
    pub widest_sync_delay_s: i64,
}

/// Where these accounts are pushed to. To be called in the transaction that stores their tokens, after their rows were
/// locked (so that a link that is made at the same moment waits and sees the new one).
///
/// # Errors
/// 503 when the database is out.
pub async fn links_of(tx: &impl ConnectionTrait, tokens: impl Iterator<Item = i64>) -> Result<HashMap<i64, Links>> {
    let rows: Vec<(i64, i64, i64, i64)> = sink_link::Entity::find()
        .select_only()
        .column(sink_link::Column::TokenId)
        .column(sink_link::Column::Id)
        .column(sink_link::Column::SinkId)
        .column(token_sink::Column::SyncDelayS)
        .join(JoinType::InnerJoin, sink_link::Relation::TokenSink.def())
        .filter(sink_link::Column::TokenId.is_in(tokens))
        .filter(token_sink::Column::Enabled.eq(true))
        .order_by_asc(sink_link::Column::Id)
        .into_tuple()
        .all(tx)
        .await?;
    let mut found: HashMap<i64, Links> = HashMap::new();
    for (token_id, link_id, sink_id, delay) in rows {
        let links = found.entry(token_id).or_default();
        links.links.push((link_id, sink_id));
        links.widest_sync_delay_s = links.widest_sync_delay_s.max(delay);
    }
    Ok(found)
}

/// Has an account's access token pushed to where it is linked to, in the transaction that stores it; a nudge of the
/// outbox has to follow. `version` is that of the account.
///
/// # Errors
/// 503 when the database is out.
pub async fn push(tx: &impl ConnectionTrait, links: &Links, version: i64, now: UtcMillis) -> Result<()> {
    for (link_id, sink_id) in &links.links {
        outbox::put_in_lane(tx, &lane(*sink_id), &message(*link_id, version), now).await?;
    }
    Ok(())
}

/// Has what a sink lacks pushed to it: everything (`all`), or what has not arrived yet.
pub(super) async fn catch_up(tx: &impl ConnectionTrait, sink_id: i64, all: bool, now: UtcMillis) -> Result<()> {
    let mut links = sink_link::Entity::find().filter(sink_link::Column::SinkId.eq(sink_id));
    links = links.order_by_asc(sink_link::Column::Id);
    for link in links.all(tx).await? {
        // Locked, so that a refresh that is about to commit either sees the sink as it is now or is seen here.
        let account = locked(tx, link.token_id).await?;
        let Some(account) = account.filter(|account| has_live_token(account, now)) else { continue };
        if all || link.delivered_version < account.version {
            outbox::put_again(tx, &lane(sink_id), &message(link.id, account.version), now).await?;
        }
    }
    Ok(())
}

/// How long before its end, in milliseconds, a token has to be replaced for a target with that delay to have the next
/// one in time: a minute more than the delay. 0 where there is no delay.
#[must_use]
pub const fn lead_ms(sync_delay_s: i64) -> i64 {
    if sync_delay_s > 0 { sync_delay_s * 1000 + 60_000 } else { 0 }
}

/// Brings an account's next refresh forward where a target has come to be slower than it allows for. Half of the
/// token's lifetime is left in any case, and after failures the back-off counts. The account must be locked.
pub(super) async fn hasten(tx: &impl ConnectionTrait, account: &refresh_token::Model, sync_delay_s: i64) -> Result<()> {
    use refresh_token::Column;
    let (Some(next), Some(end)) = (account.next_refresh_at, account.access_expires_at) else { return Ok(()) };
    let lifetime = end.0 - account.last_refresh_at.unwrap_or(account.created_at).0;
    let latest = UtcMillis(end.0 - lead_ms(sync_delay_s).min(lifetime.max(0) / 2));
    if account.state != "ok" || next <= latest {
        return Ok(());
    }
    refresh_token::Entity::update_many()
        .col_expr(Column::NextRefreshAt, Some(latest).into())
        .filter(Column::Id.eq(account.id))
        .exec(tx)
        .await?;
    Ok(())
}

/// The same for every account of a sink.
pub(super) async fn hasten_all(tx: &impl ConnectionTrait, sink: &token_sink::Model) -> Result<()> {
    let links = sink_link::Entity::find().filter(sink_link::Column::SinkId.eq(sink.id));
    for link in links.order_by_asc(sink_link::Column::Id).all(tx).await? {
        if let Some(account) = locked(tx, link.token_id).await? {
            hasten(tx, &account, sink.sync_delay_s).await?;
        }
    }
    Ok(())
}

async fn locked(tx: &impl ConnectionTrait, token_id: i64) -> Result<Option<refresh_token::Model>> {
    Ok(refresh_token::Entity::find_by_id(token_id).lock_exclusive().one(tx).await?)
}

/// A try of that version ended after its right to deliver had gone to another one, which has brought a newer token since:
/// the old one may have arrived last. The newest is brought once more.
pub(super) async fn bring_back(tx: &impl ConnectionTrait, link_id: i64, version: i64, now: UtcMillis) -> Result<()> {
    let link = sink_link::Entity::find_by_id(link_id).one(tx).await?;
    let Some(link) = link.filter(|link| link.delivered_version > version) else { return Ok(()) };
    let Some(account) = locked(tx, link.token_id).await?.filter(|account| has_live_token(account, now)) else {
        return Ok(());
    };
    outbox::put_again(tx, &lane(link.sink_id), &message(link.id, account.version), now).await
}

/// Whether there is an access token that is still good.
pub(super) fn has_live_token(account: &refresh_token::Model, now: UtcMillis) -> bool {
    account.access_token.is_some() && account.access_expires_at.is_none_or(|end| end > now)
}

/// What the outbox is given: nothing secret, and no token, since the courier reads the newest.
pub(super) fn message(link_id: i64, version: i64) -> Message {
    let payload = json!({ "link_id": link_id });
    Message { kind: KIND, target: target(link_id), version, payload, supersedes: true }
}

/// Links of one sink share a lane.
pub(super) fn lane(sink_id: i64) -> String {
    format!("sink:{sink_id}")
}

pub(super) fn target(link_id: i64) -> String {
    format!("link:{link_id}")
}

/// The link of a target.
pub(super) fn link_of(target: &str) -> Option<i64> {
    target.strip_prefix("link:")?.parse().ok()
}
