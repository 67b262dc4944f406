//! What app tokens stood for when they were last looked up.
//!
//! Good enough to know whose call is to be counted, and for nothing more: a write looks its install up again in its own
//! transaction, and whoever is refused anything on a hint is looked up first. So that a write needs one visit to the
//! database and not two.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{base::secret::HashedToken, devices::Grant};

/// Independent maps, so that workers seldom wait for each other.
const SHARDS: usize = 16;
/// Most tokens of one map, about 150 bytes each; a full one starts anew.
const MOST: usize = 1024;

type Shard = HashMap<HashedToken, Grant>;

/// Grants by token.
#[derive(Debug, Default)]
pub(super) struct Hints {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

impl Hints {
    /// What the token stood for.
    pub(super) fn get(&self, token: &HashedToken) -> Option<Grant> {
        self.shard(token)?.get(token).copied()
    }

    /// Remembers what it stands for.
    pub(super) fn learn(&self, token: HashedToken, grant: Grant) {
        let Some(mut shard) = self.shard(&token) else { return };
        if shard.len() >= MOST {
            shard.clear();
        }
        shard.insert(token, grant);
    }

    /// It stands for nothing any more.
    pub(super) fn forget(&self, token: &HashedToken) {
        if let Some(mut shard) = self.shard(token) {
            shard.remove(token);
        }
    }

    fn shard(&self, token: &HashedToken) -> Option<MutexGuard<'_, Shard>> {
        let nth = usize::try_from(self.hasher.hash_one(token)).unwrap_or_default() % SHARDS;
        Some(self.shards.get(nth)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::PlainToken;

    #[test]
    fn tokens_take_a_bounded_room() {
        let hints = Hints::default();
        for number in 0..100_000_i64 {
            let grant = Grant { install_id: number, device_id: 1, read_only: false };
            hints.learn(PlainToken::presented(&number.to_string()).hash(), grant);
        }
        let kept: usize = hints.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(kept <= SHARDS * MOST, "{kept}");
        let last = PlainToken::presented("99999").hash();
        assert_eq!(hints.get(&last).unwrap().install_id, 99_999);
        hints.forget(&last);
        assert_eq!(hints.get(&last), None);
    }
}
