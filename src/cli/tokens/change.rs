//! `latchkey tokens enable|disable|delete`

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
        Failure, Global, Outcome, confirmed,
        database::{Session, with_database},
        say_line,
    },
    server::open_sealer,
    tokens::{self, AccountDone, By, Edit, Selection},
};

/// What becomes of accounts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Enable,
    Disable,
    Delete,
}

#[derive(Args)]
pub(in crate::cli) struct DeleteArgs {
    #[command(flatten)]
    accounts: Accounts,
    /// Does not ask.
    #[arg(long)]
    yes: bool,
}

pub(super) fn delete(global: &Global, arguments: DeleteArgs) -> Outcome {
    if !arguments.yes && !confirmed("This deletes accounts with their tokens.") {
        let why = "this deletes accounts with their tokens; nothing was changed. Add --yes to do it.";
        return Err(Failure::Undecided(why.to_owned()));
    }
    change(global, arguments.accounts, Change::Delete)
}

pub(super) fn change(global: &Global, accounts: Accounts, change: Change) -> Outcome {
    let selection = accounts.selection(None);
    let results = with_database(global, async |session| carry_out(session, selection, change).await)?;
    let failed: Vec<&AccountDone> = results.iter().filter(|one| one.code.is_some()).collect();
    if global.json {
        say_line(format_args!("{:#}", json!({ "results": results })));
    } else {
        for one in &failed {
            say_line(format_args!("account {}: {}", one.id, one.code.unwrap_or_default()));
        }
        say_line(format_args!("{} of {} done", results.len() - failed.len(), results.len()));
    }
    match failed.len() {
        0 => Ok(()),
        failed => Err(Failure::Failed(vec![format!("{failed} accounts are not there")])),
    }
}

async fn carry_out(session: &Session, selection: Selection, change: Change) -> Result<Vec<AccountDone>> {
    let now = Clock::System.now();
    let sealer = open_sealer(&session.config, &session.db).await.map_err(Error::internal)?;
    let work = async move |tx: &DatabaseTransaction| {
        let actor = Actor::cli();
        let by = By { actor: &actor, now };
        let edit = Edit { enabled: Some(change == Change::Enable), ..Edit::default() };
        match change {
            Change::Delete => tokens::delete_many(tx, by, &selection).await,
            _ => tokens::update_many(tx, by, &sealer, &selection, &edit).await,
        }
    };
    session.writer.write(work).await
}
