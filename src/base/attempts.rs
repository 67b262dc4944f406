//! Tries at a password, counted before the password is looked at, so that parallel guesses cannot slip past a limit.
//!
//! 1. [`reserve`] counts the try as a failure, in a transaction that commits before anything else happens.
//! 2. The password is checked, outside any transaction.
//! 3. Right: [`succeeded`], in the transaction of what the password was given for. Wrong: nothing more to do.
//!    Not looked at after all: [`give_back`].
//!
//! Counting starts with the first failure and starts anew when the window or the lock is over.

use std::net::IpAddr;

use entity::{
    UtcMillis,
    attempt::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, Set,
    sea_query::{Expr, OnConflict},
};

use super::{
    error::{Error, Kind, Result},
    secret::sha256_hex,
};

#[cfg(test)]
mod tests;

/// Longest window a [`Limit`] may have: rows older than that are purged.
pub const LONGEST_WINDOW_MS: i64 = 24 * 3_600_000;
/// How long an address is remembered for a good try.
const REMEMBERED_MS: i64 = 90 * 24 * 3_600_000;

/// What is tried, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    scope: &'static str,
    subject: String,
    address: String,
}

impl Attempt {
    /// A try at the password of `name` from one address. `scope` tells what kind of name it is: `admin-login`,
    /// `device-password`; at most 32 characters.
    #[must_use]
    pub fn from_address(scope: &'static str, name: &str, address: IpAddr) -> Self {
        Self { scope, subject: sha256_hex(name.as_bytes()), address: address.to_canonical().to_string() }
    }

    /// A try at the password of `name`, counted over all addresses.
    #[must_use]
    pub fn from_anywhere(scope: &'static str, name: &str) -> Self {
        Self { scope, subject: sha256_hex(name.as_bytes()), address: "*".to_owned() }
    }

    fn row(&self) -> Condition {
        Condition::all()
            .add(Column::Scope.eq(self.scope))
            .add(Column::Subject.eq(&self.subject))
            .add(Column::Address.eq(&self.address))
    }
}

/// How many wrong tries are allowed.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Wrong tries in one window, at least 1.
    pub most: i32,
    /// Length of the window in milliseconds, at most [`LONGEST_WINDOW_MS`].
    pub window_ms: i64,
    /// How long the last allowed wrong try locks, in milliseconds. 0: until the window is over.
    pub lock_ms: i64,
    /// The problem that further tries are answered with.
    pub refusal: &'static Kind,
}

/// Counts a try, unless there were too many. To be committed before the password is looked at.
///
/// # Errors
/// The limit's refusal, with `Retry-After`; then nothing was counted.
pub async fn reserve(tx: &impl ConnectionTrait, attempt: &Attempt, limit: Limit, now: UtcMillis) -> Result<()> {
    if count(tx, attempt, limit, now).await? {
        return Ok(());
    }
    open(tx, attempt, now).await?;
    renew(tx, attempt, limit, now).await?;
    if count(tx, attempt, limit, now).await? {
        return Ok(());
    }
    let row = find(tx, attempt).await?.ok_or_else(|| Error::internal("a row of attempts is gone"))?;
    let until = row.locked_until.unwrap_or_else(|| row.window_start.plus_millis(limit.window_ms));
    Err(limit.refusal.error("Too many wrong passwords were tried.").retry_after(until.seconds_after(now)))
}

/// One more failure, if the window runs and has room for it.
async fn count(tx: &impl ConnectionTrait, attempt: &Attempt, limit: Limit, now: UtcMillis) -> Result<bool> {
    let lock = (limit.lock_ms > 0).then(|| now.plus_millis(limit.lock_ms));
    let is_last = Column::Failures.gte(limit.most.saturating_sub(1));
    let counted = Entity::update_many()
        // Before `failures`: MySQL assigns from left to right and would see the new number.
        .col_expr(
            Column::LockedUntil,
            Expr::case(is_last, Expr::val(lock)).finally(Expr::val(None::<UtcMillis>)).into(),
        )
        .col_expr(Column::Failures, Expr::col(Column::Failures).add(1))
        .filter(attempt.row())
        .filter(Column::Failures.lt(limit.most))
        .filter(Column::LockedUntil.is_null())
        .filter(Column::WindowStart.gt(now.plus_millis(-limit.window_ms)))
        .exec(tx)
        .await?;
    Ok(counted.rows_affected > 0)
}

/// Makes the row if it is not there. Either way nobody else can change it before this transaction ends: MySQL locks
/// a duplicate exclusively when it may have to update it.
async fn open(tx: &impl ConnectionTrait, attempt: &Attempt, now: UtcMillis) -> Result<()> {
    let row = ActiveModel {
        scope: Set(attempt.scope.to_owned()),
        subject: Set(attempt.subject.clone()),
        address: Set(attempt.address.clone()),
        window_start: Set(now),
        failures: Set(0),
        locked_until: Set(None),
        succeeded_at: Set(None),
    };
    let key = [Column::Scope, Column::Subject, Column::Address];
    Entity::insert(row).on_conflict_do_nothing_on(key).exec_without_returning(tx).await?;
    Ok(())
}

/// Begins a new window if the lock, or else the window, is over.
async fn renew(tx: &impl ConnectionTrait, attempt: &Attempt, limit: Limit, now: UtcMillis) -> Result<()> {
    let window_over = Column::LockedUntil.is_null().and(Column::WindowStart.lte(now.plus_millis(-limit.window_ms)));
    Entity::update_many()
        .col_expr(Column::WindowStart, Expr::val(now))
        .col_expr(Column::Failures, Expr::val(0))
        .col_expr(Column::LockedUntil, Expr::val(None::<UtcMillis>))
        .filter(attempt.row())
        .filter(Column::LockedUntil.lte(now).or(window_over))
        .exec(tx)
        .await?;
    Ok(())
}

async fn find(db: &impl ConnectionTrait, attempt: &Attempt) -> Result<Option<Model>> {
    Ok(Entity::find().filter(attempt.row()).one(db).await?)
}

/// Notes a good try: the failures are forgiven, the lock of this try itself is taken off, and the address is
/// remembered for 90 days.
///
/// # Errors
/// When the database fails.
pub async fn succeeded(tx: &impl ConnectionTrait, attempt: &Attempt, now: UtcMillis) -> Result<()> {
    let row = ActiveModel {
        scope: Set(attempt.scope.to_owned()),
        subject: Set(attempt.subject.clone()),
        address: Set(attempt.address.clone()),
        window_start: Set(now),
        failures: Set(0),
        locked_until: Set(None),
        succeeded_at: Set(Some(now)),
    };
    let mut known = OnConflict::columns([Column::Scope, Column::Subject, Column::Address]);
    known.update_columns([Column::Failures, Column::LockedUntil, Column::SucceededAt]);
    Entity::insert(row).on_conflict(known).exec_without_returning(tx).await?;
    Ok(())
}

/// Whether no further try is taken: so it is after a wrong one that was the last allowed.
///
/// # Errors
/// When the database fails.
pub async fn is_used_up(db: &impl ConnectionTrait, attempt: &Attempt, limit: Limit) -> Result<bool> {
    Ok(find(db, attempt).await?.is_some_and(|row| row.failures >= limit.most))
}

/// Takes one reserved try back: the password was right where only wrong ones are counted ([`Attempt::from_anywhere`]),
/// or it was never looked at.
///
/// # Errors
/// When the database fails.
pub async fn give_back(tx: &impl ConnectionTrait, attempt: &Attempt) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::LockedUntil, Expr::val(None::<UtcMillis>))
        .col_expr(Column::Failures, Expr::col(Column::Failures).sub(1))
        .filter(attempt.row())
        .filter(Column::Failures.gt(0))
        .exec(tx)
        .await?;
    Ok(())
}

/// Whether a good try was noted for this name from this address.
///
/// # Errors
/// When the database fails.
pub async fn is_known(db: &impl ConnectionTrait, attempt: &Attempt) -> Result<bool> {
    Ok(find(db, attempt).await?.is_some_and(|row| row.succeeded_at.is_some()))
}

/// Lifts every lock on a name and forgets its failures, from wherever they came.
///
/// # Errors
/// When the database fails.
pub async fn forgive(tx: &impl ConnectionTrait, scope: &'static str, name: &str) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::LockedUntil, Expr::val(None::<UtcMillis>))
        .col_expr(Column::Failures, Expr::val(0))
        .filter(Column::Scope.eq(scope))
        .filter(Column::Subject.eq(sha256_hex(name.as_bytes())))
        .exec(tx)
        .await?;
    Ok(())
}

/// Deletes rows that mean nothing any more: window and lock are over, and no good try within 90 days. Answers how
/// many there were.
///
/// # Errors
/// When the database fails.
pub async fn purge(tx: &impl ConnectionTrait, now: UtcMillis) -> Result<u64> {
    let deleted = Entity::delete_many()
        .filter(Column::WindowStart.lte(now.plus_millis(-LONGEST_WINDOW_MS)))
        .filter(Column::LockedUntil.is_null().or(Column::LockedUntil.lte(now)))
        .filter(Column::SucceededAt.is_null().or(Column::SucceededAt.lte(now.plus_millis(-REMEMBERED_MS))))
        .exec(tx)
        .await?;
    Ok(deleted.rows_affected)
}
