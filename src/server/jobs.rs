//! Every job, one line each.

use actix_web::web::Data;

use crate::{
    admin,
    base::{
        attempts,
        db::StartError,
        idempotency,
        job::{Job, JobContext, Outcome, Schedule},
        state::State,
    },
    kv::{self, Store},
    notify,
    outbox::{self, Outbox},
    scheduler,
    tokens::{
        self,
        refresh::{self, Refresher},
    },
};

/// The jobs of the whole service.
///
/// # Errors
/// Never for the schedules in use.
pub(super) fn all(
    store: &Data<Store>,
    outbox: &Outbox,
    refresher: &Refresher,
    state: &State,
) -> Result<Vec<Job>, StartError> {
    let every = |text: &str| Schedule::parse(text).map_err(|error| error.to_string());
    let (store, outbox, refresher) = (store.clone(), outbox.clone(), refresher.clone());
    let refresh = state.config.refresh.clone();
    let concurrency = refresh.concurrency;
    Ok(vec![
        Job::new("refresh-tokens", every("every 30s")?, move |context| {
            refresh::job(context, refresher.clone(), concurrency)
        })
        .enabled(refresh.enabled),
        Job::new("dispatch-notifications", every("every 2s")?, notify::dispatch),
        Job::new("deliver-outbox", every("every 2s")?, move |context| {
            let outbox = outbox.clone();
            async move { outbox.job(context).await }
        }),
        Job::new("purge", every("every 1h")?, move |context| purge(context, store.clone())),
    ])
}

/// Deletes what nobody needs any more, in every room.
async fn purge(context: JobContext, store: Data<Store>) -> Outcome {
    let keys = kv::purge(&context.state, &store).await?;
    let answers = context.in_batches(async |tx, now, most| idempotency::purge(tx, now, most).await).await?;
    let messages = context.in_batches(async |tx, now, most| outbox::purge(tx, now, most).await).await?;
    let told = context.in_batches(async |tx, now, most| notify::purge(tx, now, most).await).await?;
    let refreshes = context.in_batches(async |tx, now, most| tokens::purge_events(tx, now, most).await).await?;
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
