//! What this room has purged.

use super::tasks;
use crate::base::job::{JobContext, Outcome};

/// Deletes tasks that ended 30 days ago.
///
/// # Errors
/// 503 when the database is out.
pub async fn purge(context: JobContext) -> Outcome {
    let tasks = context.in_batches(async |tx, now, most| tasks::purge(tx, now, most).await).await?;
    Ok((tasks > 0).then(|| format!("{tasks} tasks deleted")))
}
