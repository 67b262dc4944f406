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
    batch::{AccountDone, AccountSet, AccountsDone, BatchDelete, BatchRefresh, BatchUpdate, RefreshStarted},
    change::{AccountPatch, Edit},
    event::{AccountEvent, EventFilter},
    filter::{AccountFilter, MOST, Order, Selection, Sort, State},
    import::{AccountImport, Content, ImportDefaults, ImportDone, ImportFormat, ImportResult, ImportStatus},
    reveal::{RevealToken, RevealedToken, TokenField},
    rules::{last6, token_hash},
    stats::{AccountStats, ExpiringAccounts},
};
