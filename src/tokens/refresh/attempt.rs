//! The call: the refresh token once; after a crash the previous one once.

use std::{sync::Arc, time::Duration};

use entity::{refresh_event, refresh_token};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{
    Inner, Outcome, Refusal,
    begin::{Attempt, hash},
    beginning::{Asked, close_open_intents, intent},
    commit::Answer,
};
use crate::{
    base::{error::Result, secret::Secret},
    providers::{Call, Failed, FailureClass, Tokens},
};

impl Inner {
    /// Spends the refresh token and keeps what comes of it.
    pub(super) async fn attempt(self: &Arc<Self>, attempt: Attempt) -> Outcome {
        let renewal = self.runtime.spawn(Arc::clone(self).renew(attempt.row.id, attempt.epoch, attempt.lease_ms));
        let outcome = self.settle(&attempt).await;
        renewal.abort();
        outcome
    }

    async fn settle(&self, attempt: &Attempt) -> Outcome {
        // After a crash the refresh token may have been refused for good already; then only the previous one is left.
        let was_refused = attempt.row.dead_hash.as_ref() == Some(&attempt.row.refresh_token_hash);
        let first = if attempt.uncertain && was_refused {
            Err(refused_before(&attempt.row))
        } else {
            self.exchange(attempt, &attempt.refresh_token).await
        };
        let failed = match first {
            Ok(tokens) => return self.keep(attempt, Answer::Tokens(&tokens), false).await,
            Err(failed) => failed,
        };
        if let Some(rotated) = &failed.rotated {
            return self.keep(attempt, Answer::Rotated(rotated, &failed), false).await;
        }
        if failed.class.is_permanent() {
            if self.somebody_else_won(attempt).await {
                return self.lost(attempt).await;
            }
            if let Some(previous) = attempt.previous.as_ref().filter(|_| attempt.uncertain) {
                return self.try_previous(attempt, previous, failed).await;
            }
        }
        self.fail(attempt, &failed, false).await
    }

    /// The one before: a provider with leeway, or one that does not rotate, still takes it.
    async fn try_previous(&self, attempt: &Attempt, previous: &Secret, first: Failed) -> Outcome {
        if let Err(error) = self.intend_previous(attempt, previous).await {
            return Refusal::of(&error).into();
        }
        super::fault::reached("intended-previous");
        match self.exchange(attempt, previous).await {
            Ok(tokens) => self.keep(attempt, Answer::Tokens(&tokens), true).await,
            Err(Failed { rotated: Some(rotated), .. }) => {
                self.keep(attempt, Answer::Rotated(&rotated, &first), true).await
            }
            // Nothing was sent, or nobody looked at it: the next attempt may try it again, and nothing but it.
            Err(failed) if !failed.class.is_permanent() && !failed.unanswered => {
                self.fail(attempt, &failed, true).await
            }
            Err(_) => self.fail(attempt, &first, false).await,
        }
    }

    async fn exchange(&self, attempt: &Attempt, refresh_token: &Secret) -> Result<Tokens, Failed> {
        let call = Call {
            account: attempt.row.id,
            provider: &attempt.provider,
            client_id: attempt.row.client_id.as_deref(),
            refresh_token,
            proxy: attempt.proxy.as_ref(),
        };
        let answer = self.providers.exchange(&call).await;
        super::fault::reached("answered");
        answer
    }

    /// The intent to spend the previous one, and that the present one was refused for good.
    async fn intend_previous(&self, attempt: &Attempt, previous: &Secret) -> Result<()> {
        let asked = Asked { id: attempt.row.id, cause: attempt.cause, seen: None, attempt: attempt.name.clone() };
        let intent = intent(&attempt.row, &asked, &self.instance, &hash(previous), self.state.clock.now());
        let row = attempt.row.clone();
        let work = async move |tx: &sea_orm::DatabaseTransaction| {
            use refresh_token::Column;
            close_open_intents(tx, std::iter::once(row.id)).await?;
            refresh_token::Entity::update_many()
                .col_expr(Column::DeadHash, row.refresh_token_hash.as_str().into())
                .col_expr(Column::State, "uncertain".into())
                .filter(Column::Id.eq(row.id))
                .filter(Column::Version.eq(row.version))
                .exec(tx)
                .await?;
            refresh_event::Entity::insert(intent.clone()).exec_without_returning(tx).await?;
            Ok(())
        };
        self.state.writer.write(work).await
    }

    /// Whether the account holds another refresh token by now.
    async fn somebody_else_won(&self, attempt: &Attempt) -> bool {
        let row = refresh_token::Entity::find_by_id(attempt.row.id).one(self.state.db.orm()).await;
        matches!(row, Ok(Some(row)) if row.version > attempt.row.version)
    }

    /// Keeps the lease while the call lasts.
    async fn renew(self: Arc<Self>, id: i64, epoch: i64, lease_ms: i64) {
        use refresh_token::Column;
        let pause = Duration::from_millis(u64::try_from(lease_ms / 3).unwrap_or(10_000));
        loop {
            tokio::time::sleep(pause).await;
            let until = self.state.clock.now().plus_millis(lease_ms);
            let renewed = self
                .state
                .writer
                .write(async move |tx| {
                    let renewed = refresh_token::Entity::update_many()
                        .col_expr(Column::LeaseUntil, until.into())
                        .filter(Column::Id.eq(id))
                        .filter(Column::LeaseEpoch.eq(epoch))
                        .filter(Column::LeaseUntil.is_not_null())
                        .exec(tx)
                        .await?;
                    Ok(renewed.rows_affected == 1)
                })
                .await;
            match renewed {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => log::warn!("a lease could not be renewed: {error}"),
            }
        }
    }
}

/// What an earlier attempt was told of the refresh token.
fn refused_before(row: &refresh_token::Model) -> Failed {
    let class = row.failure_class.as_deref().and_then(FailureClass::parse).filter(|class| class.is_permanent());
    Failed {
        class: class.unwrap_or(FailureClass::Reused),
        detail: "The provider has refused this refresh token before.".to_owned(),
        retry_after_s: None,
        unanswered: false,
        rotated: None,
    }
}
