//! Time as an argument, so that tests can move it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use entity::UtcMillis;

/// Tells the time. Clones of a manual clock share its hands.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// Stands still until it is set or advanced. Milliseconds since the epoch.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn manual(now: UtcMillis) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now.0)))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> UtcMillis {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
            Self::System => UtcMillis(chrono::Utc::now().timestamp_millis()),
            Self::Manual(millis) => UtcMillis(millis.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock on; the machine's clock is left alone.
    pub fn advance_millis(&self, by: i64) {
        if let Self::Manual(millis) = self {
            millis.fetch_add(by, Ordering::SeqCst);
        }
    }
}
