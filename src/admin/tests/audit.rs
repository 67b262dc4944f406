use super::*;
use crate::{admin::audit, base::scratch::on_each};

async fn events(app: &Running, query: &str) -> Vec<Value> {
    let answer = send(app, root(get(&format!("/public-api/audit{query}")))).await.expect(200);
    answer.body["items"].as_array().unwrap().clone()
}

#[actix_web::test]
async fn every_write_leaves_an_event_without_secret_values() {
    on_each(async |state| {
        seed(&state).await;
        let app = app(&state).await;
        let token = send(&app, login("admin", PASSWORD)).await.text("token");
        let body = json!({ "name": "gateway", "scopes": ["keys:verify"] });
        let made = send(&app, bearer(&token, post("/public-api/secrets", body))).await.expect(201);
        let path = made.header("location").unwrap().to_owned();
        let rename = from(1, TestRequest::patch().uri(&path)).set_json(json!({ "name": "gate" }));
        send(&app, root(rename)).await.expect(200);
        send(&app, root(from(1, TestRequest::delete().uri(&path)))).await.expect(204);
        let change = json!({ "current_password": PASSWORD, "new_password": "another long password" });
        send(&app, bearer(&token, post("/auth/password", change))).await.expect(204);
        let token = send(&app, login("admin", "another long password")).await.text("token");
        send(&app, bearer(&token, post("/auth/logout", Value::Null))).await.expect(204);

        let mut events = events(&app, "").await;
        events.reverse();
        let seen: Vec<_> = events
            .iter()
            .map(|event| ["actor", "action", "entity"].map(|member| event[member].as_str().unwrap()))
            .collect();
        assert_eq!(
            seen,
            [
                ["admin:admin", "sign_in", "admin_user"],
                ["admin:admin", "create", "api_secret"],
                ["root", "update", "api_secret"],
                ["root", "delete", "api_secret"],
                ["admin:admin", "change_password", "admin_user"],
                ["admin:admin", "sign_in", "admin_user"],
                ["admin:admin", "sign_out", "admin_user"],
            ]
        );
        assert_eq!(events[1]["entity_id"], made.body["id"].to_string());
        assert_eq!(events[1]["ip"], "192.0.2.1");
        assert_eq!(events[2]["changes"], json!({ "name": { "old": "gateway", "new": "gate" } }));
        let everything = json!(events).to_string();
        for secret in [made.text("secret").as_str(), ROOT, PASSWORD, "another long password", "$argon2"] {
            assert!(!everything.contains(secret));
        }
    })
    .await;
}

#[actix_web::test]
async fn a_refused_write_leaves_no_event() {
    on_each(async |state| {
        seed(&state).await;
        let app = app(&state).await;
        send(&app, login("admin", "wrong")).await.problem(401, "LOGIN_FAILED");
        let body = json!({ "name": "gateway", "scopes": ["admin"] });
        send(&app, root(post("/public-api/secrets", body.clone()))).await.expect(201);
        send(&app, root(post("/public-api/secrets", body))).await.problem(409, "SECRET_NAME_TAKEN");
        assert_eq!(events(&app, "").await.len(), 1);
    })
    .await;
}

#[actix_web::test]
async fn events_are_filtered_paged_from_the_newest_and_counted_on_demand() {
    on_each(async |state| {
        let app = app(&state).await;
        for name in ["a", "b", "c"] {
            let body = json!({ "name": name, "scopes": ["admin"] });
            send(&app, root(post("/public-api/secrets", body))).await.expect(201);
            state.clock.advance_millis(1000);
        }
        let names =
            |events: &[Value]| -> Vec<Value> { events.iter().map(|event| event["changes"]["name"].clone()).collect() };
        assert_eq!(names(&events(&app, "").await), ["c", "b", "a"]);
        let since = "since=2026-11-21T04:31:01Z&until=2026-11-21T04:31:02.000Z";
        assert_eq!(names(&events(&app, &format!("?{since}")).await), ["b"]);
        for (query, expected) in [
            ("actor=root", 3),
            ("actor=cli", 0),
            ("action=create", 3),
            ("action=delete", 0),
            ("entity=api_secret", 3),
            ("entity=app", 0),
            ("entity_id=2", 1),
        ] {
            assert_eq!(events(&app, &format!("?{query}")).await.len(), expected, "{query}");
        }
        let page = send(&app, root(get("/public-api/audit?limit=2&count=true&actor=root"))).await.expect(200);
        assert_eq!(names(page.body["items"].as_array().unwrap()), ["c", "b"]);
        assert_eq!(page.body["total"], 3);
        let link = page.header("link").unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
        let rest = send(&app, root(get(&link))).await.expect(200);
        assert_eq!(names(rest.body["items"].as_array().unwrap()), ["a"]);
        assert_eq!(rest.body["next_cursor"], Value::Null);
        assert_eq!(send(&app, root(get("/public-api/audit"))).await.body["total"], Value::Null);
        for query in ["limit=0", "limit=201", "cursor=x", "since=yesterday", "count=maybe"] {
            send(&app, root(get(&format!("/public-api/audit?{query}")))).await.problem(422, "INVALID_REQUEST");
        }
    })
    .await;
}

#[actix_web::test]
async fn events_are_kept_for_400_days() {
    on_each(async |state| {
        let app = app(&state).await;
        let body = json!({ "name": "a", "scopes": ["admin"] });
        send(&app, root(post("/public-api/secrets", body))).await.expect(201);
        let purged = async |after_ms: i64| {
            let now = state.clock.now().plus_millis(after_ms);
            state.writer.write(async move |tx| audit::purge(tx, now).await).await.unwrap()
        };
        const KEPT_MS: i64 = 400 * 24 * 3_600_000;
        assert_eq!(purged(KEPT_MS).await, 0);
        assert_eq!(purged(KEPT_MS + 1).await, 1);
    })
    .await;
}

#[actix_web::test]
async fn what_does_not_fit_its_column_does_not_stop_the_write() {
    on_each(async |state| {
        let (mut actor, now) = (crate::admin::Actor::cli(), state.clock.now());
        actor.name = "名".repeat(500);
        actor.request_id = "x".repeat(500);
        let write = async move |tx: &sea_orm::DatabaseTransaction| {
            audit::record(tx, &actor, "update", "kv_store", "键".repeat(500), json!({}), now).await
        };
        state.writer.write(write).await.unwrap();
    })
    .await;
}
