//! Noting how a try ended.

use entity::{
    UtcMillis,
    outbox::{ActiveModel, Entity, Model},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set, Unchanged},
    DatabaseTransaction, EntityTrait, QuerySelect,
};

use super::{
    claim::unleased,
    courier::{AnyCourier, Delivery, End},
    message::{DELIVERED, FAILED, PENDING, SUPERSEDED},
};
use crate::base::{
    error::{Error, Result},
    secret::random_bytes,
};

/// Pause after the first try that failed, in milliseconds.
const FIRST_MS: i64 = 5_000;
/// Longest pause.
const LONGEST_MS: i64 = 24 * 3_600_000;
/// How long a message is tried.
const TRIED_MS: i64 = 7 * 24 * 3_600_000;
/// Most characters of an error that are kept.
const LONGEST_ERROR: usize = 500;

/// Notes how the try ended, and has the courier note what belongs to it. None: the right to deliver was lost meanwhile,
/// nothing is noted, and the courier is told.
pub(super) async fn settle(
    tx: &DatabaseTransaction,
    courier: &dyn AnyCourier,
    message: &Model,
    delivery: &Delivery,
    now: UtcMillis,
) -> Result<Option<End>> {
    let row = Entity::find_by_id(message.id).lock_exclusive().one(tx).await?;
    let owner = |row: &Model| (row.lease_owner.clone(), row.lease_until, row.attempts);
    let is_ours = |row: &Model| row.lease_owner.is_some() && owner(row) == owner(message);
    let row = match row {
        Some(row) if is_ours(&row) => row,
        row => {
            let_go(tx, message, row).await?;
            courier.overtaken(tx, message, now).await?;
            return Ok(None);
        }
    };
    let end = decide(&row, delivery, now);
    let change = match &end {
        End::Delivered => ActiveModel { delivered_at: Set(Some(now)), ..over(DELIVERED, None) },
        End::Failed { error } => over(FAILED, Some(error)),
        End::Superseded => match delivery {
            Delivery::Obsolete { reason } => over(SUPERSEDED, Some(reason)),
            _ => ActiveModel { last_error: NotSet, ..over(SUPERSEDED, None) }, // the reason stands there already
        },
        End::Again { error } => ActiveModel {
            state: Set(PENDING.to_owned()),
            next_attempt_at: Set(Some(now.plus_millis(pause(row.attempts, delivery)?))),
            last_error: Set(Some(short(error))),
            ..unleased()
        },
    };
    ActiveModel { id: Unchanged(row.id), updated_at: Set(now), ..change }.update(tx).await?;
    courier.settled(tx, message, &end, now).await?;
    Ok(Some(end))
}

/// What was put again while it was under way waits for the end of that, and no longer.
async fn let_go(tx: &DatabaseTransaction, message: &Model, row: Option<Model>) -> Result<()> {
    let waits = |row: &Model| row.lease_owner.is_none() && row.lease_until == message.lease_until;
    if let Some(row) = row.filter(waits) {
        ActiveModel { id: Unchanged(row.id), ..unleased() }.update(tx).await?;
    }
    Ok(())
}

fn decide(row: &Model, delivery: &Delivery, now: UtcMillis) -> End {
    let is_superseded = row.state == SUPERSEDED;
    match delivery {
        Delivery::Delivered => End::Delivered,
        Delivery::Obsolete { .. } => End::Superseded,
        _ if is_superseded => End::Superseded,
        Delivery::Never { error } => End::Failed { error: error.clone() },
        Delivery::Later { error, .. } if now.0 - row.created_at.0 >= TRIED_MS => End::Failed { error: error.clone() },
        Delivery::Later { error, .. } => End::Again { error: error.clone() },
    }
}

fn over(state: &str, error: Option<&str>) -> ActiveModel {
    ActiveModel {
        state: Set(state.to_owned()),
        next_attempt_at: Set(None),
        last_error: Set(error.map(short)),
        ..unleased()
    }
}

fn short(error: &str) -> String {
    error.chars().take(LONGEST_ERROR).collect()
}

/// Milliseconds until the next try: 5 s after the first, then twice as long each time, and up to a quarter more by
/// chance; at least what the other side asks for, at most a day.
fn pause(attempts: i64, delivery: &Delivery) -> Result<i64> {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 20)).unwrap_or(20);
    let base = FIRST_MS.saturating_mul(1 << doublings).min(LONGEST_MS);
    let chance = i64::from(u16::from_be_bytes(random_bytes::<2>()?));
    let asked = match delivery {
        Delivery::Later { retry_after_s: Some(seconds), .. } => seconds.saturating_mul(1000),
        _ => 0,
    };
    Ok((base + base / 4 * chance / i64::from(u16::MAX)).max(asked).clamp(FIRST_MS, LONGEST_MS))
}

/// What to try again when the database does not take the end of a try: a few times, while the lease lasts.
pub(super) fn is_worth_repeating(error: &Error) -> bool {
    error.kind().class == crate::base::error::Class::Unavailable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_begin_at_5_seconds_double_and_end_at_a_day() {
        let later = Delivery::later("no answer");
        for (attempts, least) in
            [(1, 5_000), (2, 10_000), (3, 20_000), (14, 40_960_000), (15, 81_920_000), (16, LONGEST_MS)]
        {
            let pauses: Vec<i64> = (0..50).map(|_| pause(attempts, &later).unwrap()).collect();
            let most = (least + least / 4).min(LONGEST_MS);
            assert!(pauses.iter().all(|pause| (least..=most).contains(pause)), "{attempts}: {pauses:?}");
            assert!(least == LONGEST_MS || pauses.iter().any(|pause| *pause != least), "{attempts}: no jitter");
        }
        assert_eq!(pause(i64::MAX, &later).unwrap(), LONGEST_MS);
    }

    #[test]
    fn a_pause_is_no_shorter_than_the_other_side_asks_for() {
        let asked = |seconds| Delivery::Later { error: String::new(), retry_after_s: Some(seconds) };
        assert_eq!(pause(1, &asked(3600)).unwrap(), 3_600_000);
        assert_eq!(pause(1, &asked(i64::MAX)).unwrap(), LONGEST_MS);
        assert!(pause(1, &asked(-5)).unwrap() >= FIRST_MS);
    }
}
