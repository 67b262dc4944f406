//! Moments at which a test kills this process, to see what is left of a refresh. Builds without debug assertions, as
//! `--release`, have nothing here.
//!
//! The variable `LATCHKEY_TEST_KILL_AT` names a file, and that file a step and its visit, as `answered 3`. It is read
//! anew at every step, so a test names the moment when the service has started.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// Ends this process as `kill -9` does, if it was told to end at this visit of this step.
#[cfg(debug_assertions)]
pub(super) fn reached(step: &str) {
    static VISITS: AtomicU32 = AtomicU32::new(0);
    let Some(file) = std::env::var_os("LATCHKEY_TEST_KILL_AT") else { return };
    let order = std::fs::read_to_string(file).unwrap_or_default();
    let Some((wanted, visit)) = order.trim().split_once(' ') else { return };
    if wanted == step && visit.parse() == Ok(VISITS.fetch_add(1, SeqCst) + 1) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

#[cfg(not(debug_assertions))]
pub(super) const fn reached(_: &str) {}
