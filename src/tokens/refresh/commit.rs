//! Keeping what the provider answered: one transaction, retried, and meanwhile a journal.

use std::time::{Duration, Instant};

use entity::{UtcMillis, provider, refresh_event, refresh_token};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr,
};
use serde_json::json;

use super::{
    Inner, Outcome, Refusal,
    begin::{Attempt, give_back},
    journal::Entry,
    schedule,
};
use crate::{
    base::{
        error::Result,
        sealed::Place,
        secret::{Secret, sha256_hex},
    },
    notify::{self, Event, EventKind},
    providers::{Failed, Tokens},
    sinks,
    tokens::{TABLE, problems::ACCOUNT_CHANGED},
};

/// Pauses between tries to commit.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What came of the call that has to be kept.
#[derive(Clone, Copy)]
pub(super) enum Answer<'a> {
    /// An access token, and perhaps another refresh token.
    Tokens(&'a Tokens),
    /// Another refresh token and no access token.
    Rotated(&'a Secret, &'a Failed),
}

/// What the transaction found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The account holds it.
    Yes,
    /// The account was given another refresh token, or is gone: the answer belongs to nobody.
    Superseded,
}

/// The boxes of an answer, for the row.
struct Sealed {
    access_token: Option<String>,
    /// Only when it is another one: the new box, its hash and last characters, and the old one as the previous.
    rotated: Option<Rotated>,
    id_token: Option<String>,
}

struct Rotated {
    refresh_token: String,
    hash: String,
    last6: String,
    previous: String,
}

impl Inner {
    /// Brings the answer into the database. It is not given up while it exists nowhere else.
    pub(super) async fn keep(&self, attempt: &Attempt, answer: Answer<'_>, used_previous: bool) -> Outcome {
        let entry = self.entry(attempt, answer, used_previous);
        let limit = Duration::from_secs(self.state.config.refresh.commit_retry_s.into());
        let (since, mut pause, mut in_journal) = (Instant::now(), FIRST_PAUSE, false);
        loop {
            let error = match self.commit(&entry).await {
                Ok(kept) => {
                    if in_journal {
                        self.journal.remove(&entry.attempt);
                    }
                    self.outbox.nudge();
                    return outcome(kept, answer);
                }
                Err(error) => error,
            };
            if !in_journal {
                match self.journal.write(&self.state.sealer, &entry) {
                    Ok(()) => in_journal = true,
                    Err(error) => log::error!(
                        "a rotated token can be written neither to the database nor to the journal: {:?}",
                        error.cause()
                    ),
                }
            }
            // Without the journal this task is the only place where the new token exists: it goes on.
            if in_journal && (since.elapsed() >= limit || self.state.closing.is_cancelled()) {
                return Refusal::of(&error).into();
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn entry(&self, attempt: &Attempt, answer: Answer<'_>, used_previous: bool) -> Entry {
        let now = self.state.clock.now();
        let text = |secret: &Secret| secret.expose().to_owned();
        let (tokens, rotated, failure) = match answer {
            Answer::Tokens(tokens) => (Some(tokens), tokens.refresh_token.as_ref(), None),
            Answer::Rotated(rotated, failed) => {
                (None, Some(rotated), Some((failed.class.as_str().to_owned(), failed.detail.clone())))
            }
        };
        let identity = tokens.map(|tokens| tokens.identity.clone()).unwrap_or_default();
        let expires_in = tokens.and_then(|tokens| tokens.expires_in);
        Entry {
            token_id: attempt.row.id,
            version: attempt.row.version,
            epoch: attempt.epoch,
            attempt: attempt.name.clone(),
            cause: attempt.cause.as_str().to_owned(),
            used_previous,
            access_token: tokens.map(|tokens| text(&tokens.access_token)),
            failure,
            refresh_token: rotated.map(text),
            id_token: tokens.and_then(|tokens| tokens.id_token.as_ref()).map(text),
            expires_at: schedule::expiry(identity.expires_at, expires_in, &attempt.provider, now).0,
            email: identity.email,
            user_name: identity.user_name,
            account_type: identity.account_type,
            account_id: identity.account_id,
            duration_ms: i64::try_from(attempt.started.elapsed().as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// One transaction: tokens, version, event, sinks, notifications.
    pub(super) async fn commit(&self, entry: &Entry) -> Result<Kept> {
        let (state, entry, now) = (self.state.clone(), entry.clone(), self.state.clock.now());
        let work = async move |tx: &DatabaseTransaction| {
            let Some(row) = refresh_token::Entity::find_by_id(entry.token_id).one(tx).await? else {
                return Ok(Kept::Superseded);
            };
            if row.version != entry.version {
                note(tx, &row, &entry, "superseded", now).await?;
                give_back(tx, row.id, entry.epoch).await?;
                return Ok(Kept::Superseded);
            }
            let mut sealed = seal(&state, &row, &entry)?;
            let twin = twin(tx, row.id, &sealed).await?;
            if twin.is_some() {
                sealed.rotated = None;
            }
            let delay = sinks::widest_sync_delay(tx, row.id).await?;
            let provider = provider::Entity::find().filter(provider::Column::Name.eq(&row.provider)).one(tx).await?;
            let expires_at = UtcMillis(entry.expires_at);
            let next = match entry.access_token {
                Some(_) => provider.map(|provider| schedule::next(&provider, row.id, expires_at, delay, now)),
                None => Some(schedule::after_failure(row.failure_count, 0, now)),
            };
            if !store(tx, &row, &entry, sealed, next, now).await? {
                return Ok(Kept::Superseded);
            }
            note(tx, &row, &entry, if entry.access_token.is_some() { "succeeded" } else { "failed" }, now).await?;
            if let Some(twin) = twin {
                log::warn!(
                    "account {}: the provider gave the refresh token that account {twin} has; it is kept there",
                    row.id
                );
            }
            if entry.access_token.is_some() {
                sinks::push(tx, row.id, row.version + 1, now).await?;
                tell(tx, &row, now).await?;
            }
            Ok(Kept::Yes)
        };
        self.state.writer.write(work).await
    }

    /// Another one stored a newer refresh token while ours was refused.
    pub(super) async fn lost(&self, attempt: &Attempt) -> Outcome {
        let (row, name, now) = (attempt.row.clone(), attempt.name.clone(), self.state.clock.now());
        let closed =
            self.state.writer.write(async move |tx| close(tx, &row, &name, "superseded", None, None, now).await);
        match closed.await {
            Ok(()) => Outcome::Refreshed,
            Err(error) => Refusal::of(&error).into(),
        }
    }
}

fn outcome(kept: Kept, answer: Answer<'_>) -> Outcome {
    match (kept, answer) {
        (Kept::Yes, Answer::Tokens(_)) => Outcome::Refreshed,
        (Kept::Yes, Answer::Rotated(_, failed)) => Refusal::failed(failed.class, failed.detail.clone()).into(),
        (Kept::Superseded, _) => {
            Refusal::new(&ACCOUNT_CHANGED, "The account was given another refresh token meanwhile.").into()
        }
    }
}

fn seal(state: &crate::base::state::State, row: &refresh_token::Model, entry: &Entry) -> Result<Sealed> {
    let sealer = &state.sealer;
    let place = |column| Place { table: TABLE, id: row.id, column };
    let box_of = |column, token: &String| place(column).seal(sealer, &Secret::new(token.clone()));
    let new = entry.refresh_token.as_ref().map(|token| (token, sha256_hex(token.as_bytes())));
    let rotated = match new {
        Some((token, hash)) if hash != row.refresh_token_hash => {
            let old = place("refresh_token").unseal(sealer, &row.refresh_token)?;
            Some(Rotated {
                refresh_token: box_of("refresh_token", token)?,
                hash,
                last6: crate::tokens::dto::last6(&Secret::new(token.clone())),
                previous: place("previous_refresh_token").seal(sealer, &old)?,
            })
        }
        _ => None,
    };
    Ok(Sealed {
        access_token: entry.access_token.as_ref().map(|token| box_of("access_token", token)).transpose()?,
        rotated,
        id_token: entry.id_token.as_ref().map(|token| box_of("id_token", token)).transpose()?,
    })
}

/// The account that has the new refresh token already: both were made of one sign-in.
async fn twin(tx: &DatabaseTransaction, id: i64, sealed: &Sealed) -> Result<Option<i64>> {
    use refresh_token::Column;
    let Some(rotated) = &sealed.rotated else { return Ok(None) };
    let twin = refresh_token::Entity::find()
        .filter(Column::RefreshTokenHash.eq(&rotated.hash))
        .filter(Column::Id.ne(id))
        .one(tx)
        .await?;
    Ok(twin.map(|twin| twin.id))
}

/// Writes the row, if it still has the version that the call began with. The epoch is not asked for: who has lost the
/// lease to somebody that took it for dead holds the newer token all the same.
async fn store(
    tx: &DatabaseTransaction,
    row: &refresh_token::Model,
    entry: &Entry,
    sealed: Sealed,
    next: Option<UtcMillis>,
    now: UtcMillis,
) -> Result<bool> {
    use refresh_token::Column;
    let text = |value: Option<String>| Expr::val(value);
    let mut update = refresh_token::Entity::update_many()
        .col_expr(Column::DeadHash, text(None))
        .col_expr(Column::RetryAfter, Expr::val(None::<i64>))
        .col_expr(Column::NextRefreshAt, Expr::val(next.map(|next| next.0)))
        .col_expr(Column::Version, Column::Version.into_expr().add(1))
        .col_expr(Column::LeaseOwner, text(None))
        .col_expr(Column::LeaseUntil, Expr::val(None::<i64>))
        .filter(Column::Id.eq(row.id))
        .filter(Column::Version.eq(entry.version));
    update = match (sealed.access_token, &entry.failure) {
        (Some(access_token), _) => update
            .col_expr(Column::AccessToken, access_token.into())
            .col_expr(Column::AccessExpiresAt, entry.expires_at.into())
            .col_expr(Column::State, "ok".into())
            .col_expr(Column::FailureClass, text(None))
            .col_expr(Column::FailureDetail, text(None))
            .col_expr(Column::FailureCount, 0.into())
            .col_expr(Column::LastRefreshAt, now.into()),
        (None, failure) => update
            .col_expr(Column::State, "failing".into())
            .col_expr(Column::FailureClass, text(failure.as_ref().map(|(class, _)| class.clone())))
            .col_expr(Column::FailureDetail, text(failure.as_ref().map(|(_, detail)| detail.clone())))
            .col_expr(Column::FailureCount, Column::FailureCount.into_expr().add(1)),
    };
    if let Some(rotated) = sealed.rotated {
        update = update
            .col_expr(Column::RefreshToken, rotated.refresh_token.into())
            .col_expr(Column::RefreshTokenHash, rotated.hash.into())
            .col_expr(Column::RefreshTokenLast6, rotated.last6.into())
            .col_expr(Column::PreviousRefreshToken, rotated.previous.into());
    }
    if let Some(id_token) = sealed.id_token {
        update = update.col_expr(Column::IdToken, id_token.into());
    }
    // What was entered by hand stays: accounts are looked up by it, and nobody vouches for what a JWT says.
    let shown = [
        (Column::Email, entry.email.as_ref().filter(|_| row.email.is_none())),
        (Column::UserName, entry.user_name.as_ref().filter(|_| row.user_name.is_none())),
        (Column::AccountType, entry.account_type.as_ref()),
        (Column::AccountId, entry.account_id.as_ref()),
    ];
    for (column, value) in shown {
        if let Some(value) = value {
            update = update.col_expr(column, value.as_str().into());
        }
    }
    Ok(update.exec(tx).await?.rows_affected == 1)
}

async fn note(
    tx: &DatabaseTransaction,
    row: &refresh_token::Model,
    entry: &Entry,
    kind: &str,
    now: UtcMillis,
) -> Result<()> {
    let detail = entry.used_previous.then(|| "with the previous refresh token".to_owned());
    close(tx, row, &entry.attempt, kind, detail, Some(entry.duration_ms), now).await
}

/// Closes the intent and writes down how the attempt ended.
pub(super) async fn close(
    tx: &DatabaseTransaction,
    row: &refresh_token::Model,
    attempt: &str,
    kind: &str,
    detail: Option<String>,
    duration_ms: Option<i64>,
    now: UtcMillis,
) -> Result<()> {
    use refresh_event::Column;
    refresh_event::Entity::update_many()
        .col_expr(Column::Open, Expr::val(None::<bool>))
        .filter(Column::TokenId.eq(row.id))
        .filter(Column::Attempt.eq(attempt))
        .exec(tx)
        .await?;
    let event = refresh_event::ActiveModel {
        token_id: Set(row.id),
        kind: Set(kind.to_owned()),
        cause: Set("refresh".to_owned()),
        attempt: Set(Some(attempt.to_owned())),
        detail: Set(detail),
        duration_ms: Set(duration_ms),
        created_at: Set(now),
        ..Default::default()
    };
    refresh_event::Entity::insert(event).exec_without_returning(tx).await?;
    Ok(())
}

/// Who was told of a failure is told that it is over; and who wants to is told of every refresh.
async fn tell(tx: &DatabaseTransaction, row: &refresh_token::Model, now: UtcMillis) -> Result<()> {
    let recovered =
        matches!(row.state.as_str(), "dead" | "uncertain") || row.failure_count >= super::failure::TOLD_AFTER;
    let kinds = [(EventKind::TokenRecovered, recovered), (EventKind::TokenRefreshed, true)];
    for (kind, _) in kinds.into_iter().filter(|(_, happened)| *happened) {
        let event = Event {
            kind,
            subject: format!("token:{}", row.id),
            cause: row.provider.clone(),
            params: json!({ "biz_id": row.biz_id.as_str(), "email": row.email, "provider": row.provider }),
        };
        notify::tell(tx, &event, now).await?;
    }
    Ok(())
}
