//! What crosses the wire.

mod account;
mod batch;
mod change;
mod event;
mod filter;
mod import;
mod reveal;
mod rules;
mod stats;

pub use self::{
    account::{AccountView, Draft, NewAccount, shown_proxy},
    batch::{BatchDelete, BatchDone, BatchRefresh, BatchResult, BatchSet, BatchStarted, BatchUpdate},
    change::{AccountPatch, Edit},
    event::{EventFilter, EventView},
    filter::{AccountFilter, MOST, Order, Selection, Sort, State},
    import::{Content, Defaults, Import, ImportFormat, ImportResult, ImportStatus, Imported},
    reveal::{Field, Reveal, Revealed},
    rules::{last6, token_hash, without_credentials},
    stats::{Expiring, Stats},
};
