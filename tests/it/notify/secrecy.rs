//! What must not get out with a message, or beside it.

use std::{fs::File, process::Stdio};

use sea_orm::EntityTrait;

use super::*;
use crate::kit::{Database, Process, Secured, block_on};

on_both_with! { near;
    async fn nothing_is_sent_that_is_not_in_the_params(app: TestApp) {
        let stubs = Notifiers::start().await;
        let mail = MailServer::start(Secured::Never, None);
        for kind in OVER_HTTP {
            channel(&app, kind, config_for(kind, &stubs), json!({})).await;
        }
        channel(&app, "email", mail_config(&mail), json!({})).await;
        let planted = "rt_PLANTED0aZ9bY8cX7dW6eV5fU4gT3hS2iR1jQ0kP9";
        let params = json!({
            "name": "a@example.com", "provider": "claude", "refresh_token": planted, "access_token": planted,
            "detail": format!("the provider says: {planted}"), "class": {"nested": planted},
        });
        told(&app, EventKind::TokenDead, "token:1", &format!("cause {planted}"), params).await;
        told(&app, EventKind::JobFailed, "job:purge", "x", json!({"name": "purge", "error": planted})).await;
        later(&app, 5_000).await;
        let received = stubs.take();
        assert_eq!((received.len(), mail.mails().len()), (20, 2));
        for row in entity::notification::Entity::find().all(app.state.db.orm()).await.unwrap() {
            assert!(!row.params.contains("PLANTED"), "{row:?}");
        }
        let sent = received.iter().map(|one| (one.path.clone(), one.text.clone()));
        for (path, text) in sent.chain(mail.mails().iter().map(|mail| ("mail".to_owned(), format!("{}{}", mail.text, mail.body())))) {
            assert!(!text.contains("PLANTED"), "{path}: {text}");
            // Nor the credentials of any channel, but its own where the service wants it in the body.
            let own = path == "/send" || path == "/push";
            assert!(own || !text.contains(GOOD), "{path}: {text}");
            assert!(!text.contains(SIGNING) && !text.contains(WHSEC) && !text.contains(PASSWORD), "{path}: {text}");
        }
    }
}

/// Everything that may be logged, and the answers.
async fn nothing_is_logged(database: Database) {
    let log = database.folder.join("log.txt");
    let file = File::create(&log).unwrap();
    let process = Process::serve_with(&database, |command| {
        command.env("LATCHKEY__LOG__LEVEL", "trace").env("LATCHKEY__SECURITY__ALLOW_PRIVATE_TARGETS", "true");
        command.stderr(Stdio::from(file));
    })
    .await;
    let stubs = Notifiers::start().await;
    let mail = MailServer::start(Secured::Never, None);
    let configs =
        OVER_HTTP.map(|kind| (kind, config_for(kind, &stubs))).into_iter().chain([("email", mail_config(&mail))]);
    let mut answers = String::new();
    for (kind, config) in configs {
        let body = json!({"name": kind, "kind": kind, "config": config});
        let made = process.call("POST", PATH).json(&body).root().send().await;
        let path = format!("{PATH}/{}/test", made.expect(201)["id"]);
        answers.push_str(&made.text());
        answers.push_str(&process.call("POST", &path).root().send().await.text());
        stubs.hang_up_next();
        answers.push_str(&process.call("POST", &path).root().send().await.text());
        if kind == "email" {
            break;
        }
        stubs.answer_next("200 OK", &format!("{{\"code\": 1, \"errcode\": 1, \"msg\": \"bad key {GOOD}\", \"errmsg\": \"bad {GOOD}\", \"message\": \"{GOOD}\", \"ok\": false, \"description\": \"12345:{GOOD}\"}}"));
        answers.push_str(&process.call("POST", &path).root().send().await.text());
    }
    process.signal("TERM");
    assert_eq!(process.wait(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    for secret in [GOOD, SIGNING, &WHSEC[6..], PASSWORD] {
        assert!(!answers.contains(secret), "{secret} is in {answers}");
        assert_eq!(log.lines().find(|line| line.contains(secret)), None, "{secret} is in the log");
    }
    database.drop().await;
}

#[test]
fn no_credential_of_a_channel_is_logged_or_answered_on_sqlite() {
    block_on(nothing_is_logged(Database::sqlite()));
}

#[test]
fn no_credential_of_a_channel_is_logged_or_answered_on_mysql() {
    block_on(async { nothing_is_logged(Database::mysql().await).await });
}
