//! How the accounts stand, in numbers.

use std::collections::BTreeMap;

use entity::{
    UtcMillis,
    refresh_token::{Column, Entity},
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};

use super::dto::{AccountStats, ExpiringAccounts, State};
use crate::base::error::Result;

const HOUR_S: i64 = 3600;
/// Every state.
pub const STATES: [State; 5] = [State::New, State::Ok, State::Failing, State::Dead, State::Uncertain];

/// Counts the accounts.
///
/// # Errors
/// 503 when the database is out.
pub async fn stats(db: &impl ConnectionTrait, now: UtcMillis) -> Result<AccountStats> {
    let mut by_state: BTreeMap<String, u64> = STATES.into_iter().map(|state| (state.as_str().to_owned(), 0)).collect();
    by_state.extend(grouped(db, Column::State).await?);
    let enabled = Entity::find().filter(Column::Enabled.eq(true));
    let expiring = async |hours: i64| {
        let end = now.plus_seconds(hours * HOUR_S);
        let ending = Entity::find().filter(Column::AccessExpiresAt.gt(now)).filter(Column::AccessExpiresAt.lte(end));
        ending.count(db).await
    };
    Ok(AccountStats {
        total: by_state.values().sum(),
        enabled: enabled.clone().count(db).await?,
        by_state,
        by_provider: grouped(db, Column::Provider).await?,
        by_type: grouped(db, Column::AccountType).await?,
        expiring: ExpiringAccounts { within_1h: expiring(1).await?, within_24h: expiring(24).await? },
        due: enabled.filter(Column::NextRefreshAt.lte(now)).count(db).await?,
    })
}

async fn grouped(db: &impl ConnectionTrait, column: Column) -> Result<BTreeMap<String, u64>> {
    let rows: Vec<(Option<String>, i64)> = Entity::find()
        .select_only()
        .column(column)
        .column_as(Column::Id.count(), "accounts")
        .group_by(column)
        .into_tuple()
        .all(db)
        .await?;
    let named = |(name, count): (Option<String>, i64)| {
        (name.unwrap_or_else(|| "unknown".to_owned()), u64::try_from(count).unwrap_or_default())
    };
    Ok(rows.into_iter().map(named).collect())
}
