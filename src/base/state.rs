//! What every handler can reach.

use std::{
    future::{Ready, ready},
    ops::Deref,
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use tokio_util::sync::CancellationToken;

use super::{
    clock::Clock,
    commit::Writer,
    db::Db,
    error::{Error, Result},
    input::Room,
    metrics::Metrics,
    redis::Redis,
    secret::{Passwords, Sealer},
    wake::Wakeups,
};
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
    /// What replicas count together, where `redis.url` is set.
    pub redis: Option<Redis>,
    /// The time.
    pub clock: Clock,
    /// Seals what must not lie in the database in clear.
    pub sealer: Sealer,
    /// Hashes and checks passwords, a few at a time.
    pub passwords: Passwords,
    /// Memory for large bodies.
    pub room: Room,
    /// Wakes open change streams.
    pub wakeups: Wakeups,
    /// What is counted and timed.
    pub metrics: Metrics,
    /// Cancelled as soon as the service is told to stop: it still answers, but wants no new clients.
    pub stopping: CancellationToken,
    /// Cancelled when no new request is taken any more: answers without an end (event streams) have to end.
    pub closing: CancellationToken,
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

impl FromRequest for State {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = req.app_data::<Self>().cloned();
        ready(state.ok_or_else(|| Error::internal("the application was built without its state")))
    }
}
