//! When an account is refreshed next. Pure.

use entity::{UtcMillis, provider};

use crate::{base::spread::spread, sinks};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// Shortest and longest pause after failures.
const FIRST_PAUSE: i64 = 30_000;
const LONGEST_PAUSE: i64 = 6 * 60 * MINUTE;
/// Pause after a failure that is not the token's: region, proxy, challenge.
const EGRESS_PAUSE: i64 = 5 * MINUTE;

/// When the access token ends: what its JWT says or what the answer says, whichever is earlier; else the provider's
/// default.
pub(super) fn expiry(
    jwt: Option<UtcMillis>,
    expires_in: Option<i64>,
    provider: &provider::Model,
    now: UtcMillis,
) -> UtcMillis {
    let told = expires_in.filter(|seconds| *seconds > 0).map(|seconds| now.plus_seconds(seconds));
    let jwt = jwt.filter(|end| *end > now);
    match (jwt, told) {
        (Some(jwt), Some(told)) => jwt.min(told),
        (Some(end), None) | (None, Some(end)) => end,
        (None, None) => now.plus_seconds(provider.expires_in_default),
    }
}

/// The moment of the next refresh of a token that lives from `now` to `expires_at`.
///
/// The margin is a tenth of the lifetime, at least 15 minutes, at least `margin_s` of the provider or the settings, and
/// more than any linked target's `sync_delay_s`; but never more than half of the lifetime. The jitter, by the account,
/// only makes it earlier.
pub(super) fn next(
    provider: &provider::Model,
    margin_s: i64,
    account_id: i64,
    expires_at: UtcMillis,
    sync_delay_s: i64,
    now: UtcMillis,
) -> UtcMillis {
    let lifetime = (expires_at.0 - now.0).max(0);
    let delay = sinks::lead_ms(sync_delay_s);
    let margin = (lifetime / 10).max(15 * MINUTE).max(margin_s * 1000).max(delay).min(lifetime / 2);
    // The same for the same account.
    let jitter = (spread(account_id.cast_unsigned()) >> 1).cast_signed() % (margin / 5 + 1);
    let due = UtcMillis(expires_at.0 - margin - jitter).max(now);
    match provider.keepalive_days {
        Some(days) => due.min(UtcMillis(now.0 + days * DAY)),
        None => due,
    }
}

/// When to try again after that many failures in a row: anywhere between 30 seconds and twice as long with every
/// failure, up to six hours. `random` decides where.
pub(super) fn after_failure(failures: i64, random: u64, now: UtcMillis) -> UtcMillis {
    let doubled = FIRST_PAUSE << failures.clamp(0, 20);
    let room = doubled.min(LONGEST_PAUSE) - FIRST_PAUSE;
    let random = (random >> 1).cast_signed();
    now.plus_millis(FIRST_PAUSE + random % (room + 1))
}

/// When to try again after a failure that says nothing of the token.
pub(super) fn after_egress(now: UtcMillis) -> UtcMillis {
    now.plus_millis(EGRESS_PAUSE)
}
