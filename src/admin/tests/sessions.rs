use futures_util::future::join_all;
use sea_orm::EntityTrait;

use super::*;
use crate::{
    admin::{accounts, login as signing, purge_sessions, reset_password, session},
    base::{
        attempts::{self, Attempt, Limit},
        error::TOO_MANY_REQUESTS,
        scratch::on_each,
    },
};

const QUARTER_HOUR_MS: i64 = 15 * 60_000;

#[actix_web::test]
async fn a_token_works_until_its_session_is_signed_out() {
    on_each(async |state| {
        seed(&state).await;
        let app = app(&state).await;
        let answer = send(&app, login("admin", PASSWORD)).await.expect(200);
        assert_eq!(answer.text("token_type"), "Bearer");
        assert_eq!(answer.text("username"), "admin");
        assert_eq!(answer.text("expires_at"), "2026-12-01T04:31:00.000Z");
        let (token, other) = (answer.text("token"), send(&app, login("admin", PASSWORD)).await.text("token"));
        let me = send(&app, bearer(&token, get("/auth/me"))).await.expect(200);
        assert_eq!(me.body, json!({ "username": "admin", "expires_at": "2026-12-01T04:31:00.000Z" }));
        let who = send(&app, bearer(&token, get("/verify"))).await.expect(200);
        assert_eq!(who.body["name"], "admin:admin");
        send(&app, bearer(&token, post("/auth/logout", Value::Null))).await.expect(204);
        let refused = send(&app, bearer(&token, get("/auth/me"))).await.problem(401, "UNAUTHENTICATED");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"latchkey\""));
        send(&app, bearer(&token, get("/verify"))).await.problem(401, "UNAUTHENTICATED");
        send(&app, bearer(&other, get("/auth/me"))).await.expect(200);
    })
    .await;
}

#[actix_web::test]
async fn a_token_ends_by_itself_after_the_configured_hours() {
    on_each(async |state| {
        seed(&state).await;
        let app = app(&state).await;
        let token = send(&app, login("admin", PASSWORD)).await.text("token");
        state.clock.advance_millis(240 * 3_600_000 - 1);
        send(&app, bearer(&token, get("/auth/me"))).await.expect(200);
        state.clock.advance_millis(1);
        send(&app, bearer(&token, get("/auth/me"))).await.problem(401, "UNAUTHENTICATED");
        let now = state.clock.now();
        assert_eq!(state.writer.write(async move |tx| purge_sessions(tx, now).await).await.unwrap(), 1);
    })
    .await;
}

#[actix_web::test]
async fn changing_the_password_ends_every_session_and_the_old_password() {
    on_each(async |state| {
        seed(&state).await;
        let app = app(&state).await;
        let first = send(&app, login("admin", PASSWORD)).await.text("token");
        let second = send(&app, login("admin", PASSWORD)).await.text("token");
        let change = |current: &str, new: &str| {
            let body = json!({ "current_password": current, "new_password": new });
            bearer(&first, post("/auth/password", body))
        };
        send(&app, change("wrong", "another long password")).await.problem(403, "CURRENT_PASSWORD_WRONG");
        send(&app, change(PASSWORD, "elevenchars")).await.problem(422, "INVALID_REQUEST");
        send(&app, change(PASSWORD, &"x".repeat(129))).await.problem(422, "INVALID_REQUEST");
        send(&app, change(PASSWORD, "another long password")).await.expect(204);
        for token in [&first, &second] {
            send(&app, bearer(token, get("/auth/me"))).await.problem(401, "UNAUTHENTICATED");
        }
        send(&app, login("admin", PASSWORD)).await.problem(401, "LOGIN_FAILED");
        send(&app, login("admin", "another long password")).await.expect(200);
    })
    .await;
}

#[actix_web::test]
async fn a_sign_in_that_overlaps_a_password_change_opens_no_session() {
    on_each(async |state| {
        seed(&state).await;
        let looked_at = accounts::find(state.db.orm(), "admin").await.unwrap().unwrap();
        let now = state.clock.now();
        let stale = looked_at.clone();
        let change = async move |tx: &sea_orm::DatabaseTransaction| {
            accounts::replace_password(tx, &stale, "another hash", now).await
        };
        assert!(state.writer.write(change).await.unwrap());
        let stale = looked_at.clone();
        let open = async move |tx: &sea_orm::DatabaseTransaction| session::open(tx, &stale, "192.0.2.1", 1, now).await;
        assert!(state.writer.write(open).await.unwrap().is_none());
        let again = async move |tx: &sea_orm::DatabaseTransaction| {
            accounts::replace_password(tx, &looked_at, "a third hash", now).await
        };
        assert!(!state.writer.write(again).await.unwrap());
    })
    .await;
}

#[actix_web::test]
async fn wrong_names_and_wrong_passwords_look_the_same() {
    on_each(async |state| {
        seed(&state).await;
        let app = app(&state).await;
        let nobody = send(&app, login("nobody", PASSWORD)).await.problem(401, "LOGIN_FAILED");
        let wrong = send(&app, login("admin", "wrong")).await.problem(401, "LOGIN_FAILED");
        assert_eq!(nobody.body, wrong.body);
        assert!(wrong.header("www-authenticate").is_some());
    })
    .await;
}

#[actix_web::test]
async fn five_wrong_passwords_lock_the_name_for_that_address_only() {
    on_each(async |state| {
        seed(&state).await;
        let app = app(&state).await;
        for _ in 0..5 {
            send(&app, login("admin", "wrong")).await.problem(401, "LOGIN_FAILED");
        }
        let locked = send(&app, login("admin", PASSWORD)).await.problem(429, "LOGIN_LOCKED");
        assert_eq!(locked.header("retry-after"), Some("900"));
        send(&app, from(2, login("admin", PASSWORD))).await.expect(200);
        state.clock.advance_millis(QUARTER_HOUR_MS);
        send(&app, login("admin", PASSWORD)).await.expect(200);
        for _ in 0..5 {
            send(&app, login("admin", "wrong")).await.problem(401, "LOGIN_FAILED");
        }
        send(&app, login("admin", PASSWORD)).await.problem(429, "LOGIN_LOCKED");
    })
    .await;
}

#[actix_web::test]
async fn people_are_told_of_a_lock_once_and_of_no_other_wrong_password() {
    on_each(async |state| {
        seed(&state).await;
        let app = app(&state).await;
        let told = async || {
            let rows = entity::notification::Entity::find().all(state.db.orm()).await.unwrap();
            rows.into_iter().map(|row| (row.event, row.subject, row.cause)).collect::<Vec<_>>()
        };
        for _ in 0..4 {
            send(&app, login("admin", "wrong")).await.problem(401, "LOGIN_FAILED");
        }
        send(&app, login("admin", PASSWORD)).await.expect(200);
        assert_eq!(told().await, [], "a right one at last locks nobody");
        for _ in 0..5 {
            send(&app, login("admin", "wrong")).await.problem(401, "LOGIN_FAILED");
        }
        send(&app, login("admin", "wrong")).await.problem(429, "LOGIN_LOCKED");
        let lock = |name: &str| ("security.login_locked".to_owned(), format!("admin:{name}"), "192.0.2.1".to_owned());
        assert_eq!(told().await, [lock("admin")]);
        for _ in 0..5 {
            send(&app, login("call +1 900 now: https://x", "wrong")).await.problem(401, "LOGIN_FAILED");
        }
        assert_eq!(told().await, [lock("admin"), lock("…")], "who tries does not choose what people read");
    })
    .await;
}

#[actix_web::test]
async fn parallel_guesses_do_not_slip_past_the_limit() {
    on_each(async |state| {
        seed(&state).await;
        let app = app(&state).await;
        let answers = join_all((0..20).map(|_| send(&app, login("admin", "wrong")))).await;
        let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
        let locked = answers.iter().filter(|answer| answer.body["code"] == "LOGIN_LOCKED").count();
        assert_eq!((looked_at, locked), (5, 15));
    })
    .await;
}

#[actix_web::test]
async fn after_sixty_wrong_tries_from_everywhere_only_known_addresses_may_try() {
    on_each(async |state| {
        seed(&state).await;
        let app = app(&state).await;
        send(&app, login("admin", PASSWORD)).await.expect(200);
        let anywhere = Attempt::from_anywhere(signing::SCOPE, "admin");
        let limit = Limit { most: 60, window_ms: 3_600_000, lock_ms: 0, refusal: &TOO_MANY_REQUESTS };
        let now = state.clock.now();
        let attack = async move |tx: &sea_orm::DatabaseTransaction| {
            for _ in 0..60 {
                attempts::reserve(tx, &anywhere, limit, now).await?;
            }
            Ok(())
        };
        state.writer.write(attack).await.unwrap();
        let refused = send(&app, from(2, login("admin", PASSWORD))).await.problem(429, "LOGIN_LOCKED");
        assert_eq!(refused.header("retry-after"), Some("3600"));
        send(&app, login("admin", PASSWORD)).await.expect(200);
        send(&app, from(2, login("admin", PASSWORD))).await.problem(429, "LOGIN_LOCKED");
        for _ in 0..5 {
            send(&app, login("admin", "wrong")).await.problem(401, "LOGIN_FAILED");
        }
        send(&app, login("admin", PASSWORD)).await.problem(429, "LOGIN_LOCKED");
        state.clock.advance_millis(3_600_000);
        send(&app, from(2, login("admin", PASSWORD))).await.expect(200);
    })
    .await;
}

#[actix_web::test]
async fn guessing_the_current_password_with_a_token_is_limited_as_well() {
    on_each(async |state| {
        seed(&state).await;
        let app = app(&state).await;
        let token = send(&app, login("admin", PASSWORD)).await.text("token");
        let change = |current: &str| {
            let body = json!({ "current_password": current, "new_password": "another long password" });
            bearer(&token, post("/auth/password", body))
        };
        for _ in 0..5 {
            send(&app, change("wrong")).await.problem(403, "CURRENT_PASSWORD_WRONG");
        }
        send(&app, change(PASSWORD)).await.problem(429, "LOGIN_LOCKED");
    })
    .await;
}

#[actix_web::test]
async fn only_the_first_admin_is_seeded() {
    on_each(async |state| {
        seed(&state).await;
        let now = state.clock.now();
        let again = state.writer.write(async move |tx| seed_first_admin(tx, "other", "hash", now).await).await;
        assert!(!again.unwrap());
        assert!(accounts::find(state.db.orm(), "other").await.unwrap().is_none());
    })
    .await;
}

#[actix_web::test]
async fn a_reset_password_ends_sessions_and_lifts_locks() {
    on_each(async |state| {
        seed(&state).await;
        let app = app(&state).await;
        let token = send(&app, login("admin", PASSWORD)).await.text("token");
        for _ in 0..5 {
            send(&app, login("admin", "wrong")).await.problem(401, "LOGIN_FAILED");
        }
        let (hash, now) = (state.passwords.hash("set on the command line").await.unwrap(), state.clock.now());
        state.writer.write(async move |tx| reset_password(tx, "admin", &hash, now).await).await.unwrap();
        send(&app, bearer(&token, get("/auth/me"))).await.problem(401, "UNAUTHENTICATED");
        send(&app, login("admin", "set on the command line")).await.expect(200);
        let nobody = state.writer.write(async move |tx| reset_password(tx, "nobody", "hash", now).await).await;
        assert_eq!(nobody.unwrap_err().status(), 404);
    })
    .await;
}

#[actix_web::test]
async fn a_secret_is_no_sign_in() {
    on_each(async |state| {
        let app = app(&state).await;
        send(&app, root(get("/auth/me"))).await.problem(401, "UNAUTHENTICATED");
    })
    .await;
}
