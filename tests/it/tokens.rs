//! Accounts one by one: what is stored, shown, changed, listed; who may do it; and what never leaves.

use std::collections::HashSet;

use entity::{UtcMillis, refresh_token};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseConnection, EntityTrait, IntoActiveModel, PaginatorTrait};
use serde_json::{Value, json};

use crate::kit::{Answer, TestApp};

const TOKENS: &str = "/public-api/tokens";

#[track_caller]
pub fn errors(answer: &Answer) -> Vec<(String, String)> {
    let problem = answer.problem(422, "INVALID_REQUEST");
    let text = |error: &Value, name: &str| error[name].as_str().unwrap().to_owned();
    problem["errors"].as_array().unwrap().iter().map(|error| (text(error, "field"), text(error, "code"))).collect()
}

pub fn path(account: &Value) -> String {
    format!("{TOKENS}/{}", account["id"])
}

async fn row(database: &DatabaseConnection, id: &Value) -> refresh_token::Model {
    refresh_token::Entity::find_by_id(id.as_i64().unwrap()).one(database).await.unwrap().unwrap()
}

/// Writes columns as a refresh would.
async fn set(app: &TestApp, id: &Value, change: impl FnOnce(&mut refresh_token::ActiveModel)) {
    let database = app.database.connect().await;
    let mut row = row(&database, id).await.into_active_model();
    change(&mut row);
    row.update(&database).await.unwrap();
    database.close().await.unwrap();
}

async fn ids(app: &TestApp, query: &str) -> Vec<i64> {
    let page = app.get(&format!("{TOKENS}?{query}")).root().send().await.expect(200);
    let ids: Vec<i64> = page["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect();
    assert_eq!(page["total"], ids.len(), "{query}");
    ids
}

on_both! {
    async fn an_account_is_stored_shown_and_deleted(app: TestApp) {
        app.database.new_provider("openai-ios").await;
        let body = json!({"refresh_token": " rt_0123456789abcdef ", "biz_id": " team a ", "email": "Ann@example.org", "user_name": "Ann",
            "type": "plus", "client_id": "app_x", "proxy": "socks5h://user:pass@192.0.2.1:1080", "tag": "t", "memo": "two\nlines", "enabled": false});
        let answer = app.post(TOKENS, &body).root().send().await;
        answer.problem(422, "INVALID_REQUEST"); // an address for documentation is none to be called
        let mut body = body;
        body["proxy"] = json!("socks5h://user:pass@proxy.example:1080");
        let answer = app.post(TOKENS, &body).root().send().await;
        let made = answer.expect(201);
        assert_eq!(answer.header("location"), Some(path(&made).as_str()));
        let expected = json!({"id": made["id"], "biz_id": "team a", "provider": "openai-ios", "email": "Ann@example.org", "user_name": "Ann",
            "type": "plus", "account_id": null, "refresh_token_last6": "abcdef", "has_access_token": false, "has_previous_refresh_token": false,
            "access_expires_at": null, "client_id": "app_x", "proxy": "socks5h://proxy.example:1080", "tag": "t", "memo": "two\nlines",
            "enabled": false, "state": "new", "failure_class": null, "failure_detail": null, "failure_count": 0, "retry_after": null,
            "last_refresh_at": null, "next_refresh_at": null, "version": 0, "created_at": "2026-11-21T04:31:00.000Z", "updated_at": "2026-11-21T04:31:00.000Z"});
        assert_eq!(made, expected);
        assert_eq!(app.get(&path(&made)).root().send().await.expect(200), expected);
        let plain = app.post(TOKENS, &json!({"refresh_token": "rt_plain", "tag": ""})).root().send().await.expect(201);
        assert_eq!((&plain["enabled"], &plain["tag"], &plain["client_id"]), (&json!(true), &Value::Null, &Value::Null));
        let random = plain["biz_id"].as_str().unwrap();
        assert!(random.len() == 32 && random.bytes().all(|byte| byte.is_ascii_hexdigit()), "{random}");
        assert_eq!(app.delete(&path(&made)).root().send().await.status, 204);
        for method in ["GET", "PATCH", "DELETE"] {
            app.call(method, &path(&made)).root().text("{}").send().await.problem(404, "ACCOUNT_NOT_FOUND");
        }
        app.get(&format!("{}/events", path(&made))).root().send().await.problem(404, "ACCOUNT_NOT_FOUND");
        app.post(TOKENS, &json!({"refresh_token": "rt_0123456789abcdef", "biz_id": "team a"})).root().send().await.expect(201);
    }

    async fn a_bad_account_is_refused_with_every_field_and_no_value(app: TestApp) {
        app.database.new_provider("stub").await;
        let long = "键".repeat(192);
        for (body, found) in [
            (json!({}), vec![("refresh_token", "required")]),
            (json!({"refresh_token": " "}), vec![("refresh_token", "required")]),
            (json!({"refresh_token": "rt_hidden blank"}), vec![("refresh_token", "format")]),
            (json!({"refresh_token": "rt_hidden键"}), vec![("refresh_token", "format")]),
            (json!({"refresh_token": "x".repeat(16_385)}), vec![("refresh_token", "length")]),
            (json!({"refresh_token": "rt_hidden", "email": long, "biz_id": "a\u{0}b", "memo": "a\u{1}"}), vec![("biz_id", "control_character"), ("email", "length"), ("memo", "control_character")]),
            (json!({"refresh_token": "rt_hidden", "proxy": "ftp://hidden:hidden@x"}), vec![("proxy", "format")]),
            (json!({"refresh_token": "rt_hidden", "proxy": "http://hidden:hidden@127.0.0.1:1"}), vec![("proxy", "format")]),
            (json!({"refresh_token": "rt_hidden", "provider": "nobody"}), vec![("provider", "unknown")]),
            (json!({"refresh_token": "rt_hidden"}), vec![("provider", "unknown")]),
            (json!({"refresh_token": "rt_hidden", "totla": 1}), vec![("totla", "unknown_field")]),
            (json!({"refresh_token": "rt_hidden", "enabled": "yes"}), vec![("enabled", "type")]),
        ] {
            // Where the tests' providers are not the only ones, the last default is known.
            if body == json!({"refresh_token": "rt_hidden"}) && !ids_of_providers(&app).await.iter().all(|name| name == "stub") {
                continue;
            }
            let answer = app.post(TOKENS, &body).root().send().await;
            let expected: Vec<_> = found.iter().map(|(field, code)| ((*field).to_owned(), (*code).to_owned())).collect();
            assert_eq!(errors(&answer), expected, "{body}");
            assert!(!answer.text().contains("hidden"), "{}", answer.text());
        }
        app.call("POST", TOKENS).root().text("{").send().await.problem(400, "MALFORMED_REQUEST");
        assert_eq!(app.get(TOKENS).root().send().await.expect(200)["total"], 0);
        let longest = json!({"refresh_token": "x".repeat(16_384), "provider": "stub", "biz_id": "键".repeat(191), "memo": "🀄".repeat(10_000)});
        app.post(TOKENS, &longest).root().send().await.expect(201);
    }

    async fn a_token_and_a_name_belong_to_one_account(app: TestApp) {
        let first = app.new_account("rt_the_first_one", &json!({"biz_id": "a"})).await;
        let again = json!({"refresh_token": "rt_the_first_one", "provider": "stub", "biz_id": "b"});
        let answer = app.post(TOKENS, &again).root().send().await;
        let problem = answer.problem(409, "TOKEN_EXISTS");
        assert_eq!((&problem["id"], &problem["biz_id"]), (&first["id"], &json!("a")));
        assert!(!answer.text().contains("rt_the_first_one"));
        let named = json!({"refresh_token": "rt_another_one", "provider": "stub", "biz_id": "a"});
        let problem = app.post(TOKENS, &named).root().send().await.problem(409, "BIZ_ID_TAKEN");
        assert_eq!(problem["id"], first["id"]);
        let other = app.new_account("rt_another_one", &json!({"biz_id": "A"})).await;
        let patch = |body: Value| app.patch(&path(&other), &body).root().send();
        assert_eq!(patch(json!({"refresh_token": "rt_the_first_one"})).await.problem(409, "TOKEN_EXISTS")["id"], first["id"]);
        assert_eq!(patch(json!({"biz_id": "a"})).await.problem(409, "BIZ_ID_TAKEN")["biz_id"], "a");
        assert_eq!(app.get(&path(&other)).root().send().await.expect(200), other, "a refused change changes nothing");
    }

    async fn of_many_who_store_one_token_at_once_one_succeeds(app: TestApp) {
        app.database.new_provider("stub").await;
        for round in 0..3 {
            let body = |nth: usize| json!({"refresh_token": format!("rt_{round}"), "provider": "stub", "biz_id": format!("{round}/{nth}")});
            let racing = (0..8).map(|nth| app.post(TOKENS, &body(nth)).root().send());
            let answers = futures_util::future::join_all(racing).await;
            let made: Vec<Value> = answers.iter().filter(|answer| answer.status == 201).map(Answer::json).collect();
            assert_eq!(made.len(), 1, "{answers:?}");
            for lost in answers.iter().filter(|answer| answer.status != 201) {
                assert_eq!(lost.problem(409, "TOKEN_EXISTS")["id"], made[0]["id"]);
            }
        }
        assert_eq!(app.get(TOKENS).root().send().await.expect(200)["total"], 3);
    }

    async fn a_patch_changes_what_it_names_and_clears_what_is_null(app: TestApp) {
        let made = app.new_account("rt_0123456789", &json!({"biz_id": "a", "email": "a@example.org", "tag": "t", "memo": "m", "client_id": "app_a",
            "user_name": "Ann", "type": "plus", "proxy": "http://u:p@proxy.example:8080"})).await;
        app.database.new_provider("other").await;
        app.clock.advance_millis(7);
        let patch = json!({"biz_id": " b ", "provider": "other", "email": null, "tag": "u", "memo": null, "client_id": "app_b", "proxy": null, "enabled": false});
        let changed = app.patch(&path(&made), &patch).root().send().await.expect(200);
        let mut expected = made.clone();
        for (name, value) in [("biz_id", json!("b")), ("provider", json!("other")), ("email", Value::Null), ("tag", json!("u")), ("memo", Value::Null),
            ("client_id", json!("app_b")), ("proxy", Value::Null), ("enabled", json!(false)), ("updated_at", json!("2026-11-21T04:31:00.007Z"))] {
            expected[name] = value;
        }
        assert_eq!(changed, expected, "what is absent stays");
        for (body, field, code) in [
            (json!({"biz_id": null}), "biz_id", "required"), (json!({"provider": null}), "provider", "required"), (json!({"refresh_token": null}), "refresh_token", "required"),
            (json!({"enabled": null}), "enabled", "required"), (json!({"provider": "nobody"}), "provider", "unknown"), (json!({"state": "ok"}), "state", "unknown_field"),
            (json!({"proxy": "nowhere"}), "proxy", "format"), (json!({"tag": "x".repeat(192)}), "tag", "length"), (json!({"memo": 5}), "memo", "type"),
        ] {
            let answer = app.patch(&path(&made), &body).root().send().await;
            assert_eq!(errors(&answer), [(field.to_owned(), code.to_owned())], "{body}");
        }
        let proxied = app.patch(&path(&made), &json!({"proxy": "socks5://u:hidden@proxy.example:1080"})).root().send().await;
        assert_eq!(proxied.expect(200)["proxy"], "socks5://proxy.example:1080");
        let events = app.get(&format!("{}/events", path(&made))).root().send().await.expect(200);
        let kinds: Vec<&str> = events["items"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["edited", "edited", "created"]);
    }

    async fn a_new_refresh_token_begins_anew_and_outruns_a_refresh_under_way(app: TestApp) {
        let made = app.new_account("rt_of_old_0123456789", &json!({})).await;
        let id = &made["id"];
        set(&app, id, |row| {
            row.state = Set("dead".to_owned());
            row.failure_class = Set(Some("permanent.expired".to_owned()));
            row.failure_detail = Set(Some("it has expired".to_owned()));
            row.failure_count = Set(3);
            row.dead_hash = Set(Some("d".repeat(64)));
            row.retry_after = Set(Some(UtcMillis(5)));
            row.next_refresh_at = Set(Some(UtcMillis(5)));
            row.version = Set(4);
            row.lease_epoch = Set(9);
            row.access_expires_at = Set(Some(UtcMillis(77)));
        }).await;
        let same = app.patch(&path(&made), &json!({"refresh_token": "rt_of_old_0123456789", "tag": "t"})).root().send().await.expect(200);
        assert_eq!((&same["state"], &same["version"], &same["tag"]), (&json!("dead"), &json!(4), &json!("t")), "the same token is as dead as before");
        let changed = app.patch(&path(&made), &json!({"refresh_token": "rt_of_new_abcdefghij"})).root().send().await.expect(200);
        assert_eq!((&changed["state"], &changed["version"], &changed["refresh_token_last6"]), (&json!("new"), &json!(5), &json!("efghij")));
        for cleared in ["failure_class", "failure_detail", "retry_after", "next_refresh_at"] {
            assert_eq!(changed[cleared], Value::Null, "{cleared}");
        }
        assert_eq!((&changed["failure_count"], &changed["has_previous_refresh_token"]), (&json!(0), &json!(true)));
        let database = app.database.connect().await;
        let row = row(&database, id).await;
        assert_eq!((row.dead_hash, row.lease_epoch, row.access_expires_at), (None, 9, Some(UtcMillis(77))), "other columns stay");
        database.close().await.unwrap();
        let reveal = async |field: &str| app.post(&format!("{}/reveal", path(&made)), &json!({"field": field})).root().send().await.expect(200)["value"].clone();
        assert_eq!(reveal("refresh_token").await, "rt_of_new_abcdefghij");
        assert_eq!(reveal("previous_refresh_token").await, "rt_of_old_0123456789");
        app.new_account("rt_of_old_0123456789", &json!({})).await;
    }

    async fn accounts_are_found_by_what_is_asked_for(app: TestApp) {
        let one = app.new_account("rt_1_0123456789", &json!({"biz_id": "Team-A", "email": "ann@example.org", "tag": "Alpha", "type": "plus", "memo": "100% _sure_!"})).await;
        let two = app.new_account("rt_2_0123456789", &json!({"biz_id": "team-b", "email": "bob@example.org", "tag": "beta", "enabled": false, "user_name": "Bob"})).await;
        app.database.new_provider("other").await;
        let three = app.new_account("rt_3_0123456789", &json!({"biz_id": "c", "provider": "other", "email": "ANN@example.org"})).await;
        let now = app.clock.now();
        set(&app, &one["id"], |row| { row.access_expires_at = Set(Some(now.plus_seconds(60))); row.state = Set("ok".to_owned()); }).await;
        set(&app, &two["id"], |row| row.access_expires_at = Set(Some(now))).await;
        let [one, two, three] = [one, two, three].map(|account| account["id"].as_i64().unwrap());
        for (query, found) in [
            ("", vec![three, two, one]), ("biz_id=Team-A", vec![one]), ("biz_id=team-a", vec![]), ("email=ann@EXAMPLE.org", vec![three, one]),
            ("tag=alpha", vec![one]), ("type=plus", vec![one]), ("state=ok", vec![one]), ("state=new", vec![three, two]), ("enabled=false", vec![two]),
            ("enabled=true", vec![three, one]), ("provider=other", vec![three]), ("expiring_within=60", vec![one]), ("expiring_within=59", vec![]),
            ("search=TEAM", vec![two, one]), ("search=bob", vec![two]), ("search=alph", vec![one]), ("search=%25", vec![one]), ("search=_sure_!", vec![one]),
            ("search=0%25", vec![one]), ("search=nothing", vec![]), ("search=", vec![three, two, one]), ("provider=stub&enabled=true&search=example", vec![one]), ("unknown=1", vec![three, two, one]),
        ] {
            assert_eq!(ids(&app, query).await, found, "{query}");
        }
        for bad in ["state=odd", "enabled=perhaps", "expiring_within=-1", "expiring_within=x", "sort=memo", "limit=0", "limit=201", "cursor=x"] {
            app.get(&format!("{TOKENS}?{bad}")).root().send().await.problem(422, "INVALID_REQUEST");
        }
    }

    async fn every_order_pages_without_loss_or_repetition_while_others_are_made(app: TestApp) {
        let mut known = HashSet::new();
        for nth in 0..9_i64 {
            let email = (nth % 3 > 0).then(|| format!("{}@example.org", ["a", "B", "c"][usize::try_from(nth / 3).unwrap()]));
            let made = app.new_account(&format!("rt_{nth}_0123456789"), &json!({"email": email})).await;
            let time = (nth % 4 > 0).then(|| UtcMillis(1_000 + nth / 4));
            set(&app, &made["id"], |row| { row.access_expires_at = Set(time); row.next_refresh_at = Set(time); row.last_refresh_at = Set(time); }).await;
            known.insert(made["id"].as_i64().unwrap());
            app.clock.advance_millis(nth % 2);
        }
        let mut later = 0;
        for sort in ["created_at", "access_expires_at", "next_refresh_at", "last_refresh_at", "email"].iter().flat_map(|name| [(*name).to_owned(), format!("-{name}")]) {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = app.get(&format!("{TOKENS}?limit=2&sort={sort}{cursor}")).root().send().await;
                assert_eq!(page.header("link").is_some(), page.json()["next_cursor"].is_string());
                let page = page.expect(200);
                seen.extend(page["items"].as_array().unwrap().iter().cloned());
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
                if later < 12 {
                    later += 1;
                    app.new_account(&format!("rt_later_{later}_0123456789"), &json!({"email": "b@example.org"})).await;
                }
            }
            let ids: Vec<i64> = seen.iter().map(|item| item["id"].as_i64().unwrap()).collect();
            assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{sort}: none twice");
            assert!(known.iter().all(|id| ids.contains(id)), "{sort}: none lost");
            let (name, descends) = sort.strip_prefix('-').map_or((sort.as_str(), false), |name| (name, true));
            let key = |item: &Value| (item[name].as_str().map(str::to_lowercase), item["id"].as_i64());
            assert!(seen.is_sorted_by(|a, b| if descends { key(a) > key(b) } else { key(a) < key(b) }), "{sort}");
            let foreign = if descends { "sort=email" } else { "sort=-email" };
            app.get(&format!("{TOKENS}?{foreign}{cursor}")).root().send().await.problem(422, "INVALID_REQUEST");
        }
    }

    async fn each_scope_opens_its_own_part_and_nothing_else(app: TestApp) {
        let made = app.new_account("rt_0123456789", &json!({})).await;
        let path = path(&made);
        let calls = [
            ("GET", TOKENS.to_owned(), json!(null), "tokens:read"), ("GET", path.clone(), json!(null), "tokens:read"), ("GET", format!("{path}/events"), json!(null), "tokens:read"),
            ("GET", format!("{TOKENS}/stats"), json!(null), "tokens:read"), ("POST", TOKENS.to_owned(), json!({"refresh_token": "rt_new", "provider": "stub"}), "tokens:write"),
            ("PATCH", path.clone(), json!({"tag": "x"}), "tokens:write"), ("POST", format!("{TOKENS}/import"), json!({"format": "text", "content": ""}), "tokens:write"),
            ("POST", format!("{TOKENS}/batch-update"), json!({"ids": [9], "set": {"tag": "x"}}), "tokens:write"), ("POST", format!("{TOKENS}/batch-delete"), json!({"ids": [99]}), "tokens:write"),
            ("POST", format!("{path}/refresh"), json!(null), "tokens:refresh"), ("POST", format!("{TOKENS}/batch-refresh"), json!({"ids": [99]}), "tokens:refresh"),
            ("POST", format!("{path}/reveal"), json!({"field": "refresh_token"}), "tokens:reveal"), ("GET", format!("{TOKENS}/export"), json!(null), "tokens:reveal"),
        ];
        for scope in ["tokens:read", "tokens:write", "tokens:refresh", "tokens:reveal", "admin"] {
            let (_, secret) = app.new_secret(scope, &[scope]).await;
            for (method, path, body, needed) in &calls {
                let call = app.call(method, path).secret(&secret);
                let answer = if body.is_null() { call.send().await } else { call.json(body).send().await };
                if scope == *needed || scope == "admin" {
                    assert!(![401, 403, 404].contains(&answer.status), "{scope} {method} {path}: {}", answer.text());
                } else {
                    assert_eq!(answer.problem(403, "SCOPE_MISSING")["scope"], *needed, "{scope} {method} {path}");
                }
            }
        }
        let (_, secret) = app.new_secret("importer", &["tokens:write"]).await;
        let refreshing = json!({"format": "text", "content": "rt_x", "refresh": true});
        let refused = app.post(&format!("{TOKENS}/import"), &refreshing).secret(&secret).send().await;
        assert_eq!(refused.problem(403, "SCOPE_MISSING")["scope"], "tokens:refresh");
        app.delete(&path).secret(&secret).send().await.expect(204);
    }

    async fn a_repeated_create_stores_one_account(app: TestApp) {
        app.database.new_provider("stub").await;
        let body = json!({"refresh_token": "rt_0123456789", "provider": "stub"});
        let create = async |body: &Value| app.post(TOKENS, body).root().header("idempotency-key", "k").send().await;
        let first = create(&body).await;
        let again = create(&body).await;
        assert_eq!((again.expect(201), again.header("location"), again.header("idempotency-replayed")), (first.expect(201), first.header("location"), Some("true")));
        create(&json!({"refresh_token": "rt_another", "provider": "stub"})).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
        let database = app.database.connect().await;
        assert_eq!(refresh_token::Entity::find().count(&database).await.unwrap(), 1);
        database.close().await.unwrap();
    }

    async fn events_are_paged_and_counted_when_asked(app: TestApp) {
        let made = app.new_account("rt_0123456789", &json!({})).await;
        for tag in ["a", "b", "c", "d"] {
            app.patch(&path(&made), &json!({"tag": tag})).root().send().await.expect(200);
        }
        let events = async |query: &str| app.get(&format!("{}/events?{query}", path(&made))).root().send().await;
        let first = events("limit=3").await.expect(200);
        assert_eq!((&first["total"], first["items"].as_array().unwrap().len()), (&Value::Null, 3));
        assert_eq!((&first["items"][0]["kind"], &first["items"][0]["cause"], &first["items"][0]["detail"]), (&json!("edited"), &json!("admin"), &json!("tag")));
        let rest = events(&format!("limit=3&count=true&cursor={}", first["next_cursor"].as_str().unwrap())).await.expect(200);
        assert_eq!((&rest["total"], rest["items"].as_array().unwrap().len(), &rest["items"][1]["kind"]), (&json!(5), 2, &json!("created")));
        for bad in ["limit=0", "cursor=x", "count=perhaps"] {
            events(bad).await.problem(422, "INVALID_REQUEST");
        }
        app.clock.advance_millis(91 * 24 * 3_600_000);
        app.call("POST", "/public-api/jobs/purge/run").root().send().await.expect(202);
        crate::kit::eventually("old events are gone", async || events("count=true").await.expect(200)["total"] == 0).await;
    }

    async fn accounts_are_counted(app: TestApp) {
        let stats = async || app.get(&format!("{TOKENS}/stats")).root().send().await.expect(200);
        let states = json!({"new": 0, "ok": 0, "failing": 0, "dead": 0, "uncertain": 0});
        assert_eq!(stats().await, json!({"total": 0, "enabled": 0, "by_state": states, "by_provider": {}, "by_type": {}, "expiring": {"within_1h": 0, "within_24h": 0}, "due": 0}));
        let now = app.clock.now();
        for (nth, (state, seconds, due)) in [("ok", 3600, 0), ("ok", 3601, 1), ("dead", 86_400, -5), ("failing", 86_401, 0), ("ok", 0, 0)].into_iter().enumerate() {
            let made = app.new_account(&format!("rt_{nth}"), &json!({"type": (nth < 2).then_some("plus"), "enabled": nth != 3})).await;
            set(&app, &made["id"], |row| {
                row.state = Set(state.to_owned());
                row.access_expires_at = Set(Some(now.plus_seconds(seconds)));
                row.next_refresh_at = Set(Some(now.plus_seconds(due)));
            }).await;
        }
        let states = json!({"new": 0, "ok": 3, "failing": 1, "dead": 1, "uncertain": 0});
        assert_eq!(stats().await, json!({"total": 5, "enabled": 4, "by_state": states, "by_provider": {"stub": 5}, "by_type": {"plus": 2, "unknown": 3},
            "expiring": {"within_1h": 1, "within_24h": 3}, "due": 3}));
    }
}

async fn ids_of_providers(app: &TestApp) -> Vec<String> {
    let database = app.database.connect().await;
    let rows = entity::provider::Entity::find().all(&database).await.unwrap();
    database.close().await.unwrap();
    rows.into_iter().map(|row| row.name).collect()
}
