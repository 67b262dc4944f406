//! What is remembered in memory about secrets that were presented.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use entity::UtcMillis;

use crate::base::error::{Error, Result};

/// Wrong secrets that one address may present in a minute before it is told to wait.
const WRONG_A_MINUTE: u32 = 20;
/// Addresses remembered at a time. Past that all are forgotten: a secret of 256 bits is not guessed by having more
/// tries, only the log would be fuller.
const ADDRESSES: usize = 10_000;
const MINUTE_MS: i64 = 60_000;

/// Counts wrong secrets by address, and keeps one use of a secret a minute apart from the rest. One for the process.
#[derive(Debug, Default)]
pub struct SecretWatch {
    wrong: Mutex<HashMap<IpAddr, Window>>,
    uses: Mutex<HashMap<i64, i64>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    start: UtcMillis,
    count: u32,
}

impl Window {
    fn is_over(&self, now: UtcMillis) -> bool {
        self.start.plus_millis(MINUTE_MS) <= now
    }
}

impl SecretWatch {
    /// Counts a wrong secret.
    ///
    /// # Errors
    /// 429 from the 21st of an address in a minute on.
    pub(super) fn wrong(&self, address: IpAddr, now: UtcMillis) -> Result<()> {
        let mut windows = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= ADDRESSES && !windows.contains_key(&address) {
            windows.retain(|_, window| !window.is_over(now));
            if windows.len() >= ADDRESSES {
                windows.clear();
            }
        }
        let window = windows.entry(address).or_insert(Window { start: now, count: 0 });
        if window.is_over(now) {
            *window = Window { start: now, count: 0 };
        }
        window.count = window.count.saturating_add(1);
        if window.count > WRONG_A_MINUTE {
            let wait = window.start.plus_millis(MINUTE_MS).seconds_after(now);
            return Err(Error::too_many("Too many wrong secrets came from this address.", wait));
        }
        Ok(())
    }

    /// The minute to record as the last use of a secret, if it is not the one recorded before.
    pub(super) fn minute_to_record(&self, id: i64, now: UtcMillis) -> Option<UtcMillis> {
        let minute = now.0 - now.0.rem_euclid(MINUTE_MS);
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        (uses.insert(id, minute) != Some(minute)).then_some(UtcMillis(minute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn the_21st_wrong_secret_of_a_minute_is_told_to_wait_and_other_addresses_are_not() {
        let (watch, start) = (SecretWatch::default(), UtcMillis(1_000));
        for _ in 0..20 {
            watch.wrong(HERE, start).unwrap();
        }
        let error = watch.wrong(HERE, start.plus_seconds(20)).unwrap_err();
        assert_eq!(error.status(), 429);
        assert_eq!(error.response("", false).headers().get("retry-after").unwrap(), "40");
        watch.wrong(IpAddr::from([192, 0, 2, 2]), start).unwrap();
        watch.wrong(HERE, start.plus_seconds(60)).unwrap();
    }

    #[test]
    fn memory_is_bounded_however_many_addresses_come() {
        let watch = SecretWatch::default();
        for number in 0..25_000_u32 {
            watch.wrong(IpAddr::V4(number.into()), UtcMillis(i64::from(number))).unwrap();
        }
        assert!(watch.wrong.lock().unwrap().len() <= ADDRESSES);
    }

    #[test]
    fn a_use_is_recorded_once_a_minute_for_each_secret() {
        let watch = SecretWatch::default();
        assert_eq!(watch.minute_to_record(1, UtcMillis(61_000)), Some(UtcMillis(60_000)));
        assert_eq!(watch.minute_to_record(1, UtcMillis(119_999)), None);
        assert_eq!(watch.minute_to_record(2, UtcMillis(119_999)), Some(UtcMillis(60_000)));
        assert_eq!(watch.minute_to_record(1, UtcMillis(120_000)), Some(UtcMillis(120_000)));
    }
}
