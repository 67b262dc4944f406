//! Each kind: what it sends, and when it counts as delivered.

use sea_orm::EntityTrait;

use super::*;
use crate::kit::{Database, Process, Secured, block_on};

/// The member whose change makes the credential a wrong one.
fn wrong(kind: &str, stubs: &Notifiers) -> Value {
    match kind {
        "pushplus" => json!({"token": "Wrong0Credential0OfTheTests"}),
        "serverchan" => json!({"send_key": "Wrong0Credential0OfTheTests"}),
        "bark" => json!({"device_key": "Wrong0Credential0OfTheTests"}),
        "wecom" => json!({"key": "Wrong0Credential0OfTheTests"}),
        "dingtalk" => json!({"secret": "Wrong0Credential0OfTheTests"}),
        "feishu" => json!({"secret": "Wrong0Credential0OfTheTests"}),
        "telegram" => json!({"bot_token": "12345:Wrong0Credential0OfTheTests"}),
        "slack" => json!({"url": "https://hooks.slack.com/services/T0/B0/Wrong0Credential0OfTheTests"}),
        "discord" => json!({"url": "https://discord.com/api/webhooks/1/Wrong0Credential0OfTheTests"}),
        _ => {
            json!({"url": format!("{}/hook/Wrong0Credential0OfTheTests", stubs.url), "secret": "whsec_V3JvbmcwQ3JlZGVudGlhbDBPZlRoZVRlc3Rz"})
        }
    }
}

on_both_with! { near;
    async fn each_kind_is_judged_by_its_own_rule(app: TestApp) {
        let stubs = Notifiers::start().await;
        let refusals = [
            ("pushplus", "903"), ("serverchan", "40001"), ("bark", "400"), ("wecom", "93000"), ("dingtalk", "310000"),
            ("feishu", "19021"), ("telegram", "401: Unauthorized"), ("slack", "403: invalid_token"),
            ("discord", "401: Invalid Webhook Token"), ("webhook", "401"),
        ];
        for (kind, refusal) in refusals {
            let id = channel(&app, kind, config_for(kind, &stubs), json!({})).await;
            let (delivered, detail) = tried(&app, id).await;
            assert!(delivered, "{kind}: {detail}");
            assert_eq!(stubs.take().len(), 1, "{kind}");
            // Whatever HTTP says, these are no answers of the service.
            for (head, body) in [
                ("200 OK", "<html>please sign in</html>"), ("200 OK", "{}"), ("302 Found\r\nLocation: http://127.0.0.1:1/", ""),
                ("500 X", "{}"), ("404 X", "nothing"),
            ] {
                stubs.answer_next(head, body);
                let (delivered, detail) = tried(&app, id).await;
                assert!(!delivered || (kind == "webhook" && head.starts_with("200")), "{kind}: {head} {body}: {detail}");
            }
            stubs.hang_up_next();
            assert!(!tried(&app, id).await.0, "{kind}");
            let patch = json!({"config": wrong(kind, &stubs)});
            app.patch(&format!("{PATH}/{id}"), &patch).root().send().await.expect(200);
            let (delivered, detail) = tried(&app, id).await;
            assert!(!delivered && detail.contains(refusal), "{kind}: {detail}");
            assert!(!detail.contains("Wrong0Credential"), "{kind}: {detail}");
            stubs.take();
        }
    }

    async fn what_is_to_go_through_a_proxy_never_goes_without_it(app: TestApp) {
        let stubs = Notifiers::start().await;
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for kind in ["telegram", "webhook"] {
            let mut config = config_for(kind, &stubs);
            config["proxy"] = json!(format!("socks5h://user:pass@{closed}"));
            let id = channel(&app, kind, config, json!({})).await;
            assert_eq!(tried(&app, id).await, (false, "no connection through the proxy".to_owned()));
        }
        assert_eq!(stubs.received().len(), 0);
    }

    async fn codes_of_http_200_that_mean_failure_are_failures(app: TestApp) {
        let stubs = Notifiers::start().await;
        for (kind, body) in [
            ("pushplus", r#"{"code":888,"msg":"积分不足","data":null}"#),
            ("serverchan", r#"{"code":40001,"message":"超过当天的发送次数限制","data":{}}"#),
            ("bark", r#"{"code":500,"message":"push failed","timestamp":1}"#),
            ("wecom", r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#),
            ("dingtalk", r#"{"errcode":130101,"errmsg":"send too fast"}"#),
            ("feishu", r#"{"code":11232,"msg":"frequency limited psm","data":{}}"#),
            ("telegram", r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#),
            ("slack", "invalid_payload"),
            ("discord", r#"{"message":"queued"}"#),
        ] {
            let id = channel(&app, kind, config_for(kind, &stubs), json!({})).await;
            stubs.answer_next("200 OK", body);
            let (delivered, detail) = tried(&app, id).await;
            assert!(!delivered, "{kind}: {detail}");
            assert!(tried(&app, id).await.0, "{kind}");
        }
        let id = channel(&app, "feishu", config_for("feishu", &stubs), json!({"name": "older form"})).await;
        stubs.answer_next("200 OK", r#"{"Extra":null,"StatusCode":0,"StatusMessage":"success"}"#);
        assert!(tried(&app, id).await.0);
    }

    async fn what_is_sent_is_what_the_service_expects(app: TestApp) {
        let stubs = Notifiers::start().await;
        for kind in OVER_HTTP {
            channel(&app, kind, config_for(kind, &stubs), json!({"events": ["token.dead"]})).await;
        }
        dead(&app, 7, "permanent.reused").await;
        later(&app, 6_000).await;
        let received = stubs.take();
        assert_eq!(received.len(), 10, "{received:#?}");
        let to = |path: &str| received.iter().find(|one| one.path.starts_with(path)).unwrap_or_else(|| panic!("{path}"));
        let title = "账号 u7@example.com 的刷新令牌已失效";
        for (path, title_at) in [("/send", "/title"), ("/push", "/title"), ("/robot/send", "/markdown/title")] {
            assert_eq!(to(path).body.pointer(title_at).unwrap(), title, "{path}");
        }
        let chan = &to(&format!("/{GOOD}.send")).body;
        assert!(chan["title"].as_str().unwrap().chars().count() <= 32 && chan["desp"].as_str().unwrap().contains("permanent.reused"));
        assert_eq!(to("/robot").query("timestamp").unwrap(), app.clock.now().0.to_string());
        let hook = to("/hook");
        assert_eq!((&hook.body["type"], &hook.body["timestamp"]), (&json!("token.dead"), &json!("2026-11-21T04:31:06.000Z")));
        let data = &hook.body["data"];
        assert_eq!((&data["count"], &data["title"]), (&json!(1), &json!(title)));
        assert_eq!(data["subjects"], json!([{"subject": "token:7", "name": "u7@example.com"}]));
        assert_eq!(data["params"]["class"], "permanent.reused");
        assert_eq!(data["occurred_at"], "2026-11-21T04:31:00.000Z");
        assert!(hook.header("webhook-id").unwrap().starts_with("msg_"));
        assert_eq!(to("/api/webhooks").body["allowed_mentions"], json!({"parse": []}));
        for one in &received {
            assert!(one.text.contains("u7@example.com"), "{}", one.path);
        }
    }

    async fn a_long_message_is_cut_to_what_each_service_takes(app: TestApp) {
        let stubs = Notifiers::start().await;
        for kind in OVER_HTTP {
            // Thirty groups with names of nearly two hundred characters, in one summary.
            channel(&app, kind, config_for(kind, &stubs), json!({"quiet_hours": "12:00-13:00"})).await;
        }
        for nth in 0..40 {
            let name = format!("{}{nth}", "账号🔑&\"'".repeat(30));
            told(&app, EventKind::JobFailed, &format!("job:{nth}"), &format!("cause {nth}"), json!({"name": name})).await;
        }
        later(&app, 6_000).await;
        assert_eq!(stubs.received().len(), 0, "it is quiet");
        later(&app, HOUR).await;
        let received = stubs.take();
        assert_eq!(received.len(), 10);
        settle(&app).await;
        let failed = entity::outbox::Entity::find().all(app.state.db.orm()).await.unwrap();
        assert!(failed.iter().all(|row| row.state == "delivered"), "the services refuse what is too long: {failed:#?}");
        let wecom = received.iter().find(|one| one.path.starts_with("/cgi-bin")).unwrap();
        let length = wecom.body["markdown"]["content"].as_str().unwrap().len();
        assert!((4000..=4096).contains(&length), "{length} bytes");
        let telegram = received.iter().find(|one| one.path.starts_with("/bot")).unwrap();
        assert_eq!(telegram.body["text"].as_str().unwrap().encode_utf16().count(), 4096);
    }

    async fn mail_is_handed_over_as_the_protocol_says(app: TestApp) {
        let server = MailServer::start(Secured::Never, None);
        let id = channel(&app, "email", mail_config(&server), json!({"events": ["token.dead"]})).await;
        dead(&app, 7, "permanent.reused").await;
        later(&app, 6_000).await;
        let mails = server.mails();
        assert_eq!(mails.len(), 1);
        assert_eq!((mails[0].from.as_str(), &mails[0].to), ("latchkey@example.com", &vec!["ops@example.com".to_owned(), "second@example.com".to_owned()]));
        assert!(mails[0].text.contains("Date: Sat, 21 Nov 2026 04:31:06") && mails[0].text.contains("Message-ID: <msg_"), "{}", mails[0].text);
        assert!(mails[0].body().contains("u7@example.com") && mails[0].body().contains("permanent.reused"), "{}", mails[0].body());
        let refused = async |patch: Value| {
            app.patch(&format!("{PATH}/{id}"), &json!({"config": patch})).root().send().await.expect(200);
            let (delivered, detail) = tried(&app, id).await;
            assert!(!delivered && !detail.contains(PASSWORD), "{detail}");
            detail
        };
        assert_eq!(refused(json!({"password": "another-password"})).await, "SMTP 535");
        assert_eq!(refused(json!({"password": PASSWORD, "to": ["nobody@example.com"]})).await, "SMTP 550");
        assert_eq!(refused(json!({"to": ["busy@example.com"]})).await, "SMTP 451");
        assert_eq!(refused(json!({"security": "starttls"})).await, "the server lacks STARTTLS or a way to sign in");
        refused(json!({"security": "tls"})).await;
        assert_eq!(server.mails().len(), 1);
    }
}

on_both! {
    async fn no_mail_goes_to_a_private_address(app: TestApp) {
        let server = MailServer::start(Secured::Never, None);
        let mut config = mail_config(&server);
        config["host"] = json!("mail.example.com");
        let id = channel(&app, "email", config, json!({})).await;
        let patch = json!({"config": {"host": "127.0.0.1"}});
        app.patch(&format!("{PATH}/{id}"), &patch).root().send().await.problem(422, "INVALID_REQUEST");
        assert_eq!(server.commands().len(), 0);
    }
}

/// Over TLS with a certificate that the process trusts, and with one that it does not.
async fn over_tls(database: Database) {
    let (certificate, key) = crate::kit::certificate(&database.folder);
    let trusted = certificate.clone();
    let process = Process::serve_with(&database, |command| {
        command.env("LATCHKEY__SECURITY__ALLOW_PRIVATE_TARGETS", "true").env("SSL_CERT_FILE", trusted);
    })
    .await;
    let other = database.folder.join("other");
    std::fs::create_dir_all(&other).unwrap();
    let (stranger, strangers_key) = crate::kit::certificate(&other);
    for (secured, security) in [(Secured::ByStartTls, "starttls"), (Secured::AtOnce, "tls")] {
        for (is_known, certificate, key) in [(true, &certificate, &key), (false, &stranger, &strangers_key)] {
            let server = MailServer::start(secured, Some((certificate, key)));
            let mut config = mail_config(&server);
            config["security"] = json!(security);
            let body = json!({"name": format!("{security} {is_known}"), "kind": "email", "config": config});
            let id = process.call("POST", PATH).json(&body).root().send().await.expect(201)["id"].clone();
            let result = process.call("POST", &format!("{PATH}/{id}/test")).root().send().await.expect(200);
            assert_eq!(result["delivered"], is_known, "{security}: {result}");
            assert_eq!(server.mails().len(), usize::from(is_known));
            assert!(server.mails().iter().all(|mail| mail.encrypted));
            let signed_in = server.commands().iter().any(|command| command.starts_with("AUTH"));
            assert_eq!(signed_in, is_known, "no password for a stranger");
        }
    }
    database.drop().await;
}

#[test]
fn mail_over_tls_goes_to_servers_with_a_good_certificate_only() {
    block_on(over_tls(Database::sqlite()));
}
