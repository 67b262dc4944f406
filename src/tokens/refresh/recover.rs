//! What a former life left behind: rotated tokens in the journal, leases, intents without an end.

use entity::{refresh_event, refresh_token};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};

use super::{Inner, begin::give_back, fault, journal::Entry, keeping::Kept};
use crate::{base::error::Result, tokens::problems::ACCOUNT_BUSY};

impl Inner {
    /// Brings what lies in the journal into the database. One that the database refuses holds up no other: it stays, and
    /// its account is not refreshed meanwhile. Answers how many the accounts hold now.
    ///
    /// # Errors
    /// The last refusal.
    pub(super) async fn replay(&self) -> Result<usize> {
        self.bring(self.journal.read(&self.state.sealer)?).await
    }

    /// The same for one account, before its refresh token is read: that one is spent if anything lies in the journal.
    pub(super) async fn replay_of(&self, id: i64) -> Result<usize> {
        if !self.journal.holds(id) {
            return Ok(0);
        }
        let entries = self.journal.read(&self.state.sealer)?;
        let kept = self.bring(entries.into_iter().filter(|entry| entry.token_id == id).collect()).await?;
        // The disk refused it too: it is in the hands of the flight that got it.
        if self.journal.holds(id) {
            return Err(ACCOUNT_BUSY.error("The account's new refresh token could not be stored yet.").retry_after(5));
        }
        Ok(kept)
    }

    pub(super) async fn bring(&self, entries: Vec<Entry>) -> Result<usize> {
        let (mut kept, mut refused) = (0, None);
        for entry in entries {
            match self.commit(&entry).await {
                Ok(found) => {
                    fault::reached("replayed");
                    self.journal.remove(&entry.attempt);
                    kept += usize::from(found == Kept::Yes);
                    log::info!("account {}: a rotated token was taken from the journal: {found:?}", entry.token_id);
                }
                Err(error) => refused = Some(error),
            }
        }
        if kept > 0 {
            self.outbox.nudge();
        }
        refused.map_or(Ok(kept), Err)
    }

    /// Gives back the lease of a beginning that failed: its commit may have gone through unconfirmed. The intent stays
    /// open, which makes the next attempt careful. If this fails too, the lease lapses.
    pub(super) async fn give_up(&self, id: i64, attempt: String) {
        let work = async move |tx: &DatabaseTransaction| {
            use refresh_event::Column;
            let intent =
                refresh_event::Entity::find().filter(Column::TokenId.eq(id)).filter(Column::Attempt.eq(&attempt));
            match intent.one(tx).await?.and_then(|intent| intent.lease_epoch) {
                Some(epoch) => give_back(tx, id, epoch).await,
                None => Ok(()),
            }
        };
        if let Err(error) = self.state.writer.write(work).await {
            log::debug!("a lease that may have been taken is left to lapse: {error}");
        }
    }

    /// Ends the leases of this replica's former life at once, and marks what it was about as uncertain. On SQLite there
    /// is no other replica: all leases are former ones.
    pub(super) async fn take_over(&self) -> Result<()> {
        let holder = (!self.state.db.is_sqlite()).then(|| self.instance.clone());
        let work = async move |tx: &DatabaseTransaction| {
            use refresh_token::Column;
            let ours = |query: sea_orm::Select<refresh_token::Entity>| match &holder {
                Some(holder) => query.filter(Column::LeaseOwner.eq(holder)),
                None => query.filter(Column::LeaseOwner.is_not_null()),
            };
            let ids: Vec<i64> =
                ours(refresh_token::Entity::find().select_only().column(Column::Id)).into_tuple().all(tx).await?;
            for ids in ids.chunks(500) {
                let open: Vec<i64> = refresh_event::Entity::find()
                    .select_only()
                    .column(refresh_event::Column::TokenId)
                    .filter(refresh_event::Column::TokenId.is_in(ids.iter().copied()))
                    .filter(refresh_event::Column::Open.eq(true))
                    .into_tuple()
                    .all(tx)
                    .await?;
                refresh_token::Entity::update_many()
                    .col_expr(Column::State, "uncertain".into())
                    .filter(Column::Id.is_in(open))
                    .exec(tx)
                    .await?;
                refresh_token::Entity::update_many()
                    .col_expr(Column::LeaseOwner, Expr::val(None::<String>))
                    .col_expr(Column::LeaseUntil, Expr::val(None::<i64>))
                    .filter(Column::Id.is_in(ids.iter().copied()))
                    .exec(tx)
                    .await?;
            }
            fault::reached("taking-over");
            Ok(())
        };
        self.state.writer.write(work).await
    }
}
