//! What crosses the wire.

use entity::{UtcMillis, job, task, task_item};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::jobs::Effective;
use crate::base::{input::Patch, job::Job};

/// A job.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct JobView {
    /// Its name.
    #[schema(example = "purge")]
    pub name: String,
    /// When it runs: `every 30s|2m|1h|7d`, or cron with six fields, seconds first, in the server's time zone.
    #[schema(example = "every 2h")]
    pub schedule: String,
    /// When it would run if no admin had changed that.
    #[schema(example = "every 1h")]
    pub default_schedule: String,
    /// Whether it runs on its schedule.
    #[schema(example = true)]
    pub enabled: bool,
    /// Whether it would if no admin had changed that.
    #[schema(example = true)]
    pub default_enabled: bool,
    /// Start of the last run. Runs that found nothing to do are noted once a minute at most.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub last_started_at: Option<UtcMillis>,
    /// End of the last run.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-21T04:31:00.250Z")]
    pub last_finished_at: Option<UtcMillis>,
    /// How the last run ended: `ok`, `failed` or `panicked`.
    #[schema(example = "ok")]
    pub last_status: Option<String>,
    /// One line on the last run.
    #[schema(example = "12 tasks deleted")]
    pub last_result: Option<String>,
    /// When it is due next; null while it is switched off.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-21T06:31:00.000Z")]
    pub next_run_at: Option<UtcMillis>,
    /// Whether it is running. A job that another replica runs every minute or oftener counts as running all the time.
    #[schema(example = false)]
    pub running: bool,
}

impl JobView {
    pub(super) fn new(job: &Job, row: &job::Model, running: bool, next_run_at: Option<UtcMillis>) -> Self {
        let Effective { schedule, enabled } = Effective::of(job, row);
        Self {
            name: job.name.to_owned(),
            schedule: schedule.to_string(),
            default_schedule: job.schedule.to_string(),
            enabled,
            default_enabled: job.enabled,
            last_started_at: row.last_started_at,
            last_finished_at: row.last_finished_at,
            last_status: row.last_status.clone(),
            last_result: row.last_result.clone(),
            next_run_at: next_run_at.filter(|_| enabled),
            running,
        }
    }
}

/// A merge patch of what may be changed of a job.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "schedule": "0 30 3 * * *", "enabled": null }))]
pub struct JobPatch {
    /// `every 30s|2m|1h|7d`, or cron with six fields, seconds first; null: as configured.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128, required = false)]
    pub schedule: Patch<String>,
    /// Whether it runs on its schedule; null: as configured.
    #[serde(default)]
    #[schema(value_type = Option<bool>, required = false)]
    pub enabled: Patch<bool>,
}

/// A run that was started.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunView {
    /// The task to follow it by.
    #[schema(format = Uuid, example = "0198f1b2-5f0a-7c3e-9a51-3f6f0c2b7d11")]
    pub task_id: String,
}

/// Work that goes on in the background.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TaskView {
    /// UUID v7.
    #[schema(format = Uuid, example = "0198f1b2-5f0a-7c3e-9a51-3f6f0c2b7d11")]
    pub id: String,
    /// What it does.
    #[schema(example = "refresh-accounts")]
    pub kind: String,
    /// `running`, `done` or `failed`.
    #[schema(example = "running")]
    pub state: String,
    /// Its result, or the reason of its failure.
    #[schema(example = json!(null))]
    pub detail: Option<String>,
    /// How many items it has; 0 where it is done as a whole.
    #[schema(example = 2)]
    pub total: i64,
    /// How many of them are over.
    #[schema(example = 1)]
    pub done: i64,
    /// When it began.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub created_at: UtcMillis,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T04:31:00.250Z")]
    pub updated_at: UtcMillis,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime, example = json!(null))]
    pub finished_at: Option<UtcMillis>,
}

/// A task with its items.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TaskDetail {
    /// The task.
    #[serde(flatten)]
    pub task: TaskView,
    /// What is worked off one by one, in order.
    pub items: Vec<ItemView>,
}

/// An item of a task.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({ "id": 7, "status": 502, "code": "PROVIDER_FAILED" }))]
pub struct ItemView {
    /// What is worked on.
    pub id: i64,
    /// HTTP status that it would have been answered with by itself; null while it waits.
    pub status: Option<i64>,
    /// Code of the problem, if there was one.
    pub code: Option<String>,
}

impl TaskDetail {
    pub(super) fn new(task: task::Model, items: Vec<task_item::Model>) -> Self {
        let view = |item: task_item::Model| ItemView { id: item.subject, status: item.status, code: item.code };
        Self { task: task.into(), items: items.into_iter().map(view).collect() }
    }
}

impl From<task::Model> for TaskView {
    fn from(task: task::Model) -> Self {
        let task::Model { id, kind, status: state, detail, total, done, created_at, updated_at, finished_at } = task;
        Self { id, kind, state, detail, total, done, created_at, updated_at, finished_at }
    }
}
