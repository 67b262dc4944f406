//! Tasks that are done item by item.

use sea_orm::DatabaseTransaction;

use super::{Probe, started};
use crate::{
    base::{
        scratch::{START, on_each},
        state::State,
    },
    scheduler::{items, items::Item, tasks},
};

async fn begin(state: &State, kind: &'static str, subjects: &'static [i64]) -> String {
    let begun = async move |tx: &DatabaseTransaction| items::begin(tx, kind, subjects, START).await;
    state.writer.write(begun).await.unwrap().id
}

async fn note(state: &State, item: &Item, status: u16, code: Option<&'static str>) {
    let item = item.clone();
    let noted = async move |tx: &DatabaseTransaction| items::note(tx, &item, status, code, START).await;
    state.writer.write(noted).await.unwrap();
}

async fn waiting(state: &State, kind: &str) -> Vec<Item> {
    items::waiting(state.db.orm(), kind, 100).await.unwrap()
}

#[actix_web::test]
async fn an_item_counts_once_however_often_it_is_noted_and_the_last_one_ends_the_task() {
    on_each(async |state| {
        let id = begin(&state, "work", &[7, 7, 9]).await;
        let all = waiting(&state, "work").await;
        assert_eq!(all.iter().map(|item| (item.nth, item.subject)).collect::<Vec<_>>(), [(0, 7), (1, 7), (2, 9)]);
        for _ in 0..2 {
            note(&state, &all[1], 200, None).await;
            note(&state, &all[1], 404, Some("NOT_FOUND")).await;
        }
        let task = items::show(state.db.orm(), &id).await.unwrap();
        assert_eq!((task.task.state.as_str(), task.task.done, task.task.total), ("running", 1, 3));
        assert_eq!(waiting(&state, "work").await, [all[0].clone(), all[2].clone()]);
        futures_util::future::join(note(&state, &all[0], 502, Some("X")), note(&state, &all[2], 204, None)).await;
        let task = items::show(state.db.orm(), &id).await.unwrap();
        assert_eq!((task.task.state.as_str(), task.task.done), ("done", 3));
        assert_eq!((task.task.detail.as_deref(), task.task.finished_at), (Some("2 of 3 succeeded"), Some(START)));
        let shown: Vec<_> = task.items.iter().map(|item| (item.id, item.status, item.code.as_deref())).collect();
        assert_eq!(shown, [(7, Some(502), Some("X")), (7, Some(200), None), (9, Some(204), None)]);
        assert!(waiting(&state, "work").await.is_empty());
    })
    .await;
}

#[actix_web::test]
async fn two_tasks_of_a_kind_take_turns_and_other_kinds_are_left_alone() {
    on_each(async |state| {
        let (first, second) = (begin(&state, "work", &[1, 2]).await, begin(&state, "work", &[3, 4]).await);
        begin(&state, "other", &[5]).await;
        let order: Vec<(String, i64)> =
            waiting(&state, "work").await.into_iter().map(|item| (item.task_id, item.subject)).collect();
        assert_eq!(order, [(first.clone(), 1), (second.clone(), 3), (first, 2), (second, 4)]);
        let none = begin(&state, "work", &[]).await;
        assert_eq!(tasks::find(state.db.orm(), &none).await.unwrap().status, "done");
    })
    .await;
}

#[actix_web::test]
async fn a_task_with_items_is_not_taken_for_dead_when_its_process_is() {
    on_each(async |state| {
        let id = begin(&state, "work", &[1]).await;
        let scheduler = started(&state, vec![Probe::free().job("purge", "every 1h", super::Does::Nothing)]).await;
        state.clock.advance_millis(10 * 60_000);
        scheduler.tick(state.clock.now()).await;
        assert_eq!(tasks::find(state.db.orm(), &id).await.unwrap().status, "running");
        assert_eq!(waiting(&state, "work").await.len(), 1);
        scheduler.stop(std::time::Duration::from_secs(5)).await;
    })
    .await;
}
