//! What a former life left behind: rotated tokens in the journal, leases, intents without an end.

use entity::{refresh_event, refresh_token};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};

use super::{Inner, commit::Kept};
use crate::base::error::Result;

impl Inner {
    /// Brings what lies in the journal into the database. A file whose content is there already is removed.
    pub(super) async fn replay(&self) -> Result<usize> {
        let mut kept = 0;
        for entry in self.journal.read(&self.state.sealer)? {
            if self.commit(&entry).await? == Kept::Yes {
                kept += 1;
                log::info!("account {}: a rotated token was taken from the journal", entry.token_id);
            }
            self.journal.remove(&entry.attempt);
        }
        Ok(kept)
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
            Ok(())
        };
        self.state.writer.write(work).await
    }
}
