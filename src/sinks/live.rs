//! What the handlers need of the rest of the service.

use std::path::PathBuf;

use crate::{
    base::{http_client::HttpClient, state::State},
    config::secrets,
    outbox::Outbox,
};

/// The room's way to the outside. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sinks {
    pub(super) ways: Ways,
    pub(super) outbox: Outbox,
}

impl Sinks {
    /// The room in this service.
    #[must_use]
    pub fn new(state: &State, net: HttpClient, outbox: Outbox) -> Self {
        Self { ways: Ways::new(state, net), outbox }
    }
}

/// How other services and files are reached, and which of them are out of reach.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    pub(super) net: HttpClient,
    /// The folder with the service's own secrets and, on SQLite, its database: no sink writes in it.
    pub(super) own_folder: Option<PathBuf>,
    /// The service's own database file.
    pub(super) own_database: Option<PathBuf>,
}

impl Ways {
    pub(super) fn new(state: &State, net: HttpClient) -> Self {
        let own_folder = secrets::file_for(&state.config.database).parent().map(PathBuf::from);
        Self { net, own_folder, own_database: state.db.sqlite_path().map(PathBuf::from) }
    }
}
