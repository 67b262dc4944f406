//! Jobs and tasks over HTTP.

use entity::{admin_session, attempt, idempotency_key, kv_store, lease, task};
use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait, PaginatorTrait, sea_query::OnConflict};
use serde_json::{Value, json};

use crate::kit::{Answer, TestApp, eventually};

const HOUR: i64 = 3_600_000;

async fn job(app: &TestApp) -> Value {
    let jobs = app.get("/public-api/jobs").root().send().await.expect(200);
    let job = jobs["items"].as_array().unwrap().iter().find(|job| job["name"] == "purge").cloned();
    job.expect("the job purge")
}

async fn patch(app: &TestApp, change: &Value) -> Answer {
    app.patch("/public-api/jobs/purge", change).root().send().await
}

async fn run(app: &TestApp) -> Answer {
    app.call("POST", "/public-api/jobs/purge/run").root().send().await
}

/// The task when it is over.
async fn ended(app: &TestApp, started: &Answer) -> Value {
    let path = format!("/public-api/tasks/{}", started.expect(202)["task_id"].as_str().unwrap());
    let mut task = Value::Null;
    eventually("the task is over", async || {
        task = app.get(&path).root().send().await.expect(200);
        task["state"] != "running"
    })
    .await;
    task
}

/// As if another replica were running the job for another hour.
async fn lease_elsewhere(app: &TestApp, database: &DatabaseConnection) {
    let row = lease::ActiveModel {
        name: Set("job:purge".to_owned()),
        holder: Set("another replica".to_owned()),
        fence: Set(1000),
        expires_at: Set(app.clock.now().plus_millis(HOUR)),
    };
    let columns = [lease::Column::Holder, lease::Column::Fence, lease::Column::ExpiresAt];
    let over = OnConflict::column(lease::Column::Name).update_columns(columns).to_owned();
    lease::Entity::insert(row).on_conflict(over).exec_without_returning(database).await.unwrap();
}

on_both! {
    async fn jobs_are_listed_with_schedule_state_and_next_run(app: TestApp) {
        let jobs = app.get("/public-api/jobs?limit=1").root().send().await.expect(200);
        assert!(jobs["total"].as_u64().unwrap() >= 1);
        let job = job(&app).await;
        assert_eq!((&job["schedule"], &job["default_schedule"]), (&json!("every 1h"), &json!("every 1h")));
        assert_eq!((&job["enabled"], &job["default_enabled"], &job["running"]), (&json!(true), &json!(true), &json!(false)));
        assert_eq!(job["next_run_at"], "2026-11-21T05:31:00.000Z");
        assert_eq!((&job["last_started_at"], &job["last_status"]), (&Value::Null, &Value::Null));
    }

    async fn a_run_by_hand_is_a_task_to_follow_and_leaves_the_schedule_alone(app: TestApp) {
        let before = job(&app).await;
        let started = run(&app).await;
        let id = started.expect(202)["task_id"].as_str().unwrap().to_owned();
        assert_eq!(started.header("location"), Some(format!("/public-api/tasks/{id}").as_str()));
        let task = ended(&app, &started).await;
        assert_eq!((&task["kind"], &task["state"]), (&json!("job:purge"), &json!("done")));
        assert_eq!(task["finished_at"], "2026-11-21T04:31:00.000Z");
        let after = job(&app).await;
        assert_eq!((&after["last_status"], &after["last_started_at"]), (&json!("ok"), &json!("2026-11-21T04:31:00.000Z")));
        assert_eq!(after["next_run_at"], before["next_run_at"]);
        let tasks = app.get("/public-api/tasks").root().send().await.expect(200);
        assert_eq!((&tasks["total"], &tasks["items"][0]["id"]), (&json!(1), &json!(id)));
        let audit = app.get("/public-api/audit?entity=job&action=run").root().send().await.expect(200);
        assert_eq!(audit["items"][0]["changes"]["task_id"], json!(id));
    }

    async fn a_job_that_runs_on_another_replica_is_not_run_a_second_time(app: TestApp) {
        patch(&app, &json!({"enabled": false})).await.expect(200);
        let database = app.database.connect().await;
        lease_elsewhere(&app, &database).await;
        run(&app).await.problem(409, "JOB_RUNNING");
        assert_eq!(job(&app).await["running"], true);
        assert_eq!(task::Entity::find().count(&database).await.unwrap(), 0);
        app.clock.advance_millis(HOUR);
        assert_eq!(ended(&app, &run(&app).await).await["state"], "done");
        database.close().await.unwrap();
    }

    async fn a_patch_outranks_the_configuration_until_it_is_null(app: TestApp) {
        let changed = patch(&app, &json!({"schedule": "every 2h"})).await.expect(200);
        assert_eq!((&changed["schedule"], &changed["next_run_at"]), (&json!("every 2h"), &json!("2026-11-21T06:31:00.000Z")));
        // Half past three in Shanghai.
        let cron = patch(&app, &json!({"schedule": "0 30 3 * * *"})).await.expect(200);
        assert_eq!(cron["next_run_at"], "2026-11-21T19:30:00.000Z");
        let off = patch(&app, &json!({"enabled": false})).await.expect(200);
        assert_eq!((&off["enabled"], &off["next_run_at"], &off["schedule"]), (&json!(false), &Value::Null, &json!("0 30 3 * * *")));
        assert_eq!(job(&app).await, off);
        app.clock.advance_millis(24 * HOUR);
        assert_eq!(job(&app).await["last_started_at"], Value::Null);
        let back = patch(&app, &json!({"schedule": null, "enabled": null})).await.expect(200);
        assert_eq!((&back["schedule"], &back["enabled"]), (&json!("every 1h"), &json!(true)));
        assert_eq!(back["next_run_at"], "2026-11-22T05:31:00.000Z");
        let audit = app.get("/public-api/audit?entity=job&action=update&count=true").root().send().await.expect(200);
        assert_eq!((&audit["total"], &audit["items"][0]["entity_id"]), (&json!(4), &json!("purge")));
    }

    async fn a_bad_change_is_refused_and_changes_nothing(app: TestApp) {
        let before = job(&app).await;
        for (change, field) in [
            (json!({"schedule": "sometimes"}), "schedule"), (json!({"schedule": "every 0s"}), "schedule"), (json!({"schedule": ""}), "schedule"),
            (json!({"schedule": "30 3 * * *"}), "schedule"), (json!({"schedule": "0 61 3 * * *"}), "schedule"), (json!({"schedule": 5}), "schedule"),
            (json!({"enabled": "yes"}), "enabled"), (json!({"shedule": "every 1h"}), "shedule"), (json!({"enabled": false, "schedule": "x"}), "schedule"),
        ] {
            let problem = patch(&app, &change).await.problem(422, "INVALID_REQUEST");
            assert_eq!(problem["errors"][0]["field"], field, "{change}");
        }
        assert_eq!(job(&app).await, before);
        app.patch("/public-api/jobs/nothing", &json!({})).root().send().await.problem(404, "NOT_FOUND");
        app.call("POST", "/public-api/jobs/nothing/run").root().send().await.problem(404, "NOT_FOUND");
        app.get("/public-api/tasks/x").root().send().await.problem(400, "MALFORMED_REQUEST");
        let unknown = format!("/public-api/tasks/{}", uuid::Uuid::now_v7());
        app.get(&unknown).root().send().await.problem(404, "NOT_FOUND");
        for list in ["jobs", "tasks"] {
            app.get(&format!("/public-api/{list}?limit=0")).root().send().await.problem(422, "INVALID_REQUEST");
            app.get(&format!("/public-api/{list}?cursor=x")).root().send().await.problem(422, "INVALID_REQUEST");
        }
    }

    async fn purging_deletes_what_is_over_and_nothing_else(app: TestApp) {
        patch(&app, &json!({"enabled": false})).await.expect(200);
        let device = app.new_device().await;
        for (key, query) in [("short", "?ttl=10"), ("long", "?ttl=31536000"), ("ever", "")] {
            app.put(&format!("/kv/{key}{query}"), &json!(1)).token(&device.token).send().await.expect(200);
        }
        let old = app.sign_in().await;
        let new_app = json!({"name": "n", "developer_name": "d"});
        app.post("/public-api/apps", &new_app).root().header("idempotency-key", "old").send().await.expect(201);
        let wrong = json!({"username": "admin", "password": "wrong"});
        app.post("/auth/login", &wrong).from("192.0.2.1").send().await.problem(401, "LOGIN_FAILED");
        let database = app.database.connect().await;
        app.clock.advance_millis(241 * HOUR);
        let young = app.sign_in().await;
        app.post("/public-api/apps", &new_app).root().header("idempotency-key", "young").send().await.expect(201);
        let task = ended(&app, &run(&app).await).await;
        assert_eq!(task["state"], "done", "{task}");
        let mut keys: Vec<String> = kv_store::Entity::find().all(&database).await.unwrap().into_iter().map(|row| row.key.0).collect();
        keys.sort();
        assert_eq!(keys, ["ever", "long"]);
        assert_eq!(idempotency_key::Entity::find().count(&database).await.unwrap(), 1);
        assert_eq!(admin_session::Entity::find().count(&database).await.unwrap(), 1);
        let tried = attempt::Entity::find().all(&database).await.unwrap();
        assert!(tried.iter().all(|row| row.address != "192.0.2.1"), "{tried:?}");
        for part in ["1 expired keys", "1 idempotent answers", "1 sessions"] {
            assert!(task["detail"].as_str().unwrap().contains(part), "{task}");
        }
        app.get("/auth/me").token(&young).send().await.expect(200);
        app.get("/auth/me").token(&old).send().await.problem(401, "UNAUTHENTICATED");
        let info = app.get("/kv/_keys").token(&device.token).send().await.expect(200);
        assert_eq!(info["keys"], json!(["ever", "long"]));
        assert_eq!(ended(&app, &run(&app).await).await["detail"], "nothing to do");
        database.close().await.unwrap();
    }

    async fn a_job_runs_by_itself_when_it_is_due(app: TestApp) {
        app.clock.advance_millis(HOUR);
        eventually("it has run", async || !job(&app).await["last_finished_at"].is_null()).await;
        let job = job(&app).await;
        assert_eq!((&job["last_status"], &job["next_run_at"]), (&json!("ok"), &json!("2026-11-21T06:31:00.000Z")));
    }
}
