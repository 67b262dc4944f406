//! Lease, account and intent, in one transaction.

use std::time::Instant;

use entity::{UtcMillis, provider, refresh_event, refresh_token};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, ExprTrait,
    QueryFilter, sea_query::Expr,
};
use uuid::Uuid;

use super::{Cause, Inner, Outcome, Refusal, failure::uses_the_provider_s_client};
use crate::{
    base::{
        error::Result,
        sealed::Place,
        secret::{Sealer, Secret, sha256_hex},
    },
    providers::{FailureClass, PROVIDER_PAUSED, Pace},
    settings::Values,
    tokens::{
        TABLE,
        problems::{ACCOUNT_DEAD, ACCOUNT_DISABLED, RATE_LIMITED},
    },
};

/// How long a lease lasts beyond two calls of the provider.
const SLACK_MS: i64 = 30_000;

/// An account under lease, ready for the call.
pub(super) struct Attempt {
    /// Joins the intent with its end.
    pub(super) name: String,
    pub(super) row: refresh_token::Model,
    pub(super) provider: provider::Model,
    pub(super) refresh_token: Secret,
    pub(super) previous: Option<Secret>,
    pub(super) proxy: Option<Secret>,
    pub(super) epoch: i64,
    /// How long the lease is held before it has to be renewed.
    pub(super) lease_ms: i64,
    /// An earlier call was sent and its answer never came: the refresh token may be spent.
    pub(super) uncertain: bool,
    pub(super) cause: Cause,
    pub(super) started: Instant,
}

/// What the transaction found.
pub(super) enum Begun {
    Held(Box<Attempt>),
    /// Somebody else holds the lease; the account had this version.
    Elsewhere {
        version: i64,
    },
    /// Somebody else has refreshed it since it was asked for.
    Settled,
    Refused(Refusal),
    Gone,
}

/// The same, as the transaction answers it: nothing is unsealed in there.
enum Read {
    Held { row: Box<refresh_token::Model>, provider: Box<provider::Model>, uncertain: bool, lease_ms: i64 },
    Elsewhere { version: i64 },
    Settled,
    Refused(Refusal),
    Gone,
}

impl Inner {
    /// Takes the lease, reads the account under it, and writes the intent down. `seen`: the version at which somebody
    /// else was found to be at it; a refresh that ended since then is as good.
    pub(super) async fn begin(&self, id: i64, cause: Cause, seen: Option<i64>) -> Result<Begun> {
        let name = Uuid::now_v7().to_string();
        let (holder, attempt, now) = (self.instance.clone(), name.clone(), self.state.clock.now());
        let settings = self.providers.settings().get();
        let asked = Asked { id, cause, seen, now };
        let work = async move |tx: &DatabaseTransaction| read(tx, asked, &settings, &holder, &attempt).await;
        let read = match self.state.writer.write(work).await {
            Ok(read) => read,
            Err(error) => {
                self.give_up(id, name).await;
                return Err(error);
            }
        };
        let (row, provider, uncertain, lease_ms) = match read {
            Read::Held { row, provider, uncertain, lease_ms } => (row, provider, uncertain, lease_ms),
            Read::Elsewhere { version } => return Ok(Begun::Elsewhere { version }),
            Read::Settled => return Ok(Begun::Settled),
            Read::Refused(refusal) => return Ok(Begun::Refused(refusal)),
            Read::Gone => return Ok(Begun::Gone),
        };
        let sealer = &self.state.sealer;
        let refresh_token = open(sealer, id, "refresh_token", &row.refresh_token)?;
        let previous = row.previous_refresh_token.as_deref();
        let previous = previous.map(|sealed| open(sealer, id, "previous_refresh_token", sealed)).transpose()?;
        let proxy = row.proxy.as_deref().map(|sealed| open(sealer, id, "proxy", sealed)).transpose()?;
        let (epoch, started) = (row.lease_epoch, Instant::now());
        let attempt = Attempt {
            name,
            row: *row,
            provider: *provider,
            refresh_token,
            previous,
            proxy,
            epoch,
            lease_ms,
            uncertain,
            cause,
            started,
        };
        Ok(Begun::Held(Box::new(attempt)))
    }

    /// What became of a refresh that another replica was at, once it is over.
    pub(super) async fn settled_elsewhere(&self, id: i64, version: i64) -> Option<Outcome> {
        let row = refresh_token::Entity::find_by_id(id).one(self.state.db.orm()).await.ok()??;
        if row.version > version && row.state == "ok" {
            return Some(Outcome::Refreshed);
        }
        // A lease that was given back without a new version: it failed. One that lapsed is there to be taken.
        let class = FailureClass::parse(row.failure_class.as_deref().filter(|_| row.lease_until.is_none())?)?;
        let wait = row.next_refresh_at.map(|next| next.seconds_after(self.state.clock.now()));
        let provider = provider::Entity::find().filter(provider::Column::Name.eq(&row.provider));
        let provider = provider.one(self.state.db.orm()).await.ok()??;
        let pauses = uses_the_provider_s_client(&row, &provider);
        let refusal = Refusal::failed(class, row.failure_detail.unwrap_or_default(), pauses);
        Some(Refusal { retry_after_s: wait, ..refusal }.into())
    }
}

fn open(sealer: &Sealer, id: i64, column: &str, sealed: &str) -> Result<Secret> {
    Place { table: TABLE, id, column }.unseal(sealer, sealed)
}

/// What is to be refreshed, why and when.
#[derive(Clone, Copy)]
struct Asked {
    id: i64,
    cause: Cause,
    seen: Option<i64>,
    now: UtcMillis,
}

async fn read(
    tx: &impl ConnectionTrait,
    Asked { id, cause, seen, now }: Asked,
    settings: &Values,
    holder: &str,
    attempt: &str,
) -> Result<Read> {
    let Some(before) = refresh_token::Entity::find_by_id(id).one(tx).await? else { return Ok(Read::Gone) };
    let provider = provider::Entity::find().filter(provider::Column::Name.eq(&before.provider)).one(tx).await?;
    let Some(provider) = provider else {
        return Ok(Read::Refused(Refusal::new(&PROVIDER_PAUSED, "The account's provider is not configured.")));
    };
    let lease_ms = 2 * Pace::of(&provider, settings).timeout_ms + SLACK_MS;
    if !lease(tx, id, holder, now.plus_millis(lease_ms), now).await? {
        return Ok(Read::Elsewhere { version: before.version });
    }
    // Only now: who held the lease before may have replaced the refresh token.
    let Some(row) = refresh_token::Entity::find_by_id(id).one(tx).await? else { return Ok(Read::Gone) };
    if row.version > seen.unwrap_or(before.version) && row.state == "ok" {
        give_back(tx, row.id, row.lease_epoch).await?;
        return Ok(Read::Settled);
    }
    if let Some(refusal) = refusal(&row, &provider, cause, now) {
        give_back(tx, row.id, row.lease_epoch).await?;
        return Ok(Read::Refused(refusal));
    }
    let left_open = close_open_intents(tx, id).await?;
    intend(tx, &row, attempt, cause, holder, &row.refresh_token_hash, now).await?;
    let uncertain = left_open || row.state == "uncertain";
    super::fault::reached("intending");
    Ok(Read::Held { row: Box::new(row), provider: Box::new(provider), uncertain, lease_ms })
}

/// The lease of one account. The database settles who gets it.
async fn lease(tx: &impl ConnectionTrait, id: i64, holder: &str, until: UtcMillis, now: UtcMillis) -> Result<bool> {
    use refresh_token::Column;
    let free = Condition::any().add(Column::LeaseUntil.is_null()).add(Column::LeaseUntil.lt(now));
    let taken = refresh_token::Entity::update_many()
        .col_expr(Column::LeaseOwner, holder.into())
        .col_expr(Column::LeaseEpoch, Column::LeaseEpoch.into_expr().add(1))
        .col_expr(Column::LeaseUntil, until.into())
        .filter(Column::Id.eq(id))
        .filter(free)
        .exec(tx)
        .await?;
    Ok(taken.rows_affected == 1)
}

/// Ends a lease, if it is still that one.
pub(super) async fn give_back(tx: &impl ConnectionTrait, id: i64, epoch: i64) -> Result<()> {
    use refresh_token::Column;
    refresh_token::Entity::update_many()
        .col_expr(Column::LeaseOwner, Expr::val(None::<String>))
        .col_expr(Column::LeaseUntil, Expr::val(None::<i64>))
        .filter(Column::Id.eq(id))
        .filter(Column::LeaseEpoch.eq(epoch))
        .exec(tx)
        .await?;
    Ok(())
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

/// Intents that never came to an end: their process died. Answers whether there were any.
pub(super) async fn close_open_intents(tx: &impl ConnectionTrait, id: i64) -> Result<bool> {
    use refresh_event::Column;
    let closed = refresh_event::Entity::update_many()
        .col_expr(Column::Open, Expr::val(None::<bool>))
        .col_expr(Column::Kind, "uncertain".into())
        .filter(Column::TokenId.eq(id))
        .filter(Column::Open.eq(true))
        .exec(tx)
        .await?;
    Ok(closed.rows_affected > 0)
}

/// The intent to spend the refresh token with that hash.
pub(super) async fn intend(
    tx: &impl ConnectionTrait,
    row: &refresh_token::Model,
    attempt: &str,
    cause: Cause,
    instance: &str,
    token_hash: &str,
    now: UtcMillis,
) -> Result<()> {
    let event = refresh_event::ActiveModel {
        token_id: Set(row.id),
        kind: Set("started".to_owned()),
        cause: Set(cause.as_str().to_owned()),
        attempt: Set(Some(attempt.to_owned())),
        token_hash: Set(Some(token_hash.to_owned())),
        open: Set(Some(true)),
        lease_epoch: Set(Some(row.lease_epoch)),
        instance: Set(Some(instance.to_owned())),
        created_at: Set(now),
        ..Default::default()
    };
    refresh_event::Entity::insert(event).exec_without_returning(tx).await?;
    Ok(())
}

/// As it is stored for look-ups.
pub(super) fn hash(token: &Secret) -> String {
    sha256_hex(token.expose().as_bytes())
}
