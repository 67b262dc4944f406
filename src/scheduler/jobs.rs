//! The rows of the jobs: what an admin changed, the last run, the next one.

use chrono_tz::Tz;
use entity::{
    UtcMillis,
    job::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, SqlErr,
};

use crate::base::{
    error::{Error, Result},
    input::Patch,
    job::{Job, Schedule},
};

/// What counts for a job now: what an admin set, else what is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// When it runs.
    pub schedule: Schedule,
    /// Whether it runs on its schedule at all.
    pub enabled: bool,
}

impl Effective {
    /// Reads the row. A schedule in it that cannot be read (a newer version wrote it) counts as not set.
    #[must_use]
    pub fn of(job: &Job, row: &Model) -> Self {
        let set = row.schedule.as_deref().and_then(|text| Schedule::parse(text).ok());
        Self { schedule: set.unwrap_or_else(|| job.schedule.clone()), enabled: row.enabled.unwrap_or(job.enabled) }
    }

    fn next_after(&self, now: UtcMillis, zone: Tz) -> Option<UtcMillis> {
        if self.enabled { self.schedule.next_after(now, zone) } else { None }
    }
}

/// The rows of these jobs.
///
/// # Errors
/// 503 when the database is out.
pub async fn rows(db: &impl ConnectionTrait, jobs: impl Iterator<Item = &'static str>) -> Result<Vec<Model>> {
    Ok(Entity::find().filter(Column::Name.is_in(jobs)).all(db).await?)
}

/// The row of a job, locked until the end of the transaction; made if there is none.
///
/// # Errors
/// 503 when the database is out.
pub async fn locked(tx: &impl ConnectionTrait, job: &Job, now: UtcMillis, zone: Tz) -> Result<Model> {
    let find = async || Entity::find_by_id(job.name).lock_exclusive().one(tx).await;
    if let Some(row) = find().await? {
        return Ok(row);
    }
    let unset = Effective { schedule: job.schedule.clone(), enabled: job.enabled };
    let row = ActiveModel {
        name: Set(job.name.to_owned()),
        next_run_at: Set(unset.next_after(now, zone)),
        updated_at: Set(now),
        ..Default::default()
    };
    match Entity::insert(row).exec_without_returning(tx).await {
        Ok(_) => {}
        // Another replica was faster.
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {}
        Err(error) => return Err(error.into()),
    }
    find().await?.ok_or_else(|| Error::internal("a job's row is gone"))
}

/// Brings a job's next run in line with its schedule when the service starts: a run that was missed stays due, one
/// that lies ahead is computed anew, since the configuration may have changed.
///
/// # Errors
/// 503 when the database is out.
pub async fn prepare(tx: &impl ConnectionTrait, job: &Job, now: UtcMillis, zone: Tz) -> Result<()> {
    let row = locked(tx, job, now, zone).await?;
    let effective = Effective::of(job, &row);
    let computed = effective.next_after(now, zone);
    let next = match row.next_run_at {
        Some(missed) if effective.enabled && missed <= now => Some(missed),
        Some(ahead) if effective.enabled && effective.schedule.is_interval() => computed.map(|next| next.min(ahead)),
        _ => computed,
    };
    if next == row.next_run_at {
        return Ok(());
    }
    let change = ActiveModel { next_run_at: Set(next), updated_at: Set(later(&row, now)), ..unchanged(&row) };
    Entity::update(change).exec(tx).await?;
    Ok(())
}

/// Sets, or clears, what an admin may change. The next run is computed anew.
///
/// # Errors
/// 422 for a schedule that is none.
pub async fn change(
    tx: &impl ConnectionTrait,
    job: &Job,
    schedule: &Patch<String>,
    enabled: &Patch<bool>,
    now: UtcMillis,
    zone: Tz,
) -> Result<Model> {
    let row = locked(tx, job, now, zone).await?;
    let mut changed = row.clone();
    if let Some(text) = schedule.clone().into_change() {
        changed.schedule = text.map(|text| Schedule::parse(&text)).transpose()?.map(|schedule| schedule.to_string());
    }
    if let Some(enabled) = enabled.clone().into_change() {
        changed.enabled = enabled;
    }
    if Effective::of(job, &changed) != Effective::of(job, &row) {
        changed.next_run_at = Effective::of(job, &changed).next_after(now, zone);
    }
    let change = ActiveModel {
        schedule: Set(changed.schedule),
        enabled: Set(changed.enabled),
        next_run_at: Set(changed.next_run_at),
        updated_at: Set(later(&row, now)),
        ..unchanged(&row)
    };
    Ok(Entity::update(change).exec(tx).await?)
}

/// Notes that a run has begun. Does not count as a change of the row.
///
/// # Errors
/// 503 when the database is out.
pub async fn started(tx: &impl ConnectionTrait, row: &Model, now: UtcMillis) -> Result<()> {
    let change = ActiveModel { last_started_at: Set(Some(now)), ..unchanged(row) };
    Entity::update(change).exec(tx).await?;
    Ok(())
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// When it began.
    pub started_at: UtcMillis,
    /// `ok`, `failed` or `panicked`.
    pub status: &'static str,
    /// One line on it.
    pub result: String,
    /// When it was due, and the row's `updated_at` then; `None` for a run that an admin asked for.
    pub due: Option<(UtcMillis, UtcMillis)>,
}

/// Notes how a run ended and when the next one is due. The row must be locked.
///
/// # Errors
/// 503 when the database is out.
pub async fn ended(
    tx: &impl ConnectionTrait,
    job: &Job,
    row: &Model,
    run: &Ended,
    now: UtcMillis,
    zone: Tz,
) -> Result<Model> {
    let effective = Effective::of(job, row);
    let next = match run.due {
        // An admin's change during the run has set the next one.
        Some((due, seen)) if seen == row.updated_at && effective.enabled => {
            effective.schedule.next_from(due, now, zone)
        }
        _ => row.next_run_at,
    };
    let change = ActiveModel {
        last_started_at: Set(Some(run.started_at)),
        last_finished_at: Set(Some(now)),
        last_status: Set(Some(run.status.to_owned())),
        last_result: Set(Some(run.result.clone())),
        next_run_at: Set(next),
        updated_at: Set(later(row, now)),
        ..unchanged(row)
    };
    Ok(Entity::update(change).exec(tx).await?)
}

fn unchanged(row: &Model) -> ActiveModel {
    ActiveModel { name: Unchanged(row.name.clone()), ..Default::default() }
}

/// The `updated_at` of a changed row: it grows with every change, also within a millisecond, so that a change is
/// never mistaken for none.
fn later(row: &Model, now: UtcMillis) -> UtcMillis {
    now.max(row.updated_at.plus_millis(1))
}
