//! Every job, one line each.

use actix_web::web::Data;

use crate::{
    admin,
    base::{
        attempts,
        db::StartError,
        idempotency,
        job::{Job, JobContext, Outcome, Schedule},
    },
    kv::{self, Store},
    notify,
    outbox::{self, Outbox},
    scheduler,
    settings::Settings,
    tokens::{
        self,
        refresh::{self, Refresher},
    },
};

const DAY_MS: i64 = 24 * 3_600_000;

/// The jobs of the whole service.
///
/// # Errors
/// Never for the schedules in use.
pub(super) fn all(
    store: &Data<Store>,
    outbox: &Outbox,
    refresher: &Refresher,
    settings: &Settings,
) -> Result<Vec<Job>, StartError> {
    let every = |text: &str| Schedule::parse(text).map_err(|error| error.to_string());
    let (store, outbox, refresher) = (store.clone(), outbox.clone(), refresher.clone());
    let (settings, kept) = (settings.clone(), settings.clone());
    Ok(vec![
        Job::new("refresh-tokens", every("every 30s")?, move |context| {
            refresh::job(context, refresher.clone(), settings.clone())
        }),
        Job::new("dispatch-notifications", every("every 2s")?, notify::dispatch),
        Job::new("deliver-outbox", every("every 2s")?, move |context| {
            let outbox = outbox.clone();
            async move { outbox.job(context).await }
        }),
        Job::new("purge", every("every 1h")?, move |context| {
            purge(context, store.clone(), kept.get().log_retention_days)
        }),
    ])
}

/// Deletes what nobody needs any more, in every room; logs that are older than `log_days`.
async fn purge(context: JobContext, store: Data<Store>, log_days: u32) -> Outcome {
    let keys = kv::purge(&context.state, &store).await?;
    let answers = context.in_batches(async |tx, now, most| idempotency::purge(tx, now, most).await).await?;
    let log_ms = i64::from(log_days) * DAY_MS;
    let messages =
        context.in_batches(async move |tx, now, most| outbox::purge(tx, now.plus_millis(-log_ms), most).await).await?;
    let told = context.in_batches(async |tx, now, most| notify::purge(tx, now, most).await).await?;
    let refreshes = context
        .in_batches(async move |tx, now, most| tokens::purge_events(tx, now.plus_millis(-log_ms), most).await)
        .await?;
    let now = context.state.clock.now();
    let (sessions, tries, events) = context
        .state
        .writer
        .write(async move |tx| {
            let sessions = admin::purge_sessions(tx, now).await?;
            Ok((sessions, attempts::purge(tx, now).await?, admin::audit::purge(tx, now).await?))
        })
        .await?;
    let tasks = scheduler::purge(context).await?;
    let counts = [
        (keys, "expired keys"),
        (answers, "idempotent answers"),
        (sessions, "sessions"),
        (tries, "counts of tries"),
        (events, "audit events"),
        (messages, "messages"),
        (told, "notifications"),
        (refreshes, "events of accounts"),
    ];
    let deleted = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what} deleted"));
    let deleted: Vec<String> = deleted.chain(tasks).collect();
    Ok((!deleted.is_empty()).then(|| deleted.join(", ")))
}
