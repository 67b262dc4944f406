//! `Idempotency-Key` over HTTP: a request that is sent twice has one effect and one answer.

use entity::{api_secret, app, idempotency_key};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::kit::{Answer, Database, TestApp, block_on};

const DAY: i64 = 24 * 3_600_000;

fn new_app() -> Value {
    json!({"name": "Classworks", "developer_name": "ZeroCat"})
}

async fn create(app: &TestApp, key: &str, body: &Value) -> Answer {
    app.post("/public-api/apps", body).root().header("idempotency-key", key).send().await
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed").is_some_and(|value| value == "true")
}

async fn apps(app: &TestApp) -> u64 {
    let database = app.database.connect().await;
    let count = app::Entity::find().count(&database).await.unwrap();
    database.close().await.unwrap();
    count
}

on_both! {
    async fn a_repetition_has_no_effect_and_the_first_answer(app: TestApp) {
        let first = create(&app, "k", &new_app()).await;
        first.expect(201);
        assert!(!is_replayed(&first));
        app.clock.advance_millis(3_600_000);
        let again = create(&app, "k", &new_app()).await;
        assert!(is_replayed(&again));
        assert_eq!((again.status, again.header("location")), (201, first.header("location")));
        assert_eq!(again.json(), first.json());
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
        assert_eq!(apps(&app).await, 1);
    }

    async fn the_same_key_with_another_body_is_refused(app: TestApp) {
        create(&app, "k", &new_app()).await.expect(201);
        let other = json!({"name": "Other", "developer_name": "ZeroCat"});
        create(&app, "k", &other).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
        create(&app, "another", &other).await.expect(201);
        assert_eq!(apps(&app).await, 2);
    }

    async fn requests_at_the_same_time_have_one_effect(app: TestApp) {
        let body = new_app();
        let answers = futures_util::future::join_all((0..16).map(|_| create(&app, "k", &body))).await;
        for answer in &answers {
            match answer.status {
                201 => {}
                _ => {
                    answer.problem(409, "IDEMPOTENCY_IN_PROGRESS");
                    assert!(answer.header("retry-after").is_some());
                }
            }
        }
        assert_eq!(answers.iter().filter(|answer| answer.status == 201 && !is_replayed(answer)).count(), 1);
        assert_eq!(apps(&app).await, 1);
        assert!(is_replayed(&create(&app, "k", &body).await));
    }

    async fn a_failure_frees_the_key(app: TestApp) {
        let (id, _) = app.new_secret("taken", &["usage:read"]).await;
        let create = |body: Value| {
            app.post("/public-api/secrets", &body).root().header("idempotency-key", "k").send()
        };
        let body = json!({"name": "taken", "scopes": ["usage:read"]});
        create(json!({"name": "taken"})).await.problem(422, "INVALID_REQUEST");
        create(body.clone()).await.problem(409, "SECRET_NAME_TAKEN");
        create(body.clone()).await.problem(409, "SECRET_NAME_TAKEN");
        assert_eq!(app.delete(&format!("/public-api/secrets/{id}")).root().send().await.status, 204);
        let made = create(body.clone()).await;
        made.expect(201);
        assert!(!is_replayed(&made));
        assert!(is_replayed(&create(body).await));
    }

    async fn each_caller_method_and_path_has_its_own_keys(app: TestApp) {
        let token = app.sign_in().await;
        let (_, secret) = app.new_secret("one", &["apps:write"]).await;
        let (_, other) = app.new_secret("other", &["apps:write"]).await;
        let call = || app.post("/public-api/apps", &new_app()).header("idempotency-key", "k");
        for call in [call().root(), call().token(&token), call().secret(&secret), call().secret(&other)] {
            let answer = call.send().await;
            answer.expect(201);
            assert!(!is_replayed(&answer));
        }
        assert_eq!(apps(&app).await, 4);
        assert!(is_replayed(&call().token(&app.sign_in().await).send().await), "another session, the same admin");
        let secret = json!({"name": "third", "scopes": ["admin"]});
        let answer = app.post("/public-api/secrets", &secret).root().header("idempotency-key", "k").send().await;
        answer.expect(201);
        assert!(!is_replayed(&answer));
        call().send().await.problem(401, "UNAUTHENTICATED");
    }

    async fn a_key_counts_for_24_hours(app: TestApp) {
        create(&app, "k", &new_app()).await.expect(201);
        app.clock.advance_millis(DAY - 1);
        assert!(is_replayed(&create(&app, "k", &new_app()).await));
        app.clock.advance_millis(1);
        let anew = create(&app, "k", &json!({"name": "Other", "developer_name": "ZeroCat"})).await;
        anew.expect(201);
        assert!(!is_replayed(&anew));
        assert_eq!(apps(&app).await, 2);
    }

    async fn a_mark_that_nobody_came_back_for_lapses_after_a_minute(app: TestApp) {
        create(&app, "k", &new_app()).await.expect(201);
        let database = app.database.connect().await;
        // As a process leaves it that was killed between its mark and its effect.
        let unanswered = sea_orm::sea_query::Expr::val(None::<i32>);
        let marked = idempotency_key::Entity::update_many().col_expr(idempotency_key::Column::Status, unanswered);
        marked.exec(&database).await.unwrap();
        create(&app, "k", &new_app()).await.problem(409, "IDEMPOTENCY_IN_PROGRESS");
        app.clock.advance_millis(59_999);
        create(&app, "k", &new_app()).await.problem(409, "IDEMPOTENCY_IN_PROGRESS");
        app.clock.advance_millis(1);
        create(&app, "k", &new_app()).await.expect(201);
        assert_eq!(apps(&app).await, 2);
        database.close().await.unwrap();
    }

    async fn a_replayed_secret_is_the_same_and_unreadable_in_the_database(app: TestApp) {
        let body = json!({"name": "s", "scopes": ["apps:write"]});
        let create = async || app.post("/public-api/secrets", &body).root().header("idempotency-key", "k").send().await;
        let first = create().await.expect(201);
        let again = create().await;
        assert!(is_replayed(&again));
        assert_eq!(again.header("cache-control"), Some("no-store"));
        assert_eq!(again.expect(201), first);
        let secret = first["secret"].as_str().unwrap();
        app.get("/public-api/apps").secret(secret).send().await.expect(200);
        let database = app.database.connect().await;
        assert_eq!(api_secret::Entity::find().count(&database).await.unwrap(), 1);
        let rows = format!("{:?}", idempotency_key::Entity::find().all(&database).await.unwrap());
        assert!(!rows.contains(secret) && !rows.contains("\"k\""));
        database.close().await.unwrap();
    }

    async fn a_key_is_one_header_of_1_to_255_visible_ascii_characters(app: TestApp) {
        for bad in ["", "a b", &"x".repeat(256)] {
            create(&app, bad, &new_app()).await.problem(400, "MALFORMED_REQUEST");
        }
        let twice = app.post("/public-api/apps", &new_app()).root();
        let twice = twice.header("idempotency-key", "a").header("idempotency-key", "b").send().await;
        twice.problem(400, "MALFORMED_REQUEST");
        assert_eq!(apps(&app).await, 0);
        create(&app, &"~".repeat(255), &new_app()).await.expect(201);
    }

    async fn a_job_is_run_once_for_a_key(app: TestApp) {
        let run = async || app.call("POST", "/public-api/jobs/purge/run").root().header("idempotency-key", "k").send().await;
        let first = run().await.expect(202);
        let again = run().await;
        assert_eq!((is_replayed(&again), again.expect(202)), (true, first));
        assert_eq!(app.get("/public-api/tasks").root().send().await.expect(200)["total"], 1);
    }
}

async fn survives_a_restart(database: Database) {
    let app = TestApp::start(database).await;
    let first = create(&app, "k", &new_app()).await.expect(201);
    let app = app.restart().await;
    let again = create(&app, "k", &new_app()).await;
    assert!(is_replayed(&again));
    assert_eq!(again.expect(201), first);
    app.stop().await;
}

#[test]
fn an_answer_survives_a_restart_on_sqlite() {
    block_on(survives_a_restart(Database::sqlite()));
}

#[test]
fn an_answer_survives_a_restart_on_mysql() {
    block_on(async { survives_a_restart(Database::mysql().await).await });
}
