//! Keys and changes as they cross the wire.

mod batch;
mod change;
mod key;

pub use batch::{
    BatchBody, BatchDone, BatchResult, Import, ImportBody, ImportData, ImportSummary, Imported, ImportedNew,
};
pub use change::{ChangeList, ChangeView, ChangesQuery};
pub use key::{CurrentPage, KeyList, KeyNames, KeyView, ListQuery, Metadata, TtlQuery, Written};
