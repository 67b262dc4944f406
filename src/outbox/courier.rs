//! Who brings the messages of a kind, as the rooms that have something to tell implement it.

use std::{fmt, sync::Arc};

use entity::{UtcMillis, outbox::Model};
use futures_util::future::{BoxFuture, LocalBoxFuture};
use sea_orm::DatabaseTransaction;

use crate::base::error::Result;

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It arrived.
    Delivered,
    /// It may arrive another time.
    Later {
        /// Why not now, for people; up to 500 characters, no secrets.
        error: String,
        /// The other side asks not to be called earlier, in seconds.
        retry_after_s: Option<i64>,
    },
    /// It cannot arrive as things are.
    Never {
        /// Why, for people; up to 500 characters, no secrets.
        error: String,
    },
    /// Nobody wants it any more. It counts as superseded.
    Obsolete {
        /// Why, for people.
        reason: String,
    },
}

impl Delivery {
    /// [`Delivery::Later`], with the usual pause.
    pub fn later(error: impl Into<String>) -> Self {
        Self::Later { error: error.into(), retry_after_s: None }
    }

    /// [`Delivery::Never`].
    pub fn never(error: impl Into<String>) -> Self {
        Self::Never { error: error.into() }
    }

    /// [`Delivery::Obsolete`].
    pub fn obsolete(reason: impl Into<String>) -> Self {
        Self::Obsolete { reason: reason.into() }
    }
}

/// How a try ended for its message, once that is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is delivered.
    Delivered,
    /// It will be tried again.
    Again {
        /// Why it did not arrive.
        error: String,
    },
    /// It is not tried again by itself.
    Failed {
        /// Why it did not arrive.
        error: String,
    },
    /// Something newer took its place, or nobody wants it any more.
    Superseded,
}

/// Brings the messages of a kind. A message may be delivered twice: a courier must not mind.
pub trait Courier: Send + Sync + 'static {
    /// Tries once, within a minute. The message is delivered by nobody else meanwhile, nor is another of its target.
    fn deliver(&self, message: &Model) -> impl Future<Output = Delivery> + Send;

    /// In the transaction that notes how a try ended: what has to be noted with it, or told because of it. The message
    /// is as it was when the try began, with that try counted in `attempts`.
    fn settled(
        &self,
        _tx: &DatabaseTransaction,
        _message: &Model,
        _end: &End,
        _now: UtcMillis,
    ) -> impl Future<Output = Result<()>> {
        async { Ok(()) }
    }

    /// The same when the try took so long that somebody else was given the message, and its end counts for nothing: what
    /// it brought may have arrived after something newer.
    fn overtaken(
        &self,
        _tx: &DatabaseTransaction,
        _message: &Model,
        _now: UtcMillis,
    ) -> impl Future<Output = Result<()>> {
        async { Ok(()) }
    }
}

/// A courier whose type is forgotten.
pub(super) trait AnyCourier: Send + Sync {
    fn deliver<'a>(&'a self, message: &'a Model) -> BoxFuture<'a, Delivery>;
    fn settled<'a>(
        &'a self,
        tx: &'a DatabaseTransaction,
        message: &'a Model,
        end: &'a End,
        now: UtcMillis,
    ) -> LocalBoxFuture<'a, Result<()>>;
    fn overtaken<'a>(
        &'a self,
        tx: &'a DatabaseTransaction,
        message: &'a Model,
        now: UtcMillis,
    ) -> LocalBoxFuture<'a, Result<()>>;
}

impl<C: Courier> AnyCourier for C {
    fn deliver<'a>(&'a self, message: &'a Model) -> BoxFuture<'a, Delivery> {
        Box::pin(Courier::deliver(self, message))
    }

    fn settled<'a>(
        &'a self,
        tx: &'a DatabaseTransaction,
        message: &'a Model,
        end: &'a End,
        now: UtcMillis,
    ) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(Courier::settled(self, tx, message, end, now))
    }

    fn overtaken<'a>(
        &'a self,
        tx: &'a DatabaseTransaction,
        message: &'a Model,
        now: UtcMillis,
    ) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(Courier::overtaken(self, tx, message, now))
    }
}

/// The couriers, each with the kind of its messages.
#[derive(Clone, Default)]
pub struct Couriers(Vec<(&'static str, Arc<dyn AnyCourier>)>);

impl Couriers {
    /// With one more.
    #[must_use]
    pub fn with(mut self, kind: &'static str, courier: impl Courier) -> Self {
        self.0.push((kind, Arc::new(courier)));
        self
    }

    pub(super) fn of(&self, kind: &str) -> Option<Arc<dyn AnyCourier>> {
        self.0.iter().find(|(of, _)| *of == kind).map(|(_, courier)| Arc::clone(courier))
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(kind, _)| *kind)
    }
}

impl fmt::Debug for Couriers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kinds()).finish()
    }
}
