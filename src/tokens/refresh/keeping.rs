//! The transaction of the end, for all answers that wait: tokens, versions, events, sinks, notifications.

use std::collections::HashMap;

use chrono_tz::Tz;
use entity::{UtcMillis, refresh_event, refresh_token};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect};

use super::{
    begin::give_back,
    beginning::locked,
    fault,
    journal::Entry,
    rows::{End, Sealed, close, news, owners, seal, store},
    schedule,
};
use crate::{
    base::{
        error::{Error, Result},
        secret::Sealer,
    },
    notify,
    providers::{self, Pace},
    settings::Values,
    sinks,
};

/// What the transaction found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The account holds it.
    Yes,
    /// The account was given another refresh token, or is gone: the answer belongs to nobody.
    Superseded,
}

/// What it needs besides the answers.
pub(super) struct Means<'a> {
    pub(super) sealer: &'a Sealer,
    pub(super) values: &'a Values,
    pub(super) zone: Tz,
    pub(super) now: UtcMillis,
}

/// An answer whose account still has the version that the call began with.
struct Fresh<'a> {
    row: refresh_token::Model,
    entry: &'a Entry,
}

/// Stores the answers, and tells of each what became of it.
pub(super) async fn keep_all(tx: &DatabaseTransaction, means: &Means<'_>, entries: &[Entry]) -> Result<Vec<Kept>> {
    let mut rows = locked(tx, entries.iter().map(|entry| entry.token_id)).await?;
    let (mut fresh, mut late) = (Vec::new(), Vec::new());
    for (nth, entry) in entries.iter().enumerate() {
        match rows.remove(&entry.token_id) {
            Some(row) if row.version == entry.version => fresh.push(Fresh { row, entry }),
            // Or another answer for the same account came before it in this group.
            _ => late.push((nth, entry)),
        }
    }
    let mut kept = vec![Kept::Yes; entries.len()];
    if !fresh.is_empty() {
        store_all(tx, means, fresh).await?;
    }
    for (nth, entry) in late {
        if let Some(place) = kept.get_mut(nth) {
            *place = settle(tx, entry, means.now).await?;
        }
    }
    Ok(kept)
}

async fn store_all(tx: &DatabaseTransaction, means: &Means<'_>, fresh: Vec<Fresh<'_>>) -> Result<()> {
    let ids = || fresh.iter().map(|fresh| fresh.row.id);
    let links = sinks::links_of(tx, ids()).await?;
    let providers = providers::named(tx, fresh.iter().map(|fresh| fresh.row.provider.as_str())).await?;
    let sealed = seal_all(tx, means, &fresh).await?;
    let (mut ends, mut told) = (Vec::new(), Vec::new());
    for (Fresh { row, entry }, sealed) in fresh.iter().zip(sealed) {
        let links = links.get(&row.id);
        let delay_s = links.map_or(0, |links| links.widest_sync_delay_s);
        let expires_at = UtcMillis(entry.expires_at);
        let next = match entry.access_token {
            Some(_) => providers.get(&row.provider).map(|provider| {
                let margin_s = Pace::of(provider, means.values).margin_s;
                schedule::next(provider, margin_s, row.id, expires_at, delay_s, means.now)
            }),
            None => Some(schedule::after_failure(row.failure_count, 0, means.now)),
        };
        if !store(tx, row, entry, sealed, next, means.now).await? {
            return Err(Error::internal("an account that is locked was changed"));
        }
        ends.push(End::of(entry, if entry.access_token.is_some() { "succeeded" } else { "failed" }));
        if entry.access_token.is_some() {
            if let Some(links) = links {
                sinks::push(tx, links, row.version + 1, means.now).await?;
            }
            told.extend(news(row, expires_at, means.zone));
        }
    }
    close(tx, &ends, means.now).await?;
    notify::tell_all(tx, &told, means.now).await?;
    for _ in &fresh {
        fault::reached("storing");
    }
    Ok(())
}

/// The boxes. A refresh token that another account has is not stored twice: it is kept there.
async fn seal_all(tx: &DatabaseTransaction, means: &Means<'_>, fresh: &[Fresh<'_>]) -> Result<Vec<Sealed>> {
    let sealing = means.sealer.sealing(tx).await?;
    let mut all = Vec::with_capacity(fresh.len());
    for Fresh { row, entry } in fresh {
        all.push(seal(&sealing, means.sealer, row, entry)?);
    }
    let hashes = all.iter().filter_map(|sealed| sealed.rotated.as_ref()).map(|rotated| rotated.hash.as_str());
    let mut owners: HashMap<String, i64> = owners(tx, hashes).await?;
    for (Fresh { row, .. }, sealed) in fresh.iter().zip(&mut all) {
        let Some(rotated) = &sealed.rotated else { continue };
        let owner = *owners.entry(rotated.hash.clone()).or_insert(row.id);
        if owner != row.id {
            log::warn!(
                "account {}: the provider gave the refresh token that account {owner} has; it is kept there",
                row.id
            );
            sealed.rotated = None;
        }
    }
    Ok(all)
}

/// An answer that comes late: it is there already, or somebody gave the account another refresh token.
async fn settle(tx: &DatabaseTransaction, entry: &Entry, now: UtcMillis) -> Result<Kept> {
    use refresh_event::Column;
    if refresh_token::Entity::find_by_id(entry.token_id).one(tx).await?.is_none() {
        return Ok(Kept::Superseded);
    }
    // Its commit went through and was not confirmed, or the journal was faster.
    let stored = refresh_event::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::TokenId.eq(entry.token_id))
        .filter(Column::Attempt.eq(&entry.attempt))
        .filter(Column::Kind.is_in(["succeeded", "failed"]));
    if stored.into_tuple::<i64>().one(tx).await?.is_some() {
        return Ok(Kept::Yes);
    }
    close(tx, &[End::of(entry, "superseded")], now).await?;
    give_back(tx, entry.token_id, entry.epoch).await?;
    Ok(Kept::Superseded)
}
