//! Accounts: refresh tokens that are kept alive, and the access tokens they give.
//!
//! - A refresh token is stored once, sealed, and leaves only through `reveal` and the export; views show its end.
//! - Only `account` and `refresh` write an account (a slower sink brings its next refresh forward). An edit touches its own columns; a new refresh token moves the
//!   version, so that a refresh under way cannot overwrite it.
//! - What is done to many at once is one transaction, or a task that goes on after a restart.

mod account;
mod api;
mod batch;
mod dto;
mod events;
mod export;
mod import;
mod list;
mod problems;
mod public;
pub mod refresh;
mod reveal;
mod runner;
mod serve;
mod stats;

use self::stats::STATES;
/// The table of accounts, as sealed places name it.
const TABLE: &str = "refresh_token";

pub use self::{
    api::routes,
    batch::{By, delete as delete_many, refresh as begin_refresh, update as update_many},
    dto::{
        AccountDone, AccountFilter, AccountImport, AccountView, Content, Edit, ImportDefaults, ImportDone,
        ImportFormat, ImportStatus, Order, Selection, State as AccountState,
    },
    events::{of_account as events_of, purge as purge_events},
    export::{ExportFormat, Source, export, note_export},
    import::Importer,
    list::list,
    problems::{PROBLEMS, PROVIDER_FAILED},
    public::routes as public_routes,
    runner::Batches,
    stats::stats,
};
