//! The job `refresh-tokens`: what is due, in the order in which it ends.

use std::{collections::HashSet, time::Instant};

use entity::{UtcMillis, provider, refresh_token};
use futures_util::{StreamExt, stream::FuturesUnordered};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::{Cause, Outcome, Refresher};
use crate::{
    base::{error::Result, job::JobContext},
    settings::Settings,
};

/// Most accounts picked at once.
const STEP: u64 = 1000;

/// Settles what lies in the journal, then refreshes what is due, as many at once as the settings say at the time. With
/// `auto_refresh` off only a run that somebody asked for refreshes.
///
/// # Errors
/// When the database is out.
pub async fn job(context: JobContext, refresher: Refresher, settings: Settings) -> Result<Option<String>> {
    if let Err(error) = refresher.0.replay().await {
        log::warn!("rotated tokens wait in the journal: the database refuses them: {error}");
    }
    let keep_disabled = context.state.config.refresh.keep_disabled_fresh;
    let goes_on = || !context.stop.is_cancelled() && (context.by_hand || settings.get().auto_refresh);
    let (mut seen, mut refreshed, mut refused) = (HashSet::new(), 0_u64, 0_u64);
    while goes_on() {
        let since = Instant::now();
        let due = due(context.state.db.orm(), keep_disabled, context.state.clock.now()).await?;
        log::debug!("{} accounts due, picked in {} us", due.len(), since.elapsed().as_micros());
        let due: Vec<i64> = due.into_iter().filter(|id| seen.insert(*id)).collect();
        if due.is_empty() {
            break;
        }
        let mut due = due.into_iter().take_while(|_| goes_on());
        let mut flights = FuturesUnordered::new();
        loop {
            let places = (settings.get().refresh_concurrency as usize).saturating_sub(flights.len());
            flights.extend(due.by_ref().take(places).map(|id| refresher.refresh(id, Cause::Job)));
            match flights.next().await {
                Some(Outcome::Refreshed) => refreshed += 1,
                Some(Outcome::Refused(_)) => refused += 1,
                None => break,
            }
        }
    }
    Ok((refreshed + refused > 0).then(|| format!("{refreshed} refreshed, {refused} not")))
}

/// Accounts whose time has come, those that end first in front. Paused providers' are left alone.
pub(super) async fn due(db: &impl ConnectionTrait, keep_disabled: bool, now: UtcMillis) -> Result<Vec<i64>> {
    use refresh_token::Column;
    let paused = provider::Entity::find()
        .select_only()
        .column(provider::Column::Name)
        .filter(provider::Column::State.eq("paused"))
        .into_query();
    let free = Condition::any().add(Column::LeaseUntil.is_null()).add(Column::LeaseUntil.lt(now));
    let enabled = if keep_disabled { vec![true, false] } else { vec![true] };
    let due = refresh_token::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Enabled.is_in(enabled))
        .filter(Column::NextRefreshAt.lte(now))
        .filter(free)
        .filter(Column::Provider.not_in_subquery(paused))
        .order_by_asc(Column::AccessExpiresAt)
        .order_by_asc(Column::Id)
        .limit(STEP);
    Ok(due.into_tuple().all(db).await?)
}
