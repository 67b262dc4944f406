//! Runs the jobs on their schedules, and keeps the tasks that go on in the background.
//!
//! - Runs of a job never overlap, over all replicas: a run holds the lease `job:<name>`, renewed while it lasts, and is
//!   told to stop when the lease is lost.
//! - A run that was missed happens once, at start. A run that fails or panics is recorded and the schedule goes on.
//! - A job that runs every minute or oftener keeps its lease between runs, so that idle runs write (almost) nothing.
//! - A task may have items that are worked off one by one; it goes on after a restart with those that wait.
//! - What an admin sets outranks the configuration.

mod admin;
mod api;
mod dto;
mod items;
mod job;
mod jobs;
mod live;
mod manual;
mod run;
mod tasks;
#[cfg(test)]
mod tests;
mod tick;
mod ticker;

pub use self::{
    api::routes,
    dto::{TaskDetail, TaskView},
    items::{
        Item, add as add_items, begin as begin_items, note as note_item, show as show_task, waiting as waiting_items,
    },
    job::purge,
    tasks::{begin as begin_task, finish as finish_task},
    tick::Scheduler,
};

use crate::base::error::{Class, Kind};

/// 409
pub static JOB_RUNNING: Kind = Kind::new(
    Class::Conflict,
    "JOB_RUNNING",
    "The job is running already",
    "Runs of one job never overlap. Wait until it has ended; GET /public-api/jobs tells. A job that runs every minute \
     or oftener can be run by hand on the replica that runs it only.",
);

/// The problems this room answers.
pub static PROBLEMS: &[&Kind] = &[&JOB_RUNNING];
