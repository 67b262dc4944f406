//! Over HTTP: listing, changing and running jobs, and their tasks.

use actix_web::{App, http::StatusCode, test, web::Data};
use serde_json::{Value, json};
use utoipa_actix_web::AppExt;

use super::*;
use crate::base::{
    job::JobContext,
    lease::{self as leases, Fence},
    scratch::{START, on_each},
};
use crate::scheduler::{live::LEASE_MS, purge, routes, tasks};

/// One request with the root secret; answers status and body.
async fn send(scheduler: &Scheduler, request: test::TestRequest) -> (StatusCode, Value) {
    let app = App::new()
        .app_data(scheduler.inner().state.clone())
        .app_data(Data::new(scheduler.clone()))
        .into_utoipa_app()
        .configure(routes)
        .into_app();
    let app = test::init_service(app).await;
    let secret = scheduler.inner().state.config.auth.api_secret.expose();
    let request = request.insert_header(("X-API-Secret", secret)).to_request();
    let response = test::call_service(&app, request).await;
    let status = response.status();
    let body = test::read_body(response).await;
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn get(path: &str) -> test::TestRequest {
    test::TestRequest::get().uri(path)
}

fn run(name: &str) -> test::TestRequest {
    test::TestRequest::post().uri(&format!("/public-api/jobs/{name}/run"))
}

async fn task_of(scheduler: &Scheduler, answer: &Value) -> Value {
    let id = answer["task_id"].as_str().unwrap();
    let (status, task) = send(scheduler, get(&format!("/public-api/tasks/{id}"))).await;
    assert_eq!(status, 200);
    task
}

#[actix_web::test]
async fn a_run_by_hand_is_followed_by_its_task() {
    on_each(async |state| {
        let probe = Probe::held();
        let scheduler = started(&state, vec![probe.job("purge", "every 1h", Does::Something).enabled(false)]).await;
        let (status, answer) = send(&scheduler, run("purge")).await;
        assert_eq!(status, 202);
        probe.has_begun().await;
        assert_eq!(task_of(&scheduler, &answer).await["state"], "running");
        let (_, jobs) = send(&scheduler, get("/public-api/jobs")).await;
        assert_eq!(jobs["items"][0]["running"], true);
        let (status, problem) = send(&scheduler, run("purge")).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("JOB_RUNNING")));
        probe.release();
        scheduler.settle().await;
        let task = task_of(&scheduler, &answer).await;
        assert_eq!((&task["state"], &task["detail"]), (&json!("done"), &json!("did it")));
        assert_eq!(task["kind"], "job:purge");
        let (_, jobs) = send(&scheduler, get("/public-api/jobs")).await;
        assert_eq!(jobs["items"][0]["running"], false);
        assert_eq!(jobs["items"][0]["last_status"], "ok");
        assert_eq!(jobs["items"][0]["next_run_at"], Value::Null);
        assert_eq!(entity::audit_event::Entity::find().all(state.db.orm()).await.unwrap().len(), 1);
    })
    .await;
}

#[actix_web::test]
async fn of_many_who_ask_at_once_one_gets_the_run() {
    on_each(async |state| {
        let probe = Probe::held();
        let scheduler = started(&state, vec![probe.job("purge", "every 1h", Does::Something)]).await;
        let answers = futures_util::future::join_all((0..5).map(|_| send(&scheduler, run("purge")))).await;
        let mut statuses: Vec<u16> = answers.iter().map(|(status, _)| status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [202, 409, 409, 409, 409]);
        probe.release();
        scheduler.settle().await;
        assert_eq!(probe.runs(), 1);
    })
    .await;
}

#[actix_web::test]
async fn the_same_key_runs_a_job_once_and_names_the_same_task() {
    on_each(async |state| {
        let probe = Probe::held();
        let scheduler = started(&state, vec![probe.job("purge", "every 1h", Does::Something)]).await;
        let keyed = || run("purge").insert_header(("Idempotency-Key", "once"));
        let first = send(&scheduler, keyed()).await;
        assert_eq!(first.0, 202);
        // Also while it is running.
        assert_eq!(send(&scheduler, keyed()).await, first);
        probe.release();
        scheduler.settle().await;
        assert_eq!(send(&scheduler, keyed()).await, first);
        scheduler.settle().await;
        assert_eq!(probe.runs(), 1);
    })
    .await;
}

#[actix_web::test]
async fn a_failure_by_hand_is_told_by_the_task_and_the_job_can_be_run_again() {
    on_each(async |state| {
        let scheduler = started(&state, vec![Probe::free().job("purge", "every 1h", Does::Panic)]).await;
        for _ in 0..2 {
            let (status, answer) = send(&scheduler, run("purge")).await;
            assert_eq!(status, 202);
            scheduler.settle().await;
            assert_eq!(task_of(&scheduler, &answer).await["state"], "failed");
        }
    })
    .await;
}

#[actix_web::test]
async fn a_frequent_job_can_be_run_by_hand_between_two_runs() {
    on_each(async |state| {
        let probe = Probe::free();
        let scheduler = started(&state, vec![probe.job("outbox", "every 2s", Does::Nothing)]).await;
        tick_after(&scheduler, 2000).await;
        scheduler.settle().await;
        let (_, jobs) = send(&scheduler, get("/public-api/jobs")).await;
        assert_eq!(jobs["items"][0]["running"], false);
        assert_eq!(send(&scheduler, run("outbox")).await.0, 202);
        scheduler.settle().await;
        tick_after(&scheduler, 2000).await;
        scheduler.settle().await;
        assert_eq!(probe.runs(), 3);
    })
    .await;
}

#[actix_web::test]
async fn a_job_is_changed_by_a_merge_patch() {
    on_each(async |state| {
        let scheduler = started(&state, vec![Probe::free().job("purge", "every 1h", Does::Nothing)]).await;
        let patch = async |name: &str, body: Value| {
            let uri = format!("/public-api/jobs/{name}");
            send(&scheduler, test::TestRequest::patch().uri(&uri).set_json(body)).await
        };
        let (status, job) = patch("purge", json!({ "schedule": "every 120s" })).await;
        assert_eq!(status, 200);
        assert_eq!((&job["schedule"], &job["default_schedule"]), (&json!("every 2m"), &json!("every 1h")));
        assert_eq!(job["next_run_at"], "2026-11-21T04:33:00.000Z");
        let (_, job) = patch("purge", json!({ "enabled": false })).await;
        assert_eq!((&job["enabled"], &job["next_run_at"]), (&json!(false), &Value::Null));
        let (_, job) = patch("purge", json!({ "enabled": null, "schedule": null })).await;
        assert_eq!((&job["enabled"], &job["schedule"]), (&json!(true), &json!("every 1h")));
        for body in [json!({ "schedule": "now" }), json!({ "schedule": 5 }), json!({ "enabld": true })] {
            assert_eq!(patch("purge", body.clone()).await.0, 422, "{body}");
        }
        assert_eq!(patch("prune", json!({})).await.0, 404);
        assert_eq!(send(&scheduler, run("prune")).await.0, 404);
    })
    .await;
}

#[actix_web::test]
async fn a_task_of_a_dead_process_fails_at_start_or_when_its_lease_is_gone() {
    on_each(async |state| {
        let begin = async |holder: &'static str| {
            let now = state.clock.now();
            let begun = state.writer.write(async move |tx| {
                assert!(leases::acquire(tx, "job:purge", holder, LEASE_MS, now).await?.is_some());
                tasks::begin(tx, "job:purge", now).await
            });
            begun.await.unwrap()
        };
        let status = async |id: &str| tasks::find(state.db.orm(), id).await.unwrap().status;

        let former = begin("first").await;
        let scheduler = started(&state, vec![Probe::free().job("purge", "every 1h", Does::Nothing)]).await;
        assert_eq!(status(&former).await, "failed");

        let other = begin("other").await;
        tick_after(&scheduler, LEASE_MS - 1).await;
        assert_eq!(status(&other).await, "running");
        tick_after(&scheduler, 60_000).await;
        assert_eq!(status(&other).await, "failed");
    })
    .await;
}

#[actix_web::test]
async fn tasks_are_listed_newest_first_without_loss_or_repetition() {
    on_each(async |state| {
        let scheduler = started(&state, vec![]).await;
        let ids = state.writer.write(async |tx| {
            let mut ids = Vec::new();
            for kind in ["a", "b", "c", "d", "e"] {
                ids.push(tasks::begin(tx, kind, START).await?);
            }
            Ok(ids)
        });
        let mut ids = ids.await.unwrap();
        ids.sort_by(|a, b| b.cmp(a));
        let (mut found, mut path) = (Vec::new(), "/public-api/tasks?limit=2".to_owned());
        loop {
            let (status, page) = send(&scheduler, get(&path)).await;
            assert_eq!((status, &page["total"]), (StatusCode::OK, &json!(5)));
            found.extend(page["items"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/public-api/tasks?limit=2&cursor={cursor}");
        }
        assert_eq!(found, ids);
        assert_eq!(send(&scheduler, get("/public-api/tasks?limit=0")).await.0, 422);
        assert_eq!(send(&scheduler, get("/public-api/tasks/no-id")).await.0, 400);
        assert_eq!(send(&scheduler, get("/public-api/tasks/0198f1b2-5f0a-7c3e-9a51-3f6f0c2b7d11")).await.0, 404);
    })
    .await;
}

#[actix_web::test]
async fn jobs_are_listed_in_pages_by_name() {
    on_each(async |state| {
        let job = |name| Probe::free().job(name, "every 1h", Does::Nothing);
        let scheduler = started(&state, vec![job("c"), job("a"), job("b")]).await;
        let (_, page) = send(&scheduler, get("/public-api/jobs?limit=2")).await;
        let names = |page: &Value| -> Vec<String> {
            page["items"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&page), ["a", "b"]);
        let path = format!("/public-api/jobs?limit=2&cursor={}", page["next_cursor"].as_str().unwrap());
        let (_, page) = send(&scheduler, get(&path)).await;
        assert_eq!((names(&page), &page["next_cursor"]), (vec!["c".to_owned()], &Value::Null));
    })
    .await;
}

#[actix_web::test]
async fn ended_tasks_are_kept_for_30_days() {
    on_each(async |state| {
        let made = state.writer.write(async |tx| {
            let (old, running) = (tasks::begin(tx, "a", START).await?, tasks::begin(tx, "b", START).await?);
            tasks::finish(tx, &old, Ok("done"), START).await?;
            Ok((old, running))
        });
        let (old, running) = made.await.unwrap();
        let purged = async || {
            let (lease, fence) = ("job:purge".to_owned(), Fence(1));
            purge(JobContext { state: state.clone(), lease, fence, by_hand: true, stop: Default::default() })
                .await
                .unwrap()
        };
        state.clock.advance_millis(tasks::KEPT_MS - 1);
        assert_eq!(purged().await, None);
        state.clock.advance_millis(1);
        assert_eq!(purged().await.as_deref(), Some("1 tasks deleted"));
        assert!(tasks::find(state.db.orm(), &old).await.is_err());
        assert!(tasks::find(state.db.orm(), &running).await.is_ok());
    })
    .await;
}
