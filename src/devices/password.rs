//! Device passwords: limited tries, limited calls.

use std::{
    cell::OnceCell,
    future::{Ready, ready},
    net::{IpAddr, Ipv6Addr},
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web};
use entity::device;

use super::{DEVICE_PASSWORD_INVALID, DEVICE_PASSWORD_REQUIRED};
use crate::{
    base::{
        attempts::{self, Attempt, Limit},
        error::{Error, Result, TOO_MANY_REQUESTS},
        input::client_address,
        rate::{Quota, Windows},
        redis::Redis,
        secret::Secret,
        state::State,
    },
    settings::Settings,
};

/// Five wrong passwords in 15 minutes lock an address out of a device for 15 minutes.
const FIVE_IN_15_MINUTES: Limit =
    Limit { most: 5, window_ms: 15 * 60_000, lock_ms: 15 * 60_000, refusal: &TOO_MANY_REQUESTS };

/// Calls of each address that may cost an Argon2id run: `kv.rate_address` a minute.
#[derive(Debug)]
pub struct AddressRates(Windows<IpAddr>);

impl AddressRates {
    /// Counts calls in this process, or over all replicas where they share a Redis.
    #[must_use]
    pub fn new(redis: Option<&Redis>) -> Self {
        Self(Windows::new("address", redis))
    }

    /// IPv6 clients usually have a /64 to themselves, so that counts as one address.
    async fn count(&self, ip: IpAddr, limit: u32, state: &State) -> Result<Option<Quota>> {
        let subject = match ip {
            IpAddr::V4(_) => ip,
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        };
        self.0.count(subject, limit, state.clock.now()).await
    }

    /// Forgets windows that are over.
    pub fn sweep(&self, state: &State) {
        self.0.sweep(state.clock.now());
    }
}

/// What one call takes from its address's budget: a call, once, when it authorizes, registers a device, or has a
/// password checked.
#[derive(Debug)]
pub struct Toll {
    state: State,
    rates: web::Data<AddressRates>,
    limit: u32,
    ip: IpAddr,
    paid: OnceCell<Option<Quota>>,
}

impl FromRequest for Toll {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let toll = || {
            let state = req.app_data::<State>()?.clone();
            let rates = req.app_data::<web::Data<AddressRates>>()?.clone();
            let limit = req.app_data::<web::Data<Settings>>()?.get().kv_rate_address;
            Some(Self { state, rates, limit, ip: client_address(req), paid: OnceCell::new() })
        };
        ready(toll().ok_or_else(|| Error::internal("the address rates are not registered")))
    }
}

impl Toll {
    /// Counts the call for its address, unless it was counted already.
    ///
    /// # Errors
    /// 429 when the limit was reached before.
    pub async fn pay(&self) -> Result<()> {
        if self.paid.get().is_none() {
            let quota = self.rates.count(self.ip, self.limit, &self.state).await?;
            let _ = self.paid.set(quota); // nobody else has it
        }
        Ok(())
    }

    /// Adds what is left to the outcome of a call that was counted.
    ///
    /// # Errors
    /// The one given.
    pub fn tell(&self, outcome: Result<HttpResponse>) -> Result<HttpResponse> {
        Quota::tell(self.paid.get().copied().flatten(), outcome)
    }
}

/// Lets nobody pass who does not know the device's password, if it has one.
///
/// # Errors
/// 401 when the password is missing or wrong, 429 after five wrong ones in 15 minutes or too many calls.
pub async fn require_password(toll: &Toll, device: &device::Model, given: Option<&Secret>) -> Result<()> {
    if device.password_hash.is_none() {
        return Ok(());
    }
    let Some(given) = given else {
        return Err(DEVICE_PASSWORD_REQUIRED.error("This device has a password."));
    };
    if is_password(toll, device, given).await? {
        return Ok(());
    }
    Err(DEVICE_PASSWORD_INVALID.error("The device's password is wrong."))
}

/// Whether that is the device's password. The try is counted before the password is looked at.
///
/// # Errors
/// 429 after five wrong ones in 15 minutes or too many calls.
pub async fn is_password(toll: &Toll, device: &device::Model, given: &Secret) -> Result<bool> {
    let Some(hash) = &device.password_hash else { return Ok(true) };
    toll.pay().await?;
    let state = &toll.state;
    let attempt = Attempt::from_address("device-password", device.uuid.as_str(), toll.ip);
    let (tried, now) = (attempt.clone(), state.clock.now());
    state.writer.write(async move |tx| attempts::reserve(tx, &tried, FIVE_IN_15_MINUTES, now).await).await?;
    if !state.passwords.verify(given.expose(), Some(hash)).await? {
        return Ok(false);
    }
    let now = state.clock.now();
    state.writer.write(async move |tx| attempts::succeeded(tx, &attempt, now).await).await?;
    Ok(true)
}
