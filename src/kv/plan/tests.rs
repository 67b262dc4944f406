use super::*;
use crate::kv::{CHECK_FAILED, DEVICE_QUOTA, KEY_NOT_FOUND};

const NOW: UtcMillis = UtcMillis(1_000_000);
const ROOMY: Limits = Limits { keys: 100, bytes: 10_000 };

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn value(text: &str) -> Value {
    Value::new(text.as_bytes(), 1000).unwrap()
}

fn set(name: &str, text: &str) -> Change {
    Change {
        key: key(name),
        action: Action::Set { value: value(text), ttl: None },
        precondition: Precondition::default(),
    }
}

fn op(changes: Vec<Change>) -> Op {
    Op { device_id: 1, install_id: None, ip: "192.0.2.1".to_owned(), changes, is_batch: true, record: None }
}

fn overlay(counters: Counters, rows: &[(&str, Row)]) -> Overlay {
    let mut overlay = Overlay::default();
    overlay.devices.insert(1, Some(counters));
    for (name, row) in rows {
        let slot = Slot { stored: Some(row.clone()), row: Some(row.clone()), ..Slot::default() };
        overlay.slots.insert((1, key(name)), slot);
    }
    overlay
}

fn row(revision: i64, size: i64, expires_at: Option<i64>) -> Row {
    Row {
        revision,
        size,
        created_at: UtcMillis(5),
        creator_ip: "198.51.100.9".to_owned(),
        expires_at: expires_at.map(UtcMillis),
    }
}

#[test]
fn counters_always_equal_the_sum_of_the_rows() {
    let mut overlay =
        overlay(Counters { revision: 7, keys: 1, bytes: 4, ..Counters::default() }, &[("old", row(3, 4, None))]);
    overlay.decide(&op(vec![set("a", "1"), set("a", "12345"), set("old", "12")]), ROOMY, NOW).unwrap();
    let delete = Change { key: key("a"), action: Action::Delete, precondition: Precondition::default() };
    overlay.decide(&op(vec![delete, set("b", "\"x\"")]), ROOMY, NOW).unwrap();
    let counters = overlay.devices[&1].unwrap();
    let rows: Vec<_> = overlay.slots.values().filter_map(|slot| slot.row.as_ref()).collect();
    assert_eq!(counters.keys, i64::try_from(rows.len()).unwrap());
    assert_eq!(counters.bytes, rows.iter().map(|row| row.size).sum::<i64>());
    assert_eq!(counters.revision, 7 + 5, "every change has a revision of its own");
    let logged: Vec<_> = overlay.log.iter().map(|line| line.revision).collect();
    assert_eq!(logged, [8, 9, 10, 11, 12], "and a line in the log, without holes");
}

#[test]
fn a_refused_op_leaves_no_trace() {
    let before = Counters { revision: 7, keys: 1, bytes: 4, ..Counters::default() };
    let mut overlay = overlay(before, &[("old", row(3, 4, None))]);
    let failing = Change { key: key("old"), action: Action::Check, precondition: Precondition::revision(99) };
    let error = overlay.decide(&op(vec![set("old", "1"), set("new", "2"), failing]), ROOMY, NOW).unwrap_err();
    assert_eq!(error.kind(), &CHECK_FAILED);
    assert_eq!(overlay.devices[&1], Some(before));
    assert!(overlay.log.is_empty());
    assert_eq!(overlay.slots[&(1, key("old"))].row, Some(row(3, 4, None)));
    assert!(overlay.slots.values().all(|slot| !slot.dirty));
}

#[test]
fn an_op_sees_what_the_ops_before_it_in_the_same_batch_did() {
    let mut overlay = overlay(Counters::default(), &[]);
    let first = overlay.decide(&op(vec![set("a", "1")]), ROOMY, NOW).unwrap();
    let only_if_absent = Change { precondition: Precondition::revision(0), ..set("a", "2") };
    assert!(overlay.decide(&op(vec![only_if_absent]), ROOMY, NOW).is_err());
    let if_unchanged = Change { precondition: Precondition::revision(first.revision), ..set("a", "3") };
    let second = overlay.decide(&op(vec![if_unchanged]), ROOMY, NOW).unwrap();
    assert!(!second.applied[0].changed, "it was there already");
}

#[test]
fn an_expired_key_counts_as_absent_and_its_space_as_free() {
    let full = Counters { revision: 7, keys: 2, bytes: 20, expired_keys: 1, expired_bytes: 10 };
    let limits = Limits { keys: 2, bytes: 20 };
    let rows = [("gone", row(3, 10, Some(NOW.0))), ("live", row(4, 10, Some(NOW.0 + 1)))];
    let mut overlay = overlay(full, &rows);
    let delete = Change { key: key("gone"), action: Action::DeleteExisting, precondition: Precondition::default() };
    assert_eq!(overlay.decide(&op(vec![delete]), limits, NOW).unwrap_err().kind(), &KEY_NOT_FOUND);
    let done = overlay.decide(&op(vec![set("gone", "1")]), limits, NOW).unwrap();
    assert!(done.applied[0].changed, "created anew");
    let made = overlay.slots[&(1, key("gone"))].row.clone().unwrap();
    assert_eq!((made.created_at, made.creator_ip.as_str(), made.expires_at), (NOW, "192.0.2.1", None));
    let error = overlay.decide(&op(vec![set("third", "1")]), limits, NOW).unwrap_err();
    assert_eq!(error.kind(), &DEVICE_QUOTA, "the free place is taken now");
}

#[test]
fn what_does_not_grow_a_full_store_is_never_refused() {
    let over = Counters { revision: 7, keys: 5, bytes: 500, ..Counters::default() };
    let limits = Limits { keys: 2, bytes: 20 };
    let mut overlay = overlay(over, &[("a", row(3, 4, None)), ("b", row(4, 4, None))]);
    assert!(overlay.decide(&op(vec![set("a", "1")]), limits, NOW).is_ok(), "smaller");
    let delete = Change { key: key("b"), action: Action::DeleteExisting, precondition: Precondition::default() };
    assert!(overlay.decide(&op(vec![delete]), limits, NOW).is_ok());
    assert!(overlay.decide(&op(vec![set("a", "12345")]), limits, NOW).is_err(), "larger");
}

#[test]
fn the_first_writer_stays_the_creator() {
    let mut overlay = overlay(Counters { keys: 1, bytes: 4, ..Counters::default() }, &[("a", row(3, 4, None))]);
    overlay.decide(&op(vec![set("a", "1")]), ROOMY, NOW).unwrap();
    let slot = &overlay.slots[&(1, key("a"))];
    let row = slot.row.clone().unwrap();
    assert_eq!((row.created_at, row.creator_ip.as_str()), (UtcMillis(5), "198.51.100.9"));
    assert_eq!(slot.updater_ip, "192.0.2.1");
}

#[test]
fn clearing_up_removes_only_what_has_expired() {
    let counters = Counters { revision: 7, keys: 2, bytes: 8, ..Counters::default() };
    let mut overlay = overlay(counters, &[("gone", row(3, 4, Some(NOW.0))), ("live", row(4, 4, None))]);
    let expire = |name| Change { key: key(name), action: Action::Expire, precondition: Precondition::default() };
    let done = overlay.decide(&op(vec![expire("gone"), expire("live"), expire("never")]), ROOMY, NOW).unwrap();
    assert_eq!(done.applied.iter().map(|one| one.changed).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(overlay.log, [Logged { device_id: 1, revision: 8, key: key("gone"), deleted: true }]);
}
