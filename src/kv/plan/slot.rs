//! One change of one key.

use entity::UtcMillis;

use super::{Action, Applied, Change, Counters, Row, Slot};
use crate::{
    base::error::{Error, Result},
    kv::{CHECK_FAILED, KEY_NOT_FOUND, PRECONDITION_FAILED, value::Value},
};

/// One change, decided.
pub(super) struct Step {
    pub(super) applied: Applied,
    /// Whether a line is logged, and whether it says deleted.
    pub(super) logged: Option<bool>,
}

/// Why a change is refused.
pub(super) enum Refusal {
    Precondition,
    Absent,
}

impl Refusal {
    pub(super) fn error(self, is_batch: bool, index: usize) -> Error {
        match self {
            Self::Absent => KEY_NOT_FOUND.error("There is no such key."),
            Self::Precondition if is_batch => {
                CHECK_FAILED.error(format!("Operation {index} expected another revision.")).with("index", index)
            }
            Self::Precondition => PRECONDITION_FAILED.error("The key is not in the state the request asks for."),
        }
    }
}

impl Slot {
    /// Decides a change of this key.
    pub(super) fn apply(
        &mut self,
        change: &Change,
        counters: &mut Counters,
        ip: &str,
        now: UtcMillis,
    ) -> Result<Step, Refusal> {
        let live = self.row.as_ref().filter(|row| !row.expired(now)).map(|row| row.revision);
        if !change.precondition.holds(live) {
            return Err(Refusal::Precondition);
        }
        let unchanged = Step { applied: Applied { revision: live.unwrap_or(0), changed: false }, logged: None };
        match &change.action {
            Action::Check => Ok(unchanged),
            Action::Set { value, ttl } => Ok(self.set(value, *ttl, live.is_some(), counters, ip, now)),
            Action::DeleteExisting if live.is_none() => Err(Refusal::Absent),
            Action::Delete if live.is_none() => {
                Ok(Step { applied: Applied { revision: counters.revision, changed: false }, logged: None })
            }
            Action::Delete | Action::DeleteExisting => Ok(self.delete(counters)),
            Action::Expire => match &self.row {
                Some(expired) if live.is_none() => {
                    counters.count_out_expired(expired.size);
                    Ok(self.delete(counters))
                }
                _ => Ok(unchanged),
            },
        }
    }

    fn set(
        &mut self,
        value: &Value,
        ttl: Option<i64>,
        was_live: bool,
        counters: &mut Counters,
        ip: &str,
        now: UtcMillis,
    ) -> Step {
        counters.revision += 1;
        counters.bytes += value.size();
        let (created_at, creator_ip) = match self.row.take() {
            Some(old) => {
                counters.bytes -= old.size;
                if was_live {
                    (old.created_at, old.creator_ip)
                } else {
                    counters.count_out_expired(old.size);
                    (now, ip.to_owned())
                }
            }
            None => {
                counters.keys += 1;
                (now, ip.to_owned())
            }
        };
        let expires_at = ttl.map(|seconds| now.plus_seconds(seconds));
        self.row = Some(Row { revision: counters.revision, size: value.size(), created_at, creator_ip, expires_at });
        self.value = Some(value.clone());
        ip.clone_into(&mut self.updater_ip);
        self.dirty = true;
        Step { applied: Applied { revision: counters.revision, changed: !was_live }, logged: Some(false) }
    }

    fn delete(&mut self, counters: &mut Counters) -> Step {
        if let Some(old) = self.row.take() {
            counters.keys -= 1;
            counters.bytes -= old.size;
        }
        counters.revision += 1;
        self.value = None;
        self.dirty = true;
        Step { applied: Applied { revision: counters.revision, changed: true }, logged: Some(true) }
    }
}
