//! The rows.

use entity::{
    UtcMillis, meta,
    replica::{ActiveModel, Column, Entity, Model},
};
use rustix::process::{Pid, test_kill_process};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    sea_query::{Expr, OnConflict},
};

use super::LIFE;
use crate::{
    base::error::{Error, Result},
    server::proof::INITIALISED,
};

/// Milliseconds since 1970 by the database's clock, whatever time zone the session has.
const NOW: &str = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(3)) DIV 1000";

/// This process.
#[derive(Clone, Debug)]
pub(super) struct Me {
    pub(super) instance: String,
    pub(super) life: String,
    pub(super) host: String,
    pub(super) pid: i64,
    pub(super) has_redis: bool,
}

/// What came of a try at a place.
pub(super) enum Joined {
    /// This process has one.
    Placed,
    /// This one is in the way.
    Rival(Box<Model>),
}

impl Me {
    /// Whether the row is of another process with this one's data folder, which lives on this machine.
    pub(super) fn is_twin(&self, other: &Model) -> bool {
        let is_other = other.instance == self.instance && other.host == self.host && other.pid != self.pid;
        is_other && is_running(other.pid)
    }

    /// Whether this process must not live beside that one. A former life of this one is in nobody's way at a start;
    /// later it is not a former life, but one that took this one's place.
    fn is_rival(&self, other: &Model, is_start: bool) -> bool {
        if other.instance == self.instance {
            return !is_start || self.is_twin(other);
        }
        !(self.has_redis && other.has_redis)
    }

    /// Why that one is in the way.
    pub(super) fn reason(&self, rival: &Model) -> &'static str {
        if rival.instance == self.instance {
            "another process has the same data folder, and so the same instance_id"
        } else if self.has_redis {
            "another replica lives, and that one has no redis.url"
        } else {
            "another replica lives, and this one has no redis.url"
        }
    }

    fn mine(&self) -> Condition {
        Condition::all().add(Column::Instance.eq(&self.instance)).add(Column::Life.eq(&self.life))
    }

    fn row(&self, now: UtcMillis) -> ActiveModel {
        ActiveModel {
            instance: Set(self.instance.clone()),
            life: Set(self.life.clone()),
            host: Set(self.host.clone()),
            pid: Set(self.pid),
            has_redis: Set(self.has_redis),
            started_at: Set(now),
            beat_at: Set(now),
        }
    }
}

/// Whether there is such a process on this machine. One that may not be asked counts as running.
fn is_running(pid: i64) -> bool {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0).and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Whether it gave a sign of life in the last 15 seconds. One from further ahead is of a clock that was set back.
fn is_living(replica: &Model, now: UtcMillis) -> bool {
    i128::from(now.0.abs_diff(replica.beat_at.0)) < i128::try_from(LIFE.as_millis()).unwrap_or_default()
}

/// Takes a place unless somebody is in the way, and removes the places that were given up.
///
/// # Errors
/// 503 when the database is out.
pub(super) async fn join(tx: &impl ConnectionTrait, me: &Me, is_start: bool) -> Result<Joined> {
    // One at a time: the rows alone do not stop two that add theirs at the same moment.
    let turn = meta::Entity::find_by_id(INITIALISED).lock_exclusive().one(tx).await?;
    turn.ok_or_else(|| Error::internal("the database is not initialised"))?;
    // Locked, so that nobody gives a sign of life between this look and the commit.
    let others = Entity::find().order_by_asc(Column::Instance).lock_exclusive().all(tx).await?;
    let now = now(tx).await?;
    for other in others {
        if !is_living(&other, now) {
            Entity::delete_by_id(other.instance).exec(tx).await?;
        } else if me.is_rival(&other, is_start) {
            return Ok(Joined::Rival(Box::new(other)));
        }
    }
    let columns = [Column::Life, Column::Host, Column::Pid, Column::HasRedis, Column::StartedAt, Column::BeatAt];
    let over = OnConflict::column(Column::Instance).update_columns(columns).to_owned();
    Entity::insert(me.row(now)).on_conflict(over).exec_without_returning(tx).await?;
    Ok(Joined::Placed)
}

/// Who has a place and lives. Nobody takes one before the transaction ends.
///
/// # Errors
/// 503 when the database is out.
pub(super) async fn anybody(tx: &impl ConnectionTrait) -> Result<Option<Model>> {
    meta::Entity::find_by_id(INITIALISED).lock_exclusive().one(tx).await?;
    let (all, now) = (Entity::find().lock_exclusive().all(tx).await?, now(tx).await?);
    Ok(all.into_iter().find(|replica| is_living(replica, now)))
}

/// Gives a sign of life. False: the place is gone.
///
/// # Errors
/// 503 when the database is out.
pub(super) async fn beat(tx: &impl ConnectionTrait, me: &Me) -> Result<bool> {
    let beaten = Entity::update_many().col_expr(Column::BeatAt, Expr::cust(NOW)).filter(me.mine()).exec(tx).await?;
    Ok(beaten.rows_affected > 0)
}

/// Gives the place up.
///
/// # Errors
/// 503 when the database is out.
pub(super) async fn leave(tx: &impl ConnectionTrait, me: &Me) -> Result<()> {
    Entity::delete_many().filter(me.mine()).exec(tx).await?;
    Ok(())
}

async fn now(tx: &impl ConnectionTrait) -> Result<UtcMillis> {
    let sql = Statement::from_string(tx.get_database_backend(), format!("SELECT {NOW}"));
    let row = tx.query_one_raw(sql).await?.ok_or_else(|| Error::internal("the database does not tell the time"))?;
    Ok(row.try_get_by_index(0)?)
}
