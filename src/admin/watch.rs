//! What is remembered about secrets that were presented.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use entity::UtcMillis;

use crate::base::{
    error::{Error, Result},
    rate::Windows,
    redis::Redis,
};

/// Wrong secrets that one address may present in a minute before it is told to wait.
const WRONG_A_MINUTE: u32 = 20;
/// About how many addresses are remembered at a time. Past that some are forgotten: a secret of 256 bits is not guessed
/// by having more tries, only the log would be fuller.
const ADDRESSES: usize = 10_000;
const MINUTE_MS: i64 = 60_000;

/// Counts wrong secrets by address, and keeps one use of a secret a minute apart from the rest. One for the process.
#[derive(Debug)]
pub struct SecretWatch {
    wrong: Windows<IpAddr>,
    uses: Mutex<HashMap<i64, i64>>,
}

impl SecretWatch {
    /// Counts in this process, or over all replicas where they share a Redis.
    #[must_use]
    pub fn new(redis: Option<&Redis>) -> Self {
        Self { wrong: Windows::bounded("wrong-secret", redis, ADDRESSES), uses: Mutex::default() }
    }

    /// Counts a wrong secret.
    ///
    /// # Errors
    /// 429 from the 21st of an address in a minute on.
    pub(super) async fn wrong(&self, address: IpAddr, now: UtcMillis) -> Result<()> {
        let counted = self.wrong.take(address, WRONG_A_MINUTE, now).await;
        let too_many = |wait| Error::too_many("Too many wrong secrets came from this address.", wait);
        counted.map(|_| ()).map_err(|spent| too_many(spent.reset))
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
    use crate::base::error::Dialect;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[actix_web::test]
    async fn the_21st_wrong_secret_of_a_minute_is_told_to_wait_and_other_addresses_are_not() {
        let (watch, start) = (SecretWatch::new(None), UtcMillis(1_000));
        for _ in 0..20 {
            watch.wrong(HERE, start).await.unwrap();
        }
        let error = watch.wrong(HERE, start.plus_seconds(20)).await.unwrap_err();
        assert_eq!(error.status(), 429);
        assert_eq!(error.response("", Dialect::Plain).headers().get("retry-after").unwrap(), "40");
        watch.wrong(IpAddr::from([192, 0, 2, 2]), start).await.unwrap();
        watch.wrong(HERE, start.plus_seconds(60)).await.unwrap();
    }

    #[test]
    fn a_use_is_recorded_once_a_minute_for_each_secret() {
        let watch = SecretWatch::new(None);
        assert_eq!(watch.minute_to_record(1, UtcMillis(61_000)), Some(UtcMillis(60_000)));
        assert_eq!(watch.minute_to_record(1, UtcMillis(119_999)), None);
        assert_eq!(watch.minute_to_record(2, UtcMillis(119_999)), Some(UtcMillis(60_000)));
        assert_eq!(watch.minute_to_record(1, UtcMillis(120_000)), Some(UtcMillis(120_000)));
    }
}
