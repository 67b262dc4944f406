//! `latchkey tokens …`

mod change;
mod export;
mod import;
mod look;
mod refresh;

use clap::{Args, Subcommand};

use self::{
    change::{Change, DeleteArgs},
    export::ExportArgs,
    import::ImportArgs,
    look::{EventArgs, ListArgs},
    refresh::RefreshArgs,
};
use super::{Global, Outcome};
use crate::tokens::{AccountFilter, AccountState, Selection};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Imports accounts from a file, line by line.
    Import(ImportArgs),
    /// Lists accounts, newest first: number, biz_id, provider, state, e-mail, end of the access token.
    List(ListArgs),
    /// Counts accounts by state, provider and plan.
    Stats,
    /// Lists what happened to an account, newest first: time, what, who asked for it, class of the failure, detail.
    Events(EventArgs),
    /// Has a running server refresh accounts, and follows how far it has come.
    Refresh(RefreshArgs),
    /// Lets accounts be refreshed and served.
    Enable(Accounts),
    /// Lets accounts be neither refreshed nor served.
    Disable(Accounts),
    /// Deletes accounts with their tokens.
    Delete(DeleteArgs),
    /// Writes accounts with their tokens in clear. It is on record.
    Export(ExportArgs),
}

impl Command {
    pub(super) fn run(self, global: &Global) -> Outcome {
        match self {
            Self::Import(arguments) => import::import(global, arguments),
            Self::List(arguments) => look::list(global, arguments),
            Self::Stats => look::stats(global),
            Self::Events(arguments) => look::events(global, &arguments),
            Self::Refresh(arguments) => refresh::refresh(global, arguments),
            Self::Enable(accounts) => change::change(global, accounts, Change::Enable),
            Self::Disable(accounts) => change::change(global, accounts, Change::Disable),
            Self::Delete(arguments) => change::delete(global, arguments),
            Self::Export(arguments) => export::export(global, arguments),
        }
    }
}

/// Accounts to do something with.
#[derive(Args)]
#[group(id = "which", required = true, multiple = true, args = ["ids", "all", "tag"])]
pub(super) struct Accounts {
    /// Numbers of accounts.
    #[arg(conflicts_with_all = ["all", "tag"])]
    ids: Vec<i64>,
    /// All accounts; of a refresh, all that are enabled.
    #[arg(long)]
    all: bool,
    /// All accounts with this tag; of a refresh, all that are enabled.
    #[arg(long)]
    tag: Option<String>,
}

impl Accounts {
    /// Those that were named, or those that fit and are `enabled` or not.
    fn selection(self, enabled: Option<bool>) -> Selection {
        match self.ids.is_empty() {
            true => Selection::Filter(AccountFilter { tag: self.tag, enabled, ..AccountFilter::default() }),
            false => Selection::Ids(self.ids),
        }
    }
}

/// Accounts to look at: those that fit all of it.
#[derive(Args)]
struct Fitting {
    /// Name of the provider.
    #[arg(long)]
    provider: Option<String>,
    /// The whole tag.
    #[arg(long)]
    tag: Option<String>,
    /// The whole e-mail address.
    #[arg(long)]
    email: Option<String>,
    /// How they stand.
    #[arg(long)]
    state: Option<AccountState>,
    /// Whether they are enabled.
    #[arg(long)]
    enabled: Option<bool>,
    /// Part of biz_id, e-mail address, user name, tag or memo.
    #[arg(long)]
    search: Option<String>,
}

impl From<Fitting> for AccountFilter {
    fn from(fitting: Fitting) -> Self {
        let Fitting { provider, tag, email, state, enabled, search } = fitting;
        Self { provider, tag, email, state, enabled, search, ..Self::default() }
    }
}
