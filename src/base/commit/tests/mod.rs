//! The writer's guarantees, each shown on both databases.

mod gather;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use entity::meta;
use futures_util::future::join_all;
use sea_orm::{ActiveValue::Set, DatabaseTransaction, EntityTrait, PaginatorTrait};
use tokio::sync::{Barrier, Notify, Semaphore};

use super::*;
use crate::base::{
    error::{DATABASE_UNAVAILABLE, INTERNAL, INVALID_REQUEST},
    scratch::on_each,
    state::State,
};

async fn insert(tx: &DatabaseTransaction, name: &str) -> Result<()> {
    let row = meta::ActiveModel { name: Set(name.to_owned()), value: Set(String::new()) };
    meta::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

async fn exists(state: &State, name: &str) -> bool {
    meta::Entity::find_by_id(name.to_owned()).one(state.db.orm()).await.unwrap().is_some()
}

async fn rows(state: &State) -> u64 {
    meta::Entity::find().count(state.db.orm()).await.unwrap()
}

/// Stops a writer in its work until it is opened.
#[derive(Clone, Debug)]
struct Gate {
    entered: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Self { entered: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }

    async fn pass(&self) {
        self.entered.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }

    /// Waits until somebody stands before it.
    async fn entered(&self) {
        self.entered.acquire().await.unwrap().forget();
    }

    fn open(&self) {
        self.open.add_permits(1);
    }
}

/// One op of the tests' lane.
#[derive(Clone, Debug)]
enum Note {
    Insert(String),
    /// Refused after others of the batch may have written.
    Refuse,
    /// Ends the whole batch after it was written.
    Break(String),
    /// Panics after the batch was written.
    Panic(String),
    /// Leaves outcomes out.
    Forget,
    Wait(Gate),
}

struct Notes(Arc<AtomicU32>);

impl Batch for Notes {
    type Op = Note;
    type Out = ();

    async fn apply(&self, mut session: Session<'_>, ops: &[Note]) -> Result<Vec<Result<()>>> {
        let sql = "INSERT INTO meta (name, value) VALUES (?, '')";
        for op in ops {
            match op {
                Note::Insert(name) | Note::Break(name) | Note::Panic(name) => match &mut session {
                    Session::Sqlite(db) => {
                        db.execute(sql, [name])?;
                    }
                    Session::MySql(db) => {
                        sqlx::query(sql).bind(name).execute(&mut **db).await?;
                    }
                },
                Note::Wait(gate) => gate.pass().await,
                Note::Refuse | Note::Forget => {}
            }
        }
        if ops.iter().any(|op| matches!(op, Note::Break(_))) {
            return Err(Error::internal("broken"));
        }
        assert!(!ops.iter().any(|op| matches!(op, Note::Panic(_))), "as the test wants");
        if ops.iter().any(|op| matches!(op, Note::Forget)) {
            return Ok(Vec::new());
        }
        let outcome = |op: &Note| match op {
            Note::Refuse => Err(INVALID_REQUEST.error("no")),
            _ => Ok(()),
        };
        Ok(ops.iter().map(outcome).collect())
    }

    fn committed(&self, ops: &[Note], _: &[Result<()>]) {
        self.0.fetch_add(u32::try_from(ops.len()).unwrap(), Ordering::SeqCst);
    }
}

fn lane(state: &State) -> Lane<Note, ()> {
    state.writer.lane("test", 64, Notes(Arc::default()))
}

fn name(what: &str, nth: usize) -> String {
    format!("{what} {nth}")
}

#[actix_web::test]
async fn a_write_that_fails_or_panics_is_its_callers_trouble_alone() {
    on_each(async |state| {
        let gate = Gate::new();
        let waiting = gate.clone();
        let first = state.writer.write(async move |_| {
            waiting.pass().await;
            Ok(())
        });
        let rest = async {
            gate.entered().await;
            // All of these wait for the same group.
            let writes = (0..40).map(|nth| {
                state.writer.write(async move |tx| {
                    insert(tx, &name("general", nth)).await?;
                    match nth % 4 {
                        1 => Err(INVALID_REQUEST.error("no")),
                        2 => insert(tx, &name("general", nth)).await, // against the primary key
                        3 => panic!("as the test wants"),
                        _ => Ok(()),
                    }
                })
            });
            let open = async { gate.open() };
            tokio::join!(join_all(writes), open).0
        };
        let (first, outcomes) = tokio::join!(first, rest);
        first.unwrap();
        for (nth, outcome) in outcomes.into_iter().enumerate() {
            let kept = exists(&state, &name("general", nth)).await;
            match nth % 4 {
                0 => assert!(outcome.is_ok() && kept, "{nth}: {outcome:?}"),
                1 => assert!(outcome.unwrap_err().kind() == &INVALID_REQUEST && !kept),
                _ => assert!(outcome.unwrap_err().kind() == &INTERNAL && !kept),
            }
        }
        state.writer.write(async |tx| insert(tx, "after").await).await.unwrap();
    })
    .await;
}

#[actix_web::test]
async fn a_batch_that_fails_or_panics_spoils_only_the_op_that_did_it() {
    on_each(async |state| {
        for bad in [Note::Break, Note::Panic, |_| Note::Forget] {
            let lane = lane(&state);
            let gate = Gate::new();
            let before = rows(&state).await;
            let first = lane.write(Note::Wait(gate.clone()));
            let rest = async {
                gate.entered().await;
                let ops = (0..20).map(|nth| match nth {
                    7 => bad(name("bad", nth)),
                    9 => Note::Refuse,
                    _ => Note::Insert(format!("{before} {nth}")),
                });
                let writes = ops.map(|op| lane.write(op));
                let open = async { gate.open() };
                tokio::join!(join_all(writes), open).0
            };
            let (first, outcomes) = tokio::join!(first, rest);
            first.unwrap();
            for (nth, outcome) in outcomes.into_iter().enumerate() {
                match nth {
                    7 => assert_eq!(outcome.unwrap_err().kind(), &INTERNAL),
                    9 => assert_eq!(outcome.unwrap_err().kind(), &INVALID_REQUEST),
                    _ => outcome.unwrap(),
                }
            }
            assert_eq!(rows(&state).await, before + 18);
            lane.write(Note::Insert(name("after", usize::try_from(before).unwrap()))).await.unwrap();
        }
    })
    .await;
}

#[actix_web::test]
async fn callers_are_answered_after_the_commit() {
    on_each(async |state| {
        let lane = lane(&state);
        let calls = (0..100).map(|nth| {
            let (state, lane) = (&state, &lane);
            async move {
                let name = name("row", nth);
                if nth % 2 == 0 {
                    lane.write(Note::Insert(name.clone())).await.unwrap();
                } else {
                    let name = name.clone();
                    state.writer.write(async move |tx| insert(tx, &name).await).await.unwrap();
                }
                assert!(exists(state, &name).await, "another connection sees it");
            }
        });
        join_all(calls).await;
    })
    .await;
}

#[actix_web::test]
async fn a_full_queue_refuses_and_what_it_took_is_written() {
    on_each(async |state| {
        let lane = lane(&state);
        let gate = Gate::new();
        let before = rows(&state).await;
        let first = lane.write(Note::Wait(gate.clone()));
        let rest = async {
            gate.entered().await;
            let (too_many, refusals) = (7, AtomicUsize::new(0));
            let writes = (0..QUEUE + too_many).map(|nth| {
                let (gate, refusals, write) = (&gate, &refusals, lane.write(Note::Insert(name("row", nth))));
                async move {
                    let outcome = write.await;
                    if outcome.is_err() && refusals.fetch_add(1, Ordering::SeqCst) + 1 == too_many {
                        gate.open();
                    }
                    outcome
                }
            });
            let outcomes = join_all(writes).await;
            let refused: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
            assert_eq!(refused.len(), too_many);
            assert!(refused.iter().all(|error| error.kind() == &BUSY));
        };
        tokio::join!(first, rest).0.unwrap();
        assert_eq!(rows(&state).await, before + QUEUE as u64, "neither more nor less");
    })
    .await;
}

#[actix_web::test]
async fn closing_writes_what_was_accepted_and_refuses_the_rest() {
    on_each(async |state| {
        let lane = lane(&state);
        let gate = Gate::new();
        let before = rows(&state).await;
        let first = lane.write(Note::Wait(gate.clone()));
        let rest = async {
            gate.entered().await;
            let in_lane = join_all((0..300).map(|nth| lane.write(Note::Insert(name("lane", nth)))));
            let general = join_all(
                (0..300).map(|nth| state.writer.write(async move |tx| insert(tx, &name("general", nth)).await)),
            );
            let close = async {
                let (closed, ()) = tokio::join!(state.writer.close(), async { gate.open() });
                closed
            };
            let (in_lane, general, ()) = tokio::join!(in_lane, general, close);
            assert!(in_lane.iter().chain(&general).all(Result::is_ok));
        };
        tokio::join!(first, rest).0.unwrap();
        assert_eq!(rows(&state).await, before + 600);
        let late = lane.write(Note::Insert("late".to_owned())).await;
        assert_eq!(late.unwrap_err().kind(), &BUSY);
        let late = state.writer.write(async |tx| insert(tx, "late").await).await;
        assert_eq!(late.unwrap_err().kind(), &BUSY);
        assert_eq!(rows(&state).await, before + 600);
    })
    .await;
}

#[actix_web::test]
async fn a_caller_that_goes_away_does_not_stop_its_write() {
    on_each(async |state| {
        let lane = lane(&state);
        let gate = Gate::new();
        let first = lane.write(Note::Wait(gate.clone()));
        let rest = async {
            gate.entered().await;
            let in_lane = lane.write(Note::Insert("in lane".to_owned()));
            let general = state.writer.write(async |tx| {
                insert(tx, "general").await?;
                tokio::task::yield_now().await;
                insert(tx, "general, second half").await
            });
            tokio::select! {
                biased;
                _ = in_lane => panic!("it waits for the gate"),
                () = std::future::ready(()) => {}
            }
            tokio::select! {
                biased;
                _ = general => panic!("it was not polled often enough for that"),
                () = std::future::ready(()) => {}
            }
            gate.open();
        };
        tokio::join!(first, rest).0.unwrap();
        // Queues keep their order: what comes after is answered after.
        lane.write(Note::Insert("after".to_owned())).await.unwrap();
        state.writer.write(async |tx| insert(tx, "after, general").await).await.unwrap();
        state.writer.close().await;
        for name in ["in lane", "general", "general, second half"] {
            assert!(exists(&state, name).await, "{name}");
        }
    })
    .await;
}

#[actix_web::test]
async fn a_deadlock_on_mysql_is_run_again() {
    on_each(async |state| {
        if state.db.is_sqlite() {
            return; // writes take turns there
        }
        state.writer.write(async |tx| insert(tx, "a").await).await.unwrap();
        state.writer.write(async |tx| insert(tx, "b").await).await.unwrap();
        let (both_hold_one, runs) = (Arc::new(Barrier::new(2)), Arc::new(AtomicU32::new(0)));
        let write = |own: &'static str, other: &'static str| {
            let (both_hold_one, runs) = (Arc::clone(&both_hold_one), Arc::clone(&runs));
            state.writer.write(async move |tx| {
                let run = runs.fetch_add(1, Ordering::SeqCst);
                touch(tx, own).await?;
                if run < 2 {
                    both_hold_one.wait().await;
                }
                touch(tx, other).await
            })
        };
        let (one, other) = tokio::join!(write("a", "b"), write("b", "a"));
        one.unwrap();
        other.unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), 3, "the one that lost ran twice");
        for name in ["a", "b"] {
            let row = meta::Entity::find_by_id(name.to_owned()).one(state.db.orm()).await.unwrap().unwrap();
            assert_eq!(row.value, "++", "what lost was undone");
        }
    })
    .await;
}

async fn touch(tx: &DatabaseTransaction, name: &str) -> Result<()> {
    use sea_orm::{ColumnTrait, QueryFilter, sea_query::Func};
    let more = Func::cust("CONCAT").arg(meta::Column::Value.into_expr()).arg("+");
    let update = meta::Entity::update_many().col_expr(meta::Column::Value, more.into());
    update.filter(meta::Column::Name.eq(name)).exec(tx).await?;
    Ok(())
}

#[actix_web::test]
async fn a_sqlite_file_locked_by_another_process_is_waited_for_then_refused_then_used_again() {
    on_each(async |state| {
        let Some(file) = state.db.sqlite_path() else { return };
        let other = rusqlite::Connection::open(file).unwrap();
        let lane = lane(&state);
        for (round, is_long) in [false, true, false].into_iter().enumerate() {
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            let in_lane = lane.write(Note::Insert(name("lane", round)));
            let general = state.writer.write(async move |tx| insert(tx, &name("general", round)).await);
            let (released, waits) = (Notify::new(), is_long);
            let release = async {
                if waits {
                    released.notified().await;
                } else {
                    tokio::time::sleep(Duration::from_millis(200)).await; // less than the busy timeout
                }
                other.execute_batch("COMMIT").unwrap();
            };
            let writes = async {
                let outcomes = tokio::join!(in_lane, general);
                released.notify_one();
                outcomes
            };
            let ((in_lane, general), ()) = tokio::join!(writes, release);
            if is_long {
                assert_eq!(in_lane.unwrap_err().kind(), &DATABASE_UNAVAILABLE);
                assert_eq!(general.unwrap_err().kind(), &DATABASE_UNAVAILABLE);
            } else {
                in_lane.unwrap();
                general.unwrap();
            }
            assert_eq!(exists(&state, &name("lane", round)).await, !is_long);
            assert_eq!(exists(&state, &name("general", round)).await, !is_long);
        }
    })
    .await;
}
