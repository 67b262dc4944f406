//! Places for deliveries: a few for each lane, so that one in which all hang leaves the others theirs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Most deliveries at once.
const PLACES: usize = 64;
/// Most deliveries at once in a lane.
const LANE_PLACES: usize = 4;

/// Deliveries under way in this process, by lane. Clones share the places.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes(Arc<Mutex<HashMap<String, usize>>>);

impl Lanes {
    /// How many more deliveries may begin, and the lanes in which none may.
    pub(super) fn room(&self) -> (u64, Vec<String>) {
        let lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = PLACES.saturating_sub(lanes.values().sum());
        let full = lanes.iter().filter(|(_, count)| **count >= LANE_PLACES).map(|(lane, _)| lane.clone());
        (u64::try_from(free).unwrap_or(0), full.collect())
    }

    /// A place in a lane, unless it is full.
    pub(super) fn enter(&self, lane: &str) -> Option<InFlight> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = lanes.entry(lane.to_owned()).or_default();
        if *count >= LANE_PLACES {
            return None;
        }
        *count += 1;
        Some(InFlight { lanes: self.clone(), lane: lane.to_owned() })
    }
}

/// A place in a lane; given back when dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    lanes: Lanes,
    lane: String,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut lanes = self.lanes.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = lanes.get_mut(&self.lane) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                lanes.remove(&self.lane);
            }
        }
    }
}
