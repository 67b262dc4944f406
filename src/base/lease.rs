//! Leases: exclusive rights of limited duration, held in the database so that they bind every replica.
//!
//! Each new holder gets a larger [`Fence`]. Work done under a lease that may have lapsed meanwhile calls [`confirm`] in
//! the transaction of its effect: a late holder is told so, and its effect is rolled back.
//! Rows stay when a lease ends, or the fence could not grow: names must come from a bounded set.

use entity::{
    UtcMillis,
    lease::{ActiveModel, Column, Entity},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, SqlErr};

use super::error::{Error, Result};

/// Tells one holding of a lease from every other one of the same name; later ones are larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub i64);

/// Takes the lease for `ttl_ms` milliseconds. `None`: it is held, be it by the same holder.
///
/// # Errors
/// 503 when the database is out.
pub async fn acquire(
    tx: &impl ConnectionTrait,
    name: &str,
    holder: &str,
    ttl_ms: i64,
    now: UtcMillis,
) -> Result<Option<Fence>> {
    let expires_at = now.plus_millis(ttl_ms);
    let taken = Entity::update_many()
        .col_expr(Column::Holder, holder.into())
        .col_expr(Column::Fence, Column::Fence.into_expr().add(1))
        .col_expr(Column::ExpiresAt, expires_at.into())
        .filter(Column::Name.eq(name))
        .filter(Column::ExpiresAt.lte(now))
        .exec(tx)
        .await?;
    let row = Entity::find_by_id(name.to_owned()).one(tx).await?;
    match row {
        Some(row) => Ok((taken.rows_affected == 1).then_some(Fence(row.fence))),
        None => insert(tx, name, holder, expires_at).await,
    }
}

/// The first holder ever makes the row; the primary key settles who that is.
async fn insert(tx: &impl ConnectionTrait, name: &str, holder: &str, expires_at: UtcMillis) -> Result<Option<Fence>> {
    let row = ActiveModel {
        name: Set(name.to_owned()),
        holder: Set(holder.to_owned()),
        fence: Set(1),
        expires_at: Set(expires_at),
    };
    match Entity::insert(row).exec_without_returning(tx).await {
        Ok(_) => Ok(Some(Fence(1))),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(None),
        Err(error) => Err(Error::from(error)),
    }
}

/// Makes the lease last `ttl_ms` milliseconds from now. False: somebody else has held it since, or it was given back.
/// A lease that lapsed without anybody taking it is renewed.
///
/// # Errors
/// 503 when the database is out.
pub async fn renew(tx: &impl ConnectionTrait, name: &str, fence: Fence, ttl_ms: i64, now: UtcMillis) -> Result<bool> {
    let renewed = Entity::update_many()
        .col_expr(Column::ExpiresAt, now.plus_millis(ttl_ms).into())
        .filter(Column::Name.eq(name))
        .filter(Column::Fence.eq(fence.0))
        .filter(Column::ExpiresAt.gt(0))
        .exec(tx)
        .await?;
    Ok(renewed.rows_affected == 1)
}

/// Gives the lease back. False: it was not this holding's any more.
///
/// # Errors
/// 503 when the database is out.
pub async fn release(tx: &impl ConnectionTrait, name: &str, fence: Fence) -> Result<bool> {
    let released = Entity::update_many()
        .col_expr(Column::ExpiresAt, 0.into())
        .filter(Column::Name.eq(name))
        .filter(Column::Fence.eq(fence.0))
        .filter(Column::ExpiresAt.gt(0))
        .exec(tx)
        .await?;
    Ok(released.rows_affected == 1)
}

/// Whether nobody else has held the lease since. Locks its row until the end of the transaction, so nobody takes it
/// before the caller's commit.
///
/// # Errors
/// 503 when the database is out.
pub async fn confirm(tx: &impl ConnectionTrait, name: &str, fence: Fence) -> Result<bool> {
    let held = Entity::update_many()
        .col_expr(Column::Fence, fence.0.into())
        .filter(Column::Name.eq(name))
        .filter(Column::Fence.eq(fence.0))
        .filter(Column::ExpiresAt.gt(0))
        .exec(tx)
        .await?;
    Ok(held.rows_affected == 1)
}

/// Ends the leases of a holder that is known to live no more; `None` ends all, for the one server of a SQLite file.
///
/// # Errors
/// 503 when the database is out.
pub async fn lapse(tx: &impl ConnectionTrait, holder: Option<&str>) -> Result<()> {
    let mut ended = Entity::update_many().col_expr(Column::ExpiresAt, 0.into()).filter(Column::ExpiresAt.gt(0));
    if let Some(holder) = holder {
        ended = ended.filter(Column::Holder.eq(holder));
    }
    ended.exec(tx).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{
        scratch::{START, on_each},
        state::State,
    };

    async fn take(state: &State, holder: &'static str, now: UtcMillis) -> Option<Fence> {
        state.writer.write(async move |tx| acquire(tx, "work", holder, 1000, now).await).await.unwrap()
    }

    #[actix_web::test]
    async fn one_of_many_who_ask_at_once_gets_the_lease() {
        on_each(async |state| {
            for round in 0..3 {
                let now = START.plus_seconds(round * 10);
                let asking = (0..8).map(|_| take(&state, "somebody", now));
                let got = futures_util::future::join_all(asking).await;
                assert_eq!(got.iter().flatten().count(), 1, "round {round}");
            }
        })
        .await;
    }

    #[actix_web::test]
    async fn a_late_holder_can_neither_renew_nor_confirm_nor_release() {
        on_each(async |state| {
            let late = take(&state, "first", START).await.unwrap();
            assert_eq!(take(&state, "second", START.plus_millis(999)).await, None);
            let next = take(&state, "second", START.plus_millis(1000)).await.unwrap();
            assert!(next > late);
            let still = state
                .writer
                .write(async move |tx| {
                    let now = START.plus_millis(1001);
                    Ok([
                        renew(tx, "work", late, 1000, now).await?,
                        confirm(tx, "work", late).await?,
                        release(tx, "work", late).await?,
                        renew(tx, "work", next, 1000, now).await?,
                        confirm(tx, "work", next).await?,
                        release(tx, "work", next).await?,
                        renew(tx, "work", next, 1000, now).await?,
                    ])
                })
                .await
                .unwrap();
            assert_eq!(still, [false, false, false, true, true, true, false]);
            assert!(take(&state, "third", START.plus_millis(1002)).await.unwrap() > next);
        })
        .await;
    }

    #[actix_web::test]
    async fn the_leases_of_a_dead_holder_can_be_ended_at_once() {
        on_each(async |state| {
            take(&state, "dead", START).await.unwrap();
            state.writer.write(async |tx| lapse(tx, Some("other")).await).await.unwrap();
            assert_eq!(take(&state, "next", START).await, None);
            state.writer.write(async |tx| lapse(tx, Some("dead")).await).await.unwrap();
            assert_eq!(take(&state, "next", START).await, Some(Fence(2)));
        })
        .await;
    }
}
