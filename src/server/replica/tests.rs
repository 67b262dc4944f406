//! Places on MySQL. Other replicas are rows: what they would write is written by the tests.

use entity::{UtcMillis, meta, replica};
use futures_util::future::join_all;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};

use super::*;
use crate::{base::scratch::on_mysql, server::proof::INITIALISED};

fn me(instance: &str, has_redis: bool) -> Me {
    let (instance, life) = (instance.to_owned(), Uuid::new_v4().to_string());
    Me { instance, life, host: "a host".to_owned(), pid: 1, has_redis }
}

/// A database that has been initialised.
async fn initialise(state: &State) {
    let done = meta::ActiveModel { name: Set(INITIALISED.to_owned()), value: Set("now".to_owned()) };
    let work = async move |tx: &sea_orm::DatabaseTransaction| {
        Ok(meta::Entity::insert(done.clone()).exec_without_returning(tx).await?)
    };
    state.writer.write(work).await.unwrap();
}

/// Who is in the way of a start.
async fn start(state: &State, me: &Me) -> Option<String> {
    let me = me.clone();
    match state.writer.write(async move |tx| place::join(tx, &me, true).await).await.unwrap() {
        Joined::Placed => None,
        Joined::Rival(rival) => Some(rival.instance),
    }
}

async fn beat(state: &State, me: &Me) -> bool {
    let me = me.clone();
    state.writer.write(async move |tx| place::beat(tx, &me).await).await.unwrap()
}

async fn leave(state: &State, me: &Me) {
    let me = me.clone();
    state.writer.write(async move |tx| place::leave(tx, &me).await).await.unwrap();
}

/// Puts the last sign of life that much further back.
async fn age(state: &State, instance: &str, millis: i64) {
    let instance = instance.to_owned();
    let work = async move |tx: &sea_orm::DatabaseTransaction| {
        let aged = replica::Entity::update_many()
            .col_expr(replica::Column::BeatAt, Expr::col(replica::Column::BeatAt).sub(millis))
            .filter(replica::Column::Instance.eq(&instance));
        Ok(aged.exec(tx).await?.rows_affected)
    };
    assert_eq!(state.writer.write(work).await.unwrap(), 1);
}

async fn living(state: &State) -> Vec<(String, String)> {
    let rows = replica::Entity::find().all(state.db.orm()).await.unwrap();
    rows.into_iter().map(|row| (row.instance, row.life)).collect()
}

#[actix_web::test]
async fn of_many_that_start_at_the_same_moment_without_redis_one_gets_the_place() {
    on_mysql(async |state| {
        initialise(&state).await;
        for round in 0..5 {
            let all: Vec<Me> = (0..12).map(|nth| me(&format!("{round}-{nth}"), false)).collect();
            let starts = join_all(all.iter().map(|me| start(&state, me))).await;
            assert_eq!(starts.iter().filter(|rival| rival.is_none()).count(), 1, "{starts:?}");
            let (winner, _) = living(&state).await.pop().expect("a winner");
            assert!(starts.iter().flatten().all(|rival| *rival == winner), "{starts:?}");
            leave(&state, all.iter().find(|me| me.instance == winner).unwrap()).await;
        }
    })
    .await;
}

#[actix_web::test]
async fn with_redis_several_live_but_not_beside_one_without() {
    on_mysql(async |state| {
        initialise(&state).await;
        let (one, two, without) = (me("one", true), me("two", true), me("without", false));
        assert_eq!((start(&state, &one).await, start(&state, &two).await), (None, None));
        assert_eq!(start(&state, &without).await.as_deref(), Some("one"));
        leave(&state, &one).await;
        assert_eq!(start(&state, &without).await.as_deref(), Some("two"));
        leave(&state, &two).await;
        assert_eq!(start(&state, &without).await, None);
        assert_eq!(start(&state, &one).await.as_deref(), Some("without"));
    })
    .await;
}

#[actix_web::test]
async fn a_place_lapses_15_seconds_after_the_last_sign_of_life() {
    on_mysql(async |state| {
        initialise(&state).await;
        let (old, new) = (me("old", false), me("new", false));
        assert_eq!(start(&state, &old).await, None);
        age(&state, "old", 9_000).await;
        assert_eq!(start(&state, &new).await.as_deref(), Some("old"));
        age(&state, "old", 6_000).await;
        assert_eq!(start(&state, &new).await, None);
        assert!(!beat(&state, &old).await, "it is told that its place is gone");
        assert!(beat(&state, &new).await);
        assert_eq!(living(&state).await, [("new".to_owned(), new.life)]);
    })
    .await;
}

#[actix_web::test]
async fn a_sign_of_life_from_far_ahead_is_of_a_clock_that_was_set_back_and_stops_nobody() {
    on_mysql(async |state| {
        initialise(&state).await;
        assert_eq!(start(&state, &me("ahead", false)).await, None);
        age(&state, "ahead", -3_600_000).await;
        assert_eq!(start(&state, &me("new", false)).await, None);
    })
    .await;
}

#[actix_web::test]
async fn a_former_life_is_taken_over_at_once_and_cannot_take_that_back() {
    on_mysql(async |state| {
        initialise(&state).await;
        let (former, present) = (me("same", false), me("same", false));
        assert_eq!((start(&state, &former).await, start(&state, &present).await), (None, None));
        assert!(!beat(&state, &former).await);
        leave(&state, &former).await;
        assert_eq!(living(&state).await, [("same".to_owned(), present.life.clone())]);
        assert!(beat(&state, &present).await);
    })
    .await;
}

#[actix_web::test]
async fn a_process_with_the_same_data_folder_that_lives_on_this_machine_is_no_former_life() {
    on_mysql(async |state| {
        initialise(&state).await;
        let parent = i64::from(std::os::unix::process::parent_id());
        let (twin, new) = (Me { pid: parent, ..me("same", true) }, me("same", true));
        assert_eq!((start(&state, &twin).await, start(&state, &new).await.as_deref()), (None, Some("same")));
        let elsewhere = Me { host: "another host".to_owned(), ..new.clone() };
        assert_eq!(start(&state, &elsewhere).await, None, "there it cannot be seen");
        assert_eq!(start(&state, &new).await, None, "and no process of this machine has it any more");
    })
    .await;
}

#[actix_web::test]
async fn a_replica_that_was_given_up_stands_aside_while_another_lives_and_then_comes_back() {
    on_mysql(async |state| {
        initialise(&state).await;
        let replica = Replica::take(&state, "here").await.unwrap();
        replica.beat().await.unwrap();
        assert_eq!(replica.aside(), None);
        age(&state, "here", 20_000).await;
        replica.beat().await.unwrap();
        assert_eq!(replica.aside(), None, "it was away for long, but nobody took its place");
        age(&state, "here", 20_000).await;
        let other = me("other", false);
        assert_eq!(start(&state, &other).await, None);
        for _ in 0..2 {
            replica.beat().await.unwrap();
            assert!(replica.aside().unwrap().contains("redis.url"));
        }
        assert_eq!(living(&state).await, [("other".to_owned(), other.life.clone())]);
        leave(&state, &other).await;
        replica.beat().await.unwrap();
        assert_eq!(replica.aside(), None);
        assert_eq!(start(&state, &other).await.as_deref(), Some("here"));
        replica.leave().await;
        assert_eq!(start(&state, &other).await, None, "who leaves is not waited for");
    })
    .await;
}

#[actix_web::test]
async fn the_refusal_says_who_lives_since_when_and_what_to_do() {
    on_mysql(async |state| {
        initialise(&state).await;
        let replica = Replica::take(&state, "here").await.unwrap();
        let started_at = UtcMillis(1_795_235_460_000);
        let rival = Model {
            instance: "there".to_owned(),
            life: "life".to_owned(),
            host: "alpha".to_owned(),
            pid: 4711,
            has_redis: false,
            started_at,
            beat_at: started_at,
        };
        let refusal = replica.refusal(&rival);
        for part in ["there", "alpha", "4711", "2026-11-21T04:31:00.000Z", "redis.url"] {
            assert!(refusal.contains(part), "{part}: {refusal}");
        }
        let twin = Model { instance: "here".to_owned(), ..rival };
        assert!(replica.refusal(&twin).contains("instance_id"));
    })
    .await;
}

#[test]
fn a_lost_sign_of_life_or_two_cost_nobody_a_place() {
    assert!(BEAT * 3 <= LIFE && LIFE < WAIT && LOOK < WAIT - LIFE);
}
