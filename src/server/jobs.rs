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
    scheduler, tokens,
};

/// The jobs of the whole service.
///
/// # Errors
/// Never for the schedules in use.
pub(super) fn all(store: &Data<Store>) -> Result<Vec<Job>, StartError> {
    let every = |text: &str| Schedule::parse(text).map_err(|error| error.to_string());
    let store = store.clone();
    Ok(vec![Job::new("purge", every("every 1h")?, move |context| purge(context, store.clone()))])
}

/// Deletes what nobody needs any more, in every room.
async fn purge(context: JobContext, store: Data<Store>) -> Outcome {
    let keys = kv::purge(&context.state, &store).await?;
    let answers = context.in_batches(async |tx, now, most| idempotency::purge(tx, now, most).await).await?;
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
        (refreshes, "events of accounts"),
    ];
    let deleted = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what} deleted"));
    let deleted: Vec<String> = deleted.chain(tasks).collect();
    Ok((!deleted.is_empty()).then(|| deleted.join(", ")))
}
