//! The transaction of the beginning, for all that wait: accounts, leases, intents.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::{UtcMillis, provider, refresh_event, refresh_token};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};

use super::{Cause, Refusal, fault};
use crate::{
    base::error::{Error, Result},
    providers::{self, FailureClass, PROVIDER_PAUSED, Pace},
    settings::Values,
    tokens::problems::{ACCOUNT_DEAD, ACCOUNT_DISABLED, RATE_LIMITED},
};

/// How long a lease lasts beyond two calls of the provider.
const SLACK_MS: i64 = 30_000;

/// What is to be refreshed, and why.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) id: i64,
    pub(super) cause: Cause,
    /// The version at which somebody else was found to be at it; a refresh that ended since then is as good.
    pub(super) seen: Option<i64>,
    /// Joins the intent with its end.
    pub(super) attempt: String,
}

/// What the transaction found; nothing is unsealed in there.
pub(super) enum Read {
    Held(Box<Held>),
    Elsewhere { version: i64 },
    Settled,
    Refused(Refusal),
    Gone,
}

/// An account under lease.
pub(super) struct Held {
    pub(super) row: refresh_token::Model,
    pub(super) provider: provider::Model,
    pub(super) uncertain: bool,
    pub(super) lease_ms: i64,
}

/// Takes the leases, reads the accounts under them, and writes the intents down.
///
/// The rows are locked when they are read (SQLite has one writer), so each is what it is under its lease, and who gets it
/// is settled.
pub(super) async fn begin_all(
    tx: &impl ConnectionTrait,
    values: &Values,
    holder: &str,
    asked: &[Asked],
    now: UtcMillis,
) -> Result<Vec<Read>> {
    let mut rows = locked(tx, asked.iter().map(|asked| asked.id)).await?;
    let versions: HashMap<i64, i64> = rows.values().map(|row| (row.id, row.version)).collect();
    let providers = providers::named(tx, rows.values().map(|row| row.provider.as_str())).await?;
    let mut reads = Vec::with_capacity(asked.len());
    for asked in asked {
        // Whoever asked first in this group has it.
        let read = match (rows.remove(&asked.id), versions.get(&asked.id)) {
            (Some(row), _) => decide(asked, row, &providers, values, now),
            (None, Some(version)) => Read::Elsewhere { version: *version },
            (None, None) => Read::Gone,
        };
        reads.push(read);
    }
    let mut held: Vec<(&Asked, &mut Held)> = Vec::new();
    for (asked, read) in asked.iter().zip(&mut reads) {
        if let Read::Held(own) = read {
            held.push((asked, own));
        }
    }
    if !held.is_empty() {
        lease(tx, &mut held, holder, now).await?;
        let left_open = close_open_intents(tx, held.iter().map(|(_, held)| held.row.id)).await?;
        for (_, held) in &mut held {
            held.uncertain = held.row.state == "uncertain" || left_open.contains(&held.row.id);
            fault::reached("intending");
        }
        let intents =
            held.iter().map(|(asked, held)| intent(&held.row, asked, holder, &held.row.refresh_token_hash, now));
        refresh_event::Entity::insert_many(intents).exec_without_returning(tx).await?;
    }
    Ok(reads)
}

/// The accounts, locked in the order of their ids.
pub(super) async fn locked(
    tx: &impl ConnectionTrait,
    ids: impl Iterator<Item = i64>,
) -> Result<BTreeMap<i64, refresh_token::Model>> {
    let ids: BTreeSet<i64> = ids.collect();
    let rows = refresh_token::Entity::find()
        .filter(refresh_token::Column::Id.is_in(ids))
        .order_by_asc(refresh_token::Column::Id)
        .lock_exclusive()
        .all(tx)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

fn decide(
    asked: &Asked,
    row: refresh_token::Model,
    providers: &HashMap<String, provider::Model>,
    values: &Values,
    now: UtcMillis,
) -> Read {
    let Some(provider) = providers.get(&row.provider) else {
        return Read::Refused(Refusal::new(&PROVIDER_PAUSED, "The account's provider is not configured."));
    };
    if row.lease_until.is_some_and(|until| until >= now) {
        return Read::Elsewhere { version: row.version };
    }
    if asked.seen.is_some_and(|seen| row.version > seen) && row.state == "ok" {
        return Read::Settled;
    }
    if let Some(refusal) = refusal(&row, provider, asked.cause, now) {
        return Read::Refused(refusal);
    }
    let lease_ms = 2 * Pace::of(provider, values).timeout_ms + SLACK_MS;
    Read::Held(Box::new(Held { row, provider: provider.clone(), uncertain: false, lease_ms }))
}

/// Why nothing may be sent now.
fn refusal(row: &refresh_token::Model, provider: &provider::Model, cause: Cause, now: UtcMillis) -> Option<Refusal> {
    if !row.enabled && cause != Cause::Job {
        return Some(Refusal::new(&ACCOUNT_DISABLED, "The account is disabled."));
    }
    if row.state == "dead" && row.dead_hash.as_ref() == Some(&row.refresh_token_hash) {
        let mut refusal =
            Refusal::new(&ACCOUNT_DEAD, "The provider refused this refresh token for good. Store a new one.");
        refusal.class = row.failure_class.as_deref().and_then(FailureClass::parse).map(|c| c.as_str());
        return Some(refusal);
    }
    if provider.state == "paused" {
        let why = provider.paused_reason.as_deref().unwrap_or("it has to be set up anew");
        let detail = format!("The provider '{}' is paused: {why}.", provider.name);
        return Some(Refusal::new(&PROVIDER_PAUSED, detail));
    }
    if let Some(until) = row.retry_after.filter(|until| *until > now) {
        let refusal = Refusal::new(&RATE_LIMITED, "The provider asked for a pause.");
        return Some(Refusal { class: Some("rate_limited"), ..refusal }.after(until.seconds_after(now)));
    }
    let waits = cause.backs_off() && row.failure_count > 0;
    let next = row.next_refresh_at.filter(|next| waits && *next > now)?;
    let class = row.failure_class.as_deref().and_then(FailureClass::parse)?;
    let refusal = Refusal::failed(class, "The last refresh failed; it is tried again later.", false);
    Some(refusal.after(next.seconds_after(now)))
}

/// Takes the leases. Those of one length take one statement.
async fn lease(
    tx: &impl ConnectionTrait,
    held: &mut [(&Asked, &mut Held)],
    holder: &str,
    now: UtcMillis,
) -> Result<()> {
    use refresh_token::Column;
    let mut lengths: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (_, held) in held {
        lengths.entry(held.lease_ms).or_default().push(held.row.id);
        held.row.lease_epoch += 1;
    }
    for (lease_ms, ids) in lengths {
        let count = ids.len() as u64;
        let free = Condition::any().add(Column::LeaseUntil.is_null()).add(Column::LeaseUntil.lt(now));
        let taken = refresh_token::Entity::update_many()
            .col_expr(Column::LeaseOwner, holder.into())
            .col_expr(Column::LeaseEpoch, Column::LeaseEpoch.into_expr().add(1))
            .col_expr(Column::LeaseUntil, now.plus_millis(lease_ms).into())
            .filter(Column::Id.is_in(ids))
            .filter(free)
            .exec(tx)
            .await?;
        if taken.rows_affected != count {
            return Err(Error::internal("a lease that was free under lock could not be taken"));
        }
    }
    Ok(())
}

/// Intents that never came to an end: their process died. Answers the accounts that had any.
pub(super) async fn close_open_intents(
    tx: &impl ConnectionTrait,
    ids: impl Iterator<Item = i64>,
) -> Result<BTreeSet<i64>> {
    use refresh_event::Column;
    let open = Condition::all().add(Column::Open.eq(true)).add(Column::TokenId.is_in(ids));
    let found = refresh_event::Entity::find().select_only().column(Column::TokenId).filter(open.clone());
    let found: BTreeSet<i64> = found.into_tuple().all(tx).await?.into_iter().collect();
    if !found.is_empty() {
        refresh_event::Entity::update_many()
            .col_expr(Column::Open, Expr::val(None::<bool>))
            .col_expr(Column::Kind, "uncertain".into())
            .filter(open)
            .exec(tx)
            .await?;
    }
    Ok(found)
}

/// The intent to spend the refresh token with that hash.
pub(super) fn intent(
    row: &refresh_token::Model,
    asked: &Asked,
    instance: &str,
    token_hash: &str,
    now: UtcMillis,
) -> refresh_event::ActiveModel {
    refresh_event::ActiveModel {
        token_id: Set(row.id),
        kind: Set("started".to_owned()),
        cause: Set(asked.cause.as_str().to_owned()),
        attempt: Set(Some(asked.attempt.clone())),
        token_hash: Set(Some(token_hash.to_owned())),
        open: Set(Some(true)),
        lease_epoch: Set(Some(row.lease_epoch)),
        instance: Set(Some(instance.to_owned())),
        created_at: Set(now),
        ..Default::default()
    }
}
