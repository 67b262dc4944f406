//! Device passwords: limited tries, limited calls.

use std::net::{IpAddr, Ipv6Addr};

use entity::device;

use super::{DEVICE_PASSWORD_INVALID, DEVICE_PASSWORD_REQUIRED};
use crate::base::{
    attempts::{self, Attempt, Limit},
    error::{Result, TOO_MANY_REQUESTS},
    rate::{Quota, Rates},
    secret::Secret,
    state::State,
};

/// Five wrong passwords in 15 minutes lock an address out of a device for 15 minutes.
const FIVE_IN_15_MINUTES: Limit =
    Limit { most: 5, window_ms: 15 * 60_000, lock_ms: 15 * 60_000, refusal: &TOO_MANY_REQUESTS };

/// Calls of each address that may cost an Argon2id run: `kv.rate_address` a minute.
#[derive(Debug, Default)]
pub struct AddressRates(Rates<IpAddr>);

impl AddressRates {
    /// Counts a call of that address. IPv6 clients usually have a /64 to themselves, so that counts as one.
    ///
    /// # Errors
    /// 429 when the limit was reached before.
    pub fn count(&self, state: &State, ip: IpAddr, limit: u32) -> Result<Option<Quota>> {
        let subject = match ip {
            IpAddr::V4(_) => ip,
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        };
        self.0.count(subject, limit, state.clock.now())
    }

    /// Forgets windows that are over.
    pub fn sweep(&self, state: &State) {
        self.0.sweep(state.clock.now());
    }
}

/// Lets nobody pass who does not know the device's password, if it has one.
///
/// # Errors
/// 401 when the password is missing or wrong, 429 after five wrong ones in 15 minutes.
pub async fn require_password(state: &State, device: &device::Model, given: Option<&Secret>, ip: IpAddr) -> Result<()> {
    if device.password_hash.is_none() {
        return Ok(());
    }
    let Some(given) = given else {
        return Err(DEVICE_PASSWORD_REQUIRED.error("This device has a password."));
    };
    if is_password(state, device, given, ip).await? {
        return Ok(());
    }
    Err(DEVICE_PASSWORD_INVALID.error("The device's password is wrong."))
}

/// Whether that is the device's password. The try is counted before the password is looked at.
///
/// # Errors
/// 429 after five wrong ones in 15 minutes.
pub async fn is_password(state: &State, device: &device::Model, given: &Secret, ip: IpAddr) -> Result<bool> {
    let Some(hash) = &device.password_hash else { return Ok(true) };
    let attempt = Attempt::from_address("device-password", device.uuid.as_str(), ip);
    let (tried, now) = (attempt.clone(), state.clock.now());
    state.writer.write(async move |tx| attempts::reserve(tx, &tried, FIVE_IN_15_MINUTES, now).await).await?;
    if !state.passwords.verify(given.expose(), Some(hash)).await? {
        return Ok(false);
    }
    let now = state.clock.now();
    state.writer.write(async move |tx| attempts::succeeded(tx, &attempt, now).await).await?;
    Ok(true)
}
