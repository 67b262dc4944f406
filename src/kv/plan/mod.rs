//! What a batch of writes comes to: decided in memory against the rows it touches, before anything is written.
//!
//! Pure: both databases load the same [`Overlay`], decide with the same code, and store what came out.

mod slot;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use entity::UtcMillis;

use super::{DEVICE_QUOTA, etag::Precondition, key::Key, value::Value};
use crate::{
    admin::Record,
    base::error::Result,
    devices::{Grant, install::invalid_token},
};

/// Something that happens to a key.
#[derive(Clone, Debug)]
pub enum Action {
    /// Store a value; `ttl` in seconds.
    Set {
        /// What to store.
        value: Value,
        /// Seconds until it expires; none: never.
        ttl: Option<i64>,
    },
    /// Delete; absent is no error.
    Delete,
    /// Delete; absent is 404.
    DeleteExisting,
    /// Only the precondition.
    Check,
    /// Clear up if it has expired.
    Expire,
}

/// One change of an [`Op`].
#[derive(Clone, Debug)]
pub struct Change {
    /// The key.
    pub key: Key,
    /// What happens to it.
    pub action: Action,
    /// What has to hold before.
    pub precondition: Precondition,
}

/// Changes of one device that happen together or not at all.
#[derive(Clone, Debug)]
pub struct Op {
    /// Whose store.
    pub device_id: i64,
    /// The install whose right it is, looked up again in the transaction of the change; none: Latchkey's own.
    pub install_id: Option<i64>,
    /// Address of the writer.
    pub ip: String,
    /// In this order.
    pub changes: Vec<Change>,
    /// A failed precondition is 409 with its index; else 412.
    pub is_batch: bool,
    /// The event that tells what an admin does; it is written together with the changes.
    pub record: Option<Record>,
}

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Revision of the key's last change; 0 when it never was.
    pub revision: i64,
    /// Set: the key was absent before. Delete: it was there.
    pub changed: bool,
}

/// What an op came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The device's revision after it.
    pub revision: i64,
    /// When it happened.
    pub at: UtcMillis,
    /// One for each change.
    pub applied: Vec<Applied>,
}

/// Limits of one device.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most keys.
    pub keys: i64,
    /// Most bytes of values.
    pub bytes: i64,
}

/// A stored row, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Of its last change.
    pub revision: i64,
    /// Bytes of its value.
    pub size: i64,
    /// When the key was made.
    pub created_at: UtcMillis,
    /// By which address.
    pub creator_ip: String,
    /// From when it counts as absent.
    pub expires_at: Option<UtcMillis>,
}

impl Row {
    fn expired(&self, now: UtcMillis) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// A device's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Of its last change.
    pub revision: i64,
    /// Rows, expired ones included.
    pub keys: i64,
    /// Bytes of their values.
    pub bytes: i64,
    /// Expired rows among them, as far as they matter (near the limit).
    pub expired_keys: i64,
    /// Bytes of those.
    pub expired_bytes: i64,
}

/// A key of the batch: what is stored, and what it will be.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    /// As loaded.
    pub stored: Option<Row>,
    /// After the decisions so far.
    pub row: Option<Row>,
    /// The new value, if one was set last.
    pub value: Option<Value>,
    /// Address of the last writer.
    pub updater_ip: String,
    /// Whether it differs from what is stored.
    pub dirty: bool,
}

/// A line of the change log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The device.
    pub device_id: i64,
    /// The change's number.
    pub revision: i64,
    /// The key.
    pub key: Key,
    /// Deleted; else written.
    pub deleted: bool,
}

/// Everything a batch touches.
#[derive(Debug, Default)]
pub struct Overlay {
    /// The installs there are, of those the ops name.
    pub installs: HashMap<i64, Grant>,
    /// Counters by device; `None`: there is no such device.
    pub devices: HashMap<i64, Option<Counters>>,
    /// Slots by device and key.
    pub slots: HashMap<(i64, Key), Slot>,
    /// New lines of the change log.
    pub log: Vec<Logged>,
}

impl Op {
    /// Most keys and bytes this op could add.
    #[must_use]
    pub fn growth(&self) -> (i64, i64) {
        self.changes.iter().fold((0, 0), |(keys, bytes), change| match &change.action {
            Action::Set { value, .. } => (keys + 1, bytes + value.size()),
            _ => (keys, bytes),
        })
    }
}

impl Counters {
    /// Whether that much more could reach the limits, so that expired rows have to be counted exactly.
    #[must_use]
    pub fn near(&self, (keys, bytes): (i64, i64), limits: Limits) -> bool {
        self.keys + keys > limits.keys || self.bytes + bytes > limits.bytes
    }

    /// Whether what is live has grown beyond a limit. Who is beyond one already may still shrink.
    fn exceed(&self, limits: Limits, before: &Self) -> bool {
        let live = |counters: &Self| (counters.keys - counters.expired_keys, counters.bytes - counters.expired_bytes);
        let ((keys, bytes), (old_keys, old_bytes)) = (live(self), live(before));
        (keys > limits.keys || bytes > limits.bytes) && (keys > old_keys || bytes > old_bytes)
    }

    /// An expired row of that size is gone or in use again.
    pub(super) fn count_out_expired(&mut self, size: i64) {
        self.expired_keys = (self.expired_keys - 1).max(0);
        self.expired_bytes = (self.expired_bytes - size).max(0);
    }
}

impl Overlay {
    /// Whether the op's install still is what it was taken for.
    fn permit(&self, op: &Op) -> Result<()> {
        let Some(install_id) = op.install_id else { return Ok(()) };
        match self.installs.get(&install_id) {
            Some(grant) if grant.device_id == op.device_id => grant.require_write(),
            _ => Err(invalid_token()),
        }
    }

    /// Decides an op: all of its changes, or none.
    ///
    /// # Errors
    /// Why it is refused. Then the overlay is as it was.
    pub fn decide(&mut self, op: &Op, limits: Limits, now: UtcMillis) -> Result<Done> {
        self.permit(op)?;
        let Some(Some(before)) = self.devices.get(&op.device_id).copied() else { return Err(invalid_token()) };
        let logged = self.log.len();
        let mut undo = Vec::with_capacity(op.changes.len());
        let mut counters = before;
        let mut applied = Vec::with_capacity(op.changes.len());
        let mut refused = None;
        for (index, change) in op.changes.iter().enumerate() {
            let slot = self.slots.entry((op.device_id, change.key.clone())).or_default();
            undo.push((change.key.clone(), slot.clone()));
            match slot.apply(change, &mut counters, &op.ip, now) {
                Ok(step) => {
                    if let Some(deleted) = step.logged {
                        let (device_id, key) = (op.device_id, change.key.clone());
                        self.log.push(Logged { device_id, revision: counters.revision, key, deleted });
                    }
                    applied.push(step.applied);
                }
                Err(refusal) => {
                    refused = Some(refusal.error(op.is_batch, index));
                    break;
                }
            }
        }
        if refused.is_none() && counters.exceed(limits, &before) {
            refused = Some(DEVICE_QUOTA.error("The device's store is full."));
        }
        if let Some(error) = refused {
            for (key, slot) in undo.into_iter().rev() {
                self.slots.insert((op.device_id, key), slot);
            }
            self.log.truncate(logged);
            return Err(error);
        }
        self.devices.insert(op.device_id, Some(counters));
        Ok(Done { revision: counters.revision, at: now, applied })
    }
}
