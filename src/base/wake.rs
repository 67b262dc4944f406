//! Wakes those who wait for something to happen to a device: open change streams and long polls.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::watch;

/// Subscriptions by device id. Cheap to clone; waking a device nobody waits for costs one atomic load.
#[derive(Clone, Debug, Default)]
pub struct Wakeups(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    devices: Mutex<HashMap<i64, watch::Sender<u64>>>,
}

/// One who waits. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Waiting {
    wakeups: Wakeups,
    device_id: i64,
    receiver: watch::Receiver<u64>,
}

impl Wakeups {
    /// Starts waiting. Look at the state after this call and before [`Waiting::woken`], so that nothing is missed.
    #[must_use]
    pub fn wait_for(&self, device_id: i64) -> Waiting {
        let mut devices = self.0.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = devices.entry(device_id).or_insert_with(|| watch::channel(0).0).subscribe();
        self.0.waiting.fetch_add(1, Ordering::SeqCst);
        Waiting { wakeups: self.clone(), device_id, receiver }
    }

    /// Something happened to that device, and was committed.
    pub fn wake(&self, device_id: i64) {
        if self.0.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let devices = self.0.devices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = devices.get(&device_id) {
            sender.send_modify(|count| *count += 1);
        }
    }

    /// Something happened to many devices, or the service stops.
    pub fn wake_all(&self) {
        let devices = self.0.devices.lock().unwrap_or_else(PoisonError::into_inner);
        devices.values().for_each(|sender| sender.send_modify(|count| *count += 1));
    }

    /// The devices somebody waits for.
    #[must_use]
    pub fn devices(&self) -> Vec<i64> {
        self.0.devices.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }
}

impl Waiting {
    /// Ends when the device was woken since the subscription or since the last call.
    pub async fn woken(&mut self) {
        // The sender lives as long as somebody waits, so this cannot fail.
        let _ = self.receiver.changed().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.wakeups.0.waiting.fetch_sub(1, Ordering::SeqCst);
        let mut devices = self.wakeups.0.devices.lock().unwrap_or_else(PoisonError::into_inner);
        // This receiver is still counted.
        if devices.get(&self.device_id).is_some_and(|sender| sender.receiver_count() <= 1) {
            devices.remove(&self.device_id);
        }
    }
}
