//! Keeping what the provider answered: one transaction, retried, and meanwhile a journal.

use std::time::{Duration, Instant};

use super::{
    Inner, Outcome, Refusal,
    begin::{Attempt, give_back},
    fault,
    journal::Entry,
    keeping::Kept,
    rows::{End, close},
    schedule,
};
use crate::{
    base::{error::Result, secret::Secret},
    providers::{Failed, Tokens},
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
        self.keepings.write(entry.clone()).await
    }

    /// Another one stored a newer refresh token while ours was refused.
    pub(super) async fn lost(&self, attempt: &Attempt) -> Outcome {
        let (row, name, cause, now) =
            (attempt.row.clone(), attempt.name.clone(), attempt.cause, self.state.clock.now());
        let closed = self.state.writer.write(async move |tx| {
            let (kind, cause) = ("superseded", cause.as_str());
            let end =
                End { token_id: row.id, attempt: &name, cause, kind, class: None, detail: None, duration_ms: None };
            close(tx, &[end], now).await?;
            give_back(tx, row.id, row.lease_epoch).await
        });
        match closed.await {
            Ok(()) => Outcome::Refreshed,
            Err(error) => Refusal::of(&error).into(),
        }
    }
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
