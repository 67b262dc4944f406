//! What a failed call does to the account.

use entity::{UtcMillis, provider, refresh_token};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};
use serde_json::json;

use super::{
    Inner, Outcome, Refusal,
    begin::Attempt,
    rows::{End, close},
    schedule,
};
use crate::{
    base::{
        error::{BUSY, Result},
        secret::random_bytes,
    },
    notify::{self, Event, EventKind},
    providers::{self, Failed, FailureClass},
};

/// After how many failures in a row people are told.
pub(super) const TOLD_AFTER: i64 = 5;
/// Pause when a provider names none, in seconds.
const RATE_PAUSE: i64 = 60;

/// What becomes of the account.
struct Verdict {
    state: Option<&'static str>,
    /// Whether it counts as a failure of the token.
    counts: bool,
    next: Option<UtcMillis>,
    retry_after: Option<UtcMillis>,
    dead: bool,
    /// The provider's client is refused: no account of it is sent any more.
    pauses: bool,
    kind: &'static str,
}

/// Whether the account came with no client of its own: then what is wrong with the client is wrong for all.
pub(super) fn uses_the_provider_s_client(row: &refresh_token::Model, provider: &provider::Model) -> bool {
    row.client_id.is_none() || row.client_id == provider.client_id
}

impl Inner {
    /// Writes the failure down. `previous_left`: the refresh token was refused for good, and the previous one was not
    /// looked at yet.
    pub(super) async fn fail(&self, attempt: &Attempt, failed: &Failed, previous_left: bool) -> Outcome {
        let now = self.state.clock.now();
        let random = random_bytes::<8>().map_or(0, u64::from_ne_bytes);
        let pauses = failed.class.is_config() && uses_the_provider_s_client(&attempt.row, &attempt.provider);
        let verdict = verdict(&attempt.row, failed, pauses, previous_left || attempt.uncertain, random, now);
        let mut refusal = Refusal::failed(failed.class, failed.detail.clone(), pauses);
        let wait = verdict.retry_after.map(|until| until.seconds_after(now));
        refusal.retry_after_s = wait.or(failed.retry_after_s);
        let (row, name, cause, failed) = (attempt.row.clone(), attempt.name.clone(), attempt.cause, failed.clone());
        let duration = i64::try_from(attempt.started.elapsed().as_millis()).ok();
        let work = async move |tx: &DatabaseTransaction| {
            store(tx, &row, &failed, &verdict, now).await?;
            let detail = Some(failed.detail.clone());
            let (kind, class) = (verdict.kind, Some(failed.class.as_str()));
            let end = End {
                token_id: row.id,
                attempt: &name,
                cause: cause.as_str(),
                kind,
                class,
                detail,
                duration_ms: duration,
            };
            close(tx, &[end], now).await?;
            tell(tx, &row, &failed, &verdict, now).await?;
            super::fault::reached("failing");
            Ok(())
        };
        match self.state.writer.write(work).await {
            Ok(()) if refusal.detail == providers::STOPPING => Refusal::new(&BUSY, "The service is stopping.").into(),
            Ok(()) => refusal.into(),
            // The intent stays open: the next attempt finds the account uncertain.
            Err(error) => Refusal::of(&error).into(),
        }
    }
}

fn verdict(
    row: &refresh_token::Model,
    failed: &Failed,
    pauses: bool,
    uncertain: bool,
    random: u64,
    now: UtcMillis,
) -> Verdict {
    let state = uncertain.then_some("uncertain");
    let base = Verdict { state, counts: false, next: None, retry_after: None, dead: false, pauses, kind: "failed" };
    match failed.class {
        class if class.is_permanent() => {
            Verdict { state: Some("dead"), counts: true, dead: true, kind: "dead", ..base }
        }
        _ if pauses => Verdict { next: row.next_refresh_at.or(Some(now)), ..base },
        FailureClass::RateLimited => {
            let until = now.plus_seconds(failed.retry_after_s.unwrap_or(RATE_PAUSE).clamp(1, 24 * 3600));
            Verdict { next: Some(until), retry_after: Some(until), ..base }
        }
        class if class.is_egress() => Verdict { next: Some(schedule::after_egress(now)), ..base },
        _ => {
            let next = schedule::after_failure(row.failure_count, random, now);
            let state = if failed.unanswered || uncertain { "uncertain" } else { "failing" };
            let kind = if failed.unanswered { "uncertain" } else { "failed" };
            Verdict { state: Some(state), counts: true, next: Some(next), kind, ..base }
        }
    }
}

async fn store(
    tx: &DatabaseTransaction,
    row: &refresh_token::Model,
    failed: &Failed,
    verdict: &Verdict,
    now: UtcMillis,
) -> Result<()> {
    use refresh_token::Column;
    let mut update = refresh_token::Entity::update_many()
        .col_expr(Column::FailureClass, failed.class.as_str().into())
        .col_expr(Column::FailureDetail, failed.detail.as_str().into())
        .col_expr(Column::NextRefreshAt, Expr::val(verdict.next.map(|next| next.0)))
        .col_expr(Column::RetryAfter, Expr::val(verdict.retry_after.map(|until| until.0)))
        .col_expr(Column::LeaseOwner, Expr::val(None::<String>))
        .col_expr(Column::LeaseUntil, Expr::val(None::<i64>))
        .filter(Column::Id.eq(row.id))
        .filter(Column::Version.eq(row.version))
        .filter(Column::LeaseEpoch.eq(row.lease_epoch));
    if let Some(state) = verdict.state {
        update = update.col_expr(Column::State, state.into());
    }
    if verdict.counts {
        update = update.col_expr(Column::FailureCount, Column::FailureCount.into_expr().add(1));
    }
    if verdict.dead {
        update = update.col_expr(Column::DeadHash, row.refresh_token_hash.as_str().into());
    }
    update.exec(tx).await?;
    if verdict.pauses && pause(tx, row, &failed.detail, now).await? {
        let event = Event {
            kind: EventKind::ProviderPaused,
            subject: format!("provider:{}", row.provider),
            cause: failed.class.as_str().to_owned(),
            params: json!({ "name": row.provider, "reason": format!("{}: {}", failed.class.as_str(), failed.detail) }),
        };
        notify::tell(tx, &event, now).await?;
    }
    Ok(())
}

/// Pauses the account's provider. True to who paused it.
async fn pause(tx: &DatabaseTransaction, row: &refresh_token::Model, reason: &str, now: UtcMillis) -> Result<bool> {
    match providers::find(tx, &row.provider).await? {
        Some(provider) => providers::pause(tx, &provider, reason, now).await,
        None => Ok(false),
    }
}

async fn tell(
    tx: &DatabaseTransaction,
    row: &refresh_token::Model,
    failed: &Failed,
    verdict: &Verdict,
    now: UtcMillis,
) -> Result<()> {
    let kind = match verdict {
        Verdict { dead: true, .. } => EventKind::TokenDead,
        Verdict { counts: true, .. } if row.failure_count + 1 == TOLD_AFTER => EventKind::TokenFailing,
        _ => return Ok(()),
    };
    let event = Event {
        kind,
        subject: format!("token:{}", row.id),
        cause: format!("{}/{}", row.provider, failed.class.as_str()),
        params: json!({
            "name": row.label(), "provider": row.provider, "class": failed.class.as_str(), "detail": failed.detail,
            "failures": row.failure_count + 1,
        }),
    };
    notify::tell(tx, &event, now).await
}
