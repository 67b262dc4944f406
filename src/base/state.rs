//! What every handler can reach.

use std::{ops::Deref, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{clock::Clock, commit::Writer, db::Db, secret::{Passwords, Sealer}, wake::Wakeups};
use crate::config::Config;

/// The service's shared things. Cheap to clone; holds only what `base` defines.
#[derive(Clone, Debug)]
pub struct State(Arc<Shared>);

/// The fields of [`State`].
#[derive(Debug)]
pub struct Shared {
    /// As loaded at start.
    pub config: Config,
    /// For reads.
    pub db: Db,
    /// For writes.
    pub writer: Writer,
    /// The time.
    pub clock: Clock,
    /// Seals what must not lie in the database in clear.
    pub sealer: Sealer,
    /// Hashes and checks passwords, two at a time.
    pub passwords: Passwords,
    /// Wakes open change streams.
    pub wakeups: Wakeups,
    /// Cancelled when the service begins to stop: whoever waits for something should end.
    pub stopping: CancellationToken,
}

impl State {
    /// Shares these things.
    #[must_use]
    pub fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Deref for State {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
