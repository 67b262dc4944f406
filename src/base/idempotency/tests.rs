use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix_web::{body::to_bytes, test::TestRequest};
use entity::{idempotency_key, setting};
use sea_orm::{ActiveValue::Set, EntityTrait, PaginatorTrait};
use serde_json::json;
use tokio::sync::Notify;

use super::*;
use crate::base::scratch::on_each;

fn request(key: &str) -> HttpRequest {
    TestRequest::post().uri("/public-api/things").insert_header(("Idempotency-Key", key)).to_http_request()
}

/// An effect that leaves one row each time it is kept.
async fn effect(tx: &DatabaseTransaction, answer: Answer) -> Result<Answer> {
    let row = setting::ActiveModel {
        name: Set(uuid::Uuid::now_v7().to_string()),
        value: Set("1".to_owned()),
        updated_at: Set(UtcMillis(1)),
    };
    setting::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(answer)
}

fn created() -> Answer {
    Answer::created("/public-api/things/1".to_owned(), &json!({ "id": 1, "secret": "s3cret" })).unwrap()
}

async fn send(state: &State, caller: &str, key: &str, body: &str) -> Result<HttpResponse> {
    once(state, caller, &request(key), body.as_bytes(), async |tx| effect(tx, created()).await).await
}

async fn effects(state: &State) -> u64 {
    setting::Entity::find().count(state.db.orm()).await.unwrap()
}

fn code(result: &Result<HttpResponse>) -> &'static str {
    result.as_ref().err().map_or("OK", |error| error.kind().code)
}

fn is_replayed(response: &HttpResponse) -> bool {
    response.headers().get("Idempotency-Replayed").is_some_and(|value| value == "true")
}

#[actix_web::test]
async fn a_repeated_request_has_one_effect_and_the_same_answer() {
    on_each(async |state| {
        let first = send(&state, "admin:1", "k", "{}").await.unwrap();
        let second = send(&state, "admin:1", "k", "{}").await.unwrap();
        assert!(!is_replayed(&first) && is_replayed(&second));
        assert_eq!(second.status(), 201);
        assert_eq!(second.headers().get("Location").unwrap(), "/public-api/things/1");
        assert_eq!(to_bytes(first.into_body()).await.unwrap(), to_bytes(second.into_body()).await.unwrap());
        assert_eq!(effects(&state).await, 1);
    })
    .await;
}

#[actix_web::test]
async fn requests_at_the_same_time_have_one_effect() {
    on_each(async |state| {
        let all = futures_util::future::join_all((0..8).map(|_| send(&state, "admin:1", "k", "{}"))).await;
        assert_eq!(effects(&state).await, 1);
        let answered = all.iter().filter(|result| result.as_ref().is_ok_and(|answer| !is_replayed(answer))).count();
        assert_eq!(answered, 1);
        assert!(all.iter().all(|result| matches!(code(result), "OK" | "IDEMPOTENCY_IN_PROGRESS")));
    })
    .await;
}

#[actix_web::test]
async fn a_key_counts_for_its_caller_and_path_only() {
    on_each(async |state| {
        send(&state, "admin:1", "k", "{}").await.unwrap();
        assert!(!is_replayed(&send(&state, "admin:2", "k", "{}").await.unwrap()));
        let elsewhere =
            TestRequest::post().uri("/public-api/others").insert_header(("Idempotency-Key", "k")).to_http_request();
        once(&state, "admin:1", &elsewhere, b"{}", async |tx| effect(tx, created()).await).await.unwrap();
        assert_eq!(effects(&state).await, 3);
    })
    .await;
}

#[test]
fn the_parts_of_an_id_cannot_be_shifted_into_each_other() {
    assert_ne!(framed(&["ab", "c"]), framed(&["a", "bc"]));
    assert_ne!(framed(&["a", ""]), framed(&["", "a"]));
}

#[actix_web::test]
async fn another_body_under_the_same_key_is_refused() {
    on_each(async |state| {
        send(&state, "admin:1", "k", "{}").await.unwrap();
        assert_eq!(code(&send(&state, "admin:1", "k", "{ }").await), "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(effects(&state).await, 1);
    })
    .await;
}

#[actix_web::test]
async fn after_a_failure_a_corrected_body_may_use_the_key() {
    on_each(async |state| {
        let failed = once(&state, "admin:1", &request("k"), b"bad", async |tx| {
            effect(tx, created()).await?;
            Err(Error::invalid_field("name", "length", "is too long"))
        })
        .await;
        assert_eq!(code(&failed), "INVALID_REQUEST");
        let refused = Answer::new(StatusCode::ACCEPTED, &json!({})).unwrap();
        let refused = Answer { status: StatusCode::CONFLICT, ..refused };
        once(&state, "admin:1", &request("k"), b"bad too", async move |_| Ok(refused.clone())).await.unwrap();
        assert_eq!(effects(&state).await, 0);
        assert!(!is_replayed(&send(&state, "admin:1", "k", "good").await.unwrap()));
        assert_eq!(effects(&state).await, 1);
    })
    .await;
}

#[actix_web::test]
async fn a_mark_holds_for_a_minute_and_whoever_is_late_then_has_no_effect() {
    on_each(async |state| {
        let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        // On SQLite an effect that waits would keep everybody waiting, so the first one is stopped before it begins.
        let slow = same_request();
        let Begun::Ours { mark } = begin(&state, slow.clone()).await.unwrap() else { panic!("not ours") };
        let late = {
            let (state, reached, go_on) = (state.clone(), Arc::clone(&reached), Arc::clone(&go_on));
            actix_web::rt::spawn(async move {
                reached.notify_one();
                go_on.notified().await;
                commit(&state, &slow, &mark, async |tx| effect(tx, created()).await).await
            })
        };
        reached.notified().await;
        state.clock.advance_millis(MARK_MS - 1);
        assert_eq!(code(&send(&state, "admin:1", "k", "{}").await), "IDEMPOTENCY_IN_PROGRESS");
        state.clock.advance_millis(1);
        send(&state, "admin:1", "k", "{}").await.unwrap();
        go_on.notify_one();
        let late = late.await.unwrap();
        assert_eq!(late.unwrap_err().kind().code, "IDEMPOTENCY_IN_PROGRESS");
        assert_eq!(effects(&state).await, 1);
    })
    .await;
}

fn same_request() -> Request {
    let id = sha256_hex(&framed(&["admin:1", "POST", "/public-api/things", "k"]));
    Request { id, body_hash: sha256_hex(b"{}") }
}

#[actix_web::test]
async fn of_two_who_find_the_same_lapsed_mark_one_takes_it_over() {
    on_each(async |state| {
        begin(&state, same_request()).await.unwrap();
        let found = idempotency_key::Entity::find().one(state.db.orm()).await.unwrap().unwrap();
        let take_over = async |mark: &'static str| {
            let found = found.clone();
            let taken = state.writer.write(async move |tx| {
                let row = idempotency_key::ActiveModel { mark: Set(mark.to_owned()), ..Default::default() };
                mark::take_over(tx, &found, row, mark).await
            });
            taken.await.unwrap()
        };
        assert_eq!(take_over("first").await, Begun::Ours { mark: "first".to_owned() });
        assert_eq!(take_over("second").await, Begun::Running);
    })
    .await;
}

#[actix_web::test]
async fn whoever_was_taken_over_has_no_effect_while_the_next_one_still_runs() {
    on_each(async |state| {
        let ours = async || match begin(&state, same_request()).await.unwrap() {
            Begun::Ours { mark } => mark,
            begun => panic!("{begun:?}"),
        };
        let late = ours().await;
        state.clock.advance_millis(MARK_MS);
        let next = ours().await;
        let request = same_request();
        let finish = async |mark: &str| {
            commit(&state, &request, mark, async |tx| effect(tx, created()).await)
                .await
                .map_err(|error| error.kind().code)
        };
        assert_eq!(finish(&late).await.unwrap_err(), "IDEMPOTENCY_IN_PROGRESS");
        give_up(&state, request.id.clone(), late).await;
        assert_eq!(effects(&state).await, 0);
        finish(&next).await.unwrap();
        assert_eq!(effects(&state).await, 1);
    })
    .await;
}

#[actix_web::test]
async fn an_answer_is_kept_for_a_day_and_then_purged() {
    on_each(async |state| {
        send(&state, "admin:1", "k", "{}").await.unwrap();
        state.clock.advance_millis(KEPT_MS - 1);
        assert!(is_replayed(&send(&state, "admin:1", "k", "{}").await.unwrap()));
        let purged =
            async |now: UtcMillis| state.writer.write(async move |tx| purge(tx, now, 100).await).await.unwrap();
        assert_eq!(purged(state.clock.now()).await, 0);
        state.clock.advance_millis(1);
        assert!(!is_replayed(&send(&state, "admin:1", "k", "other").await.unwrap()));
        state.clock.advance_millis(KEPT_MS);
        assert_eq!(purged(state.clock.now()).await, 1);
        assert_eq!(idempotency_key::Entity::find().count(state.db.orm()).await.unwrap(), 0);
    })
    .await;
}

#[actix_web::test]
async fn a_kept_answer_is_not_readable_in_the_database() {
    on_each(async |state| {
        send(&state, "admin:1", "k", "{}").await.unwrap();
        let row = idempotency_key::Entity::find().one(state.db.orm()).await.unwrap().unwrap();
        assert!(!format!("{row:?}").contains("s3cret") && row.answer.is_some());
    })
    .await;
}

#[actix_web::test]
async fn without_the_header_each_request_has_its_effect() {
    on_each(async |state| {
        let plain = TestRequest::post().uri("/public-api/things").to_http_request();
        for _ in 0..2 {
            once(&state, "admin:1", &plain, b"{}", async |tx| effect(tx, created()).await).await.unwrap();
        }
        assert_eq!(effects(&state).await, 2);
    })
    .await;
}

#[test]
fn a_key_is_one_header_of_1_to_255_visible_characters() {
    let (longest, too_long) = ("x".repeat(255), "x".repeat(256));
    for good in ["k", "~!", longest.as_str()] {
        assert_eq!(key(&request(good)).unwrap(), Some(good));
    }
    for bad in ["", "a b", "caf\u{e9}", too_long.as_str()] {
        assert_eq!(key(&request(bad)).unwrap_err().status(), 400, "{bad}");
    }
    let twice = TestRequest::post().append_header(("Idempotency-Key", "a")).append_header(("Idempotency-Key", "b"));
    assert_eq!(key(&twice.to_http_request()).unwrap_err().status(), 400);
}

#[actix_web::test]
async fn an_effect_whose_answer_cannot_be_kept_did_not_happen() {
    on_each(async |state| {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let panicking = once(&state, "admin:1", &request("k"), b"{}", async move |tx| {
            counted.fetch_add(1, Ordering::SeqCst);
            effect(tx, created()).await?;
            panic!("in the effect")
        })
        .await;
        assert_eq!(code(&panicking), "INTERNAL");
        assert_eq!((runs.load(Ordering::SeqCst), effects(&state).await), (1, 0));
        assert_eq!(code(&send(&state, "admin:1", "k", "{}").await), "OK");
    })
    .await;
}
