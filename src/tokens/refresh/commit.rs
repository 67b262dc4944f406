//! Keeping what the provider answered: one transaction, retried, and meanwhile a journal.

use std::time::{Duration, Instant};

use entity::{UtcMillis, provider, refresh_event, refresh_token};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};

use super::{
    Inner, Outcome, Refusal,
    begin::{Attempt, give_back},
    fault,
    journal::Entry,
    rows::{close, note, seal, store, tell, twin},
    schedule,
};
use crate::{
    base::{error::Result, secret::Secret},
    providers::{Failed, Pace, Tokens},
    sinks,
    tokens::problems::ACCOUNT_CHANGED,
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

impl Inner {
    /// Brings the answer into the database. It is not given up while it exists nowhere else.
    pub(super) async fn keep(&self, attempt: &Attempt, answer: Answer<'_>, used_previous: bool) -> Outcome {
        let entry = self.entry(attempt, answer, used_previous);
        let limit = Duration::from_secs(self.state.config.refresh.commit_retry_s.into());
        let (since, mut pause) = (Instant::now(), FIRST_PAUSE);
        let (mut is_refused, mut in_journal) = (false, false);
        loop {
            let error = match self.commit(&entry).await {
                Ok(kept) => {
                    fault::reached("stored");
                    if is_refused {
                        self.journal.remove(&entry.attempt);
                    }
                    self.outbox.nudge();
                    self.note_time_left(attempt, kept, answer);
                    return outcome(kept, answer);
                }
                Err(error) => error,
            };
            is_refused = true;
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

    /// How long the former access token still had to live.
    fn note_time_left(&self, attempt: &Attempt, kept: Kept, answer: Answer<'_>) {
        if let (Kept::Yes, Answer::Tokens(_), Some(ends)) = (kept, answer, attempt.row.access_expires_at) {
            self.meters.renewed(ends, self.state.clock.now());
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
        let settings = self.providers.settings().get();
        let work = async move |tx: &DatabaseTransaction| {
            // Locked, so that a sink that grows slower at this moment is seen here, or sees what is written here.
            let row = refresh_token::Entity::find_by_id(entry.token_id).lock_exclusive().one(tx).await?;
            let Some(row) = row else { return Ok(Kept::Superseded) };
            if row.version != entry.version {
                if is_there(tx, &entry).await? {
                    return Ok(Kept::Yes);
                }
                note(tx, &row, &entry, "superseded", now).await?;
                give_back(tx, row.id, entry.epoch).await?;
                return Ok(Kept::Superseded);
            }
            let mut sealed = seal(tx, &state.sealer, &row, &entry).await?;
            let twin = twin(tx, row.id, &sealed).await?;
            if twin.is_some() {
                sealed.rotated = None;
            }
            let delay = sinks::widest_sync_delay(tx, row.id).await?;
            let provider = provider::Entity::find().filter(provider::Column::Name.eq(&row.provider)).one(tx).await?;
            let expires_at = UtcMillis(entry.expires_at);
            let next = match entry.access_token {
                Some(_) => provider.map(|provider| {
                    let margin_s = Pace::of(&provider, &settings).margin_s;
                    schedule::next(&provider, margin_s, row.id, expires_at, delay, now)
                }),
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
                tell(tx, &row, expires_at, state.config.server.timezone, now).await?;
            }
            fault::reached("storing");
            Ok(Kept::Yes)
        };
        self.state.writer.write(work).await
    }

    /// Another one stored a newer refresh token while ours was refused.
    pub(super) async fn lost(&self, attempt: &Attempt) -> Outcome {
        let (row, name, now) = (attempt.row.clone(), attempt.name.clone(), self.state.clock.now());
        let closed = self.state.writer.write(async move |tx| {
            close(tx, &row, &name, "superseded", None, None, now).await?;
            give_back(tx, row.id, row.lease_epoch).await
        });
        match closed.await {
            Ok(()) => Outcome::Refreshed,
            Err(error) => Refusal::of(&error).into(),
        }
    }
}

/// Whether that answer was stored before: its commit went through and was not confirmed, or the journal was faster.
async fn is_there(tx: &DatabaseTransaction, entry: &Entry) -> Result<bool> {
    use refresh_event::Column;
    let stored = refresh_event::Entity::find()
        .filter(Column::TokenId.eq(entry.token_id))
        .filter(Column::Attempt.eq(&entry.attempt))
        .filter(Column::Kind.is_in(["succeeded", "failed"]));
    Ok(stored.count(tx).await? > 0)
}

fn outcome(kept: Kept, answer: Answer<'_>) -> Outcome {
    match (kept, answer) {
        (Kept::Yes, Answer::Tokens(_)) => Outcome::Refreshed,
        (Kept::Yes, Answer::Rotated(_, failed)) => Refusal::failed(failed.class, failed.detail.clone(), false).into(),
        (Kept::Superseded, _) => {
            Refusal::new(&ACCOUNT_CHANGED, "The account was given another refresh token meanwhile.").into()
        }
    }
}
