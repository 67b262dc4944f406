//! What this process knows of its jobs beyond their rows: which of them run here, and which leases it holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entity::UtcMillis;
use tokio_util::sync::CancellationToken;

use crate::base::{job::Job, lease::Fence};

/// How long a lease lasts unless it is renewed, in milliseconds.
pub(super) const LEASE_MS: i64 = 90_000;
/// A lease that lasts less than this many milliseconds more is renewed.
pub(super) const RENEW_MS: i64 = 45_000;
/// A job whose next run is at most this many milliseconds away keeps its lease until then; and its row is written at
/// most this often for runs that found nothing to do.
pub(super) const KEEP_MS: i64 = 60_000;

/// A job and its state in this process.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) job: Job,
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    /// A run is being claimed or goes on here.
    busy: bool,
    running: Option<Running>,
    kept: Option<Kept>,
    /// No claim is tried before this time.
    not_before: UtcMillis,
}

/// A run that goes on here.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) fence: Fence,
    /// When its lease lapses.
    pub(super) expires_at: UtcMillis,
    /// Tells it to stop.
    pub(super) stop: CancellationToken,
}

/// A lease that is kept from one run to the next.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) fence: Fence,
    pub(super) expires_at: UtcMillis,
    /// When the job is due; the row may still have an earlier time.
    pub(super) next: UtcMillis,
    /// The row's `updated_at` when this was computed: another one means that somebody changed the row.
    pub(super) seen: UtcMillis,
    /// When the row was last written for a run.
    pub(super) written_at: UtcMillis,
}

impl Place {
    pub(super) fn new(job: Job) -> Self {
        Self { job, live: Mutex::default() }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the place, unless a run has it.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Inside> {
        let mut live = self.live();
        if live.busy {
            return None;
        }
        live.busy = true;
        Some(Inside { place: Arc::clone(self) })
    }

    pub(super) fn is_busy(&self) -> bool {
        self.live().busy
    }

    pub(super) fn running(&self) -> Option<Running> {
        self.live().running.clone()
    }

    pub(super) fn kept(&self) -> Option<Kept> {
        self.live().kept.clone()
    }

    pub(super) fn not_before(&self) -> UtcMillis {
        self.live().not_before
    }

    /// The lease of the run with this fence lasts until then.
    pub(super) fn renewed(&self, fence: Fence, until: UtcMillis) {
        if let Some(running) = self.live().running.as_mut().filter(|running| running.fence == fence) {
            running.expires_at = until;
        }
    }
}

/// The right to run the job in this process; gives the place back when dropped.
#[derive(Debug)]
pub(super) struct Inside {
    place: Arc<Place>,
}

impl Inside {
    pub(super) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    pub(super) fn begin(&self, running: Running) {
        let mut live = self.place.live();
        live.kept = None;
        live.running = Some(running);
    }

    /// The lease as it was last renewed.
    pub(super) fn expires_at(&self) -> UtcMillis {
        self.place.live().running.as_ref().map_or(UtcMillis(0), |running| running.expires_at)
    }

    pub(super) fn keep(&self, kept: Option<Kept>) {
        self.place.live().kept = kept;
    }

    pub(super) fn wait_until(&self, time: UtcMillis) {
        self.place.live().not_before = time;
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut live = self.place.live();
        live.busy = false;
        live.running = None;
    }
}
