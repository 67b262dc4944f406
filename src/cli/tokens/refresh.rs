//! `latchkey tokens refresh`

use std::time::Duration;

use clap::Args;
use sea_orm::DatabaseTransaction;
use serde_json::json;

use super::Accounts;
use crate::{
    admin::Actor,
    base::{
        clock::Clock,
        error::{Error, Result},
    },
    cli::{
        Global, Outcome,
        database::{Session, with_database},
        say_line,
    },
    scheduler,
    tokens::{self, By},
};

/// How often a task is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// For how long a task may stand still before it is clear that nobody works on it.
const STILL: u32 = 120;

#[derive(Args)]
pub(in crate::cli) struct RefreshArgs {
    #[command(flatten)]
    accounts: Accounts,
    /// Prints the number of the task and does not wait for its end.
    #[arg(long)]
    no_wait: bool,
}

pub(super) fn refresh(global: &Global, arguments: RefreshArgs) -> Outcome {
    let RefreshArgs { accounts, no_wait } = arguments;
    let selection = accounts.selection(Some(true));
    let task = with_database(global, async |session| {
        let now = Clock::System.now();
        let begin = async move |tx: &DatabaseTransaction| {
            tokens::begin_refresh(tx, By { actor: &Actor::cli(), now }, &selection).await
        };
        let task = session.writer.write(begin).await?;
        if !no_wait {
            follow(session, &task.id, global.json).await?;
        }
        scheduler::show_task(session.db.orm(), &task.id).await
    })?;
    if global.json {
        say_line(format_args!("{:#}", json!(task)));
        return Ok(());
    }
    for item in task.items.iter().filter(|item| item.code.is_some()) {
        say_line(format_args!("account {}: {}", item.id, item.code.as_deref().unwrap_or_default()));
    }
    say_line(format_args!("task {}: {} of {} done", task.task.id, task.task.done, task.task.total));
    Ok(())
}

/// Waits until the task is over.
async fn follow(session: &Session, id: &str, quiet: bool) -> Result<()> {
    let (mut seen, mut still) = (-1, 0);
    loop {
        let task = scheduler::show_task(session.db.orm(), id).await?.task;
        if task.finished_at.is_some() {
            return Ok(());
        }
        still = if task.done == seen { still + 1 } else { 0 };
        if still == 0 && !quiet {
            eprintln!("{} of {}", task.done, task.total);
        }
        if still > STILL {
            return Err(Error::internal(format!("nobody works on task {id}; it goes on when a server runs")));
        }
        seen = task.done;
        tokio::time::sleep(LOOK).await;
    }
}
