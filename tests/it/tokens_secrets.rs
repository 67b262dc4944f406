//! Tokens and proxies: where they are, where they are not, and who is shown them.

use std::fs;

use entity::{refresh_event, refresh_token};
use latchkey::base::{sealed::Place, secret::Secret};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel};
use serde_json::{Value, json};

use crate::kit::{Database, TestApp, block_on};

const TOKENS: &str = "/public-api/tokens";
const SECRETS: [&str; 4] =
    ["rt_planted_5f0c2b7d1193", "rt_planted_second_4a518c", "planted-proxy-password", "at_planted_8c3e0198f1b2"];

fn place(id: i64, column: &str) -> Place<'_> {
    Place { table: "refresh_token", id, column }
}

/// An account with every secret planted in it.
async fn planted(app: &TestApp) -> i64 {
    let more = json!({"proxy": format!("http://user:{}@proxy.example:8080", SECRETS[2])});
    let id = app.new_account(SECRETS[0], &more).await["id"].as_i64().unwrap();
    app.patch(&format!("{TOKENS}/{id}"), &json!({"refresh_token": SECRETS[1]})).root().send().await.expect(200);
    let database = app.database.connect().await;
    let mut row = refresh_token::Entity::find_by_id(id).one(&database).await.unwrap().unwrap().into_active_model();
    row.access_token = Set(Some(place(id, "access_token").seal(&app.state.sealer, &Secret::new(SECRETS[3])).unwrap()));
    row.update(&database).await.unwrap();
    database.close().await.unwrap();
    id
}

on_both! {
    async fn no_answer_audit_event_or_row_holds_a_secret(app: TestApp) {
        let id = planted(&app).await;
        let mut texts = Vec::new();
        for path in [TOKENS.to_owned(), format!("{TOKENS}/{id}"), format!("{TOKENS}/{id}/events"), format!("{TOKENS}/stats"), "/public-api/audit?limit=200".to_owned()] {
            texts.push(app.get(&path).root().send().await.text());
        }
        let again = json!({"refresh_token": SECRETS[1], "provider": "stub"});
        texts.push(app.post(TOKENS, &again).root().send().await.text());
        let lines = json!({"format": "text", "content": format!("{0}\n{0} blank\n", SECRETS[1]), "defaults": {"provider": "stub"}});
        texts.push(app.post(&format!("{TOKENS}/import"), &lines).root().send().await.text());
        let set = json!({"ids": [id], "set": {"proxy": format!("http://user:{}@proxy.example:8080", SECRETS[2])}});
        texts.push(app.post(&format!("{TOKENS}/batch-update"), &set).root().send().await.text());
        texts.push(app.get("/public-api/audit?limit=200").root().send().await.text());
        let database = app.database.connect().await;
        texts.push(format!("{:?}", refresh_token::Entity::find().all(&database).await.unwrap()));
        texts.push(format!("{:?}", refresh_event::Entity::find().all(&database).await.unwrap()));
        database.close().await.unwrap();
        for secret in SECRETS {
            for text in &texts {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
    }

    async fn a_token_is_shown_on_purpose_and_that_is_on_record(app: TestApp) {
        let id = planted(&app).await;
        let path = format!("{TOKENS}/{id}/reveal");
        let (_, secret) = app.new_secret("viewer", &["tokens:reveal"]).await;
        for (field, value) in [("refresh_token", SECRETS[1]), ("previous_refresh_token", SECRETS[0]), ("access_token", SECRETS[3])] {
            let answer = app.post(&path, &json!({"field": field})).secret(&secret).send().await;
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.expect(200), json!({"id": id, "field": field, "value": value}));
        }
        app.post(&path, &json!({"field": "id_token"})).root().send().await.problem(409, "NOTHING_TO_REVEAL");
        app.post(&format!("{TOKENS}/4711/reveal"), &json!({"field": "id_token"})).root().send().await.problem(404, "ACCOUNT_NOT_FOUND");
        for bad in [json!({}), json!({"field": "proxy"}), json!({"field": "id_token", "why": 1})] {
            app.post(&path, &bad).root().send().await.problem(422, "INVALID_REQUEST");
        }
        let audit = app.get("/public-api/audit?action=reveal&entity=refresh_token&count=true").root().send().await.expect(200);
        assert_eq!((&audit["total"], &audit["items"][0]["actor"], &audit["items"][0]["entity_id"]), (&json!(3), &json!("secret:viewer"), &json!(id.to_string())));
        assert_eq!(audit["items"][0]["changes"], json!({"field": "access_token"}));
        let events = app.get(&format!("{TOKENS}/{id}/events")).root().send().await.expect(200);
        assert_eq!((&events["items"][0]["kind"], &events["items"][0]["detail"]), (&json!("revealed"), &json!("access_token")));
    }

    async fn a_box_that_was_moved_to_another_account_or_column_does_not_open(app: TestApp) {
        let id = planted(&app).await;
        let other = app.new_account("rt_of_the_other", &json!({})).await["id"].as_i64().unwrap();
        let database = app.database.connect().await;
        let row = refresh_token::Entity::find_by_id(id).one(&database).await.unwrap().unwrap();
        let mut stolen = refresh_token::Entity::find_by_id(other).one(&database).await.unwrap().unwrap().into_active_model();
        stolen.refresh_token = Set(row.refresh_token.clone());
        stolen.access_token = Set(Some(row.refresh_token.clone()));
        stolen.proxy = Set(row.proxy.clone());
        stolen.update(&database).await.unwrap();
        database.close().await.unwrap();
        for field in ["refresh_token", "access_token"] {
            let answer = app.state.sealer.unseal(&format!("refresh_token/{other}/{field}"), &row.refresh_token);
            assert!(answer.is_err(), "{field}");
        }
        assert_eq!(app.get(&format!("{TOKENS}/{other}")).root().send().await.expect(200)["proxy"], "unreadable");
        let exported = app.get(&format!("{TOKENS}/export")).root().send().await.expect(200);
        let lines: Vec<(&Value, &Value)> = exported.as_array().unwrap().iter().map(|one| (&one["id"], &one["refresh_token"])).collect();
        assert_eq!(lines, [(&json!(id), &json!(SECRETS[1])), (&json!(other), &Value::Null)], "it keeps no other account back");
    }

    async fn an_export_can_be_imported_again_and_holds_no_formula(app: TestApp) {
        let odd = json!({"biz_id": "=1+1", "email": "+ann@example.org", "tag": "@home", "memo": "a \"quoted\", line\nand another", "proxy": "http://u:p@proxy.example:8080", "enabled": false, "client_id": "-x", "type": "plus", "user_name": "'=Ann"});
        app.new_account("-rt_begins_with_a_dash", &odd).await;
        app.new_account("rt_plain", &json!({"biz_id": "plain"})).await;
        let export = async |query: &str| app.get(&format!("{TOKENS}/export{query}")).root().send().await;
        let whole = export("?format=json").await;
        assert_eq!((whole.header("cache-control"), whole.header("content-disposition")), (Some("no-store"), Some("attachment; filename=\"accounts.json\"")));
        let whole = whole.expect(200);
        assert_eq!(whole[0]["proxy"], "http://u:p@proxy.example:8080");
        assert_eq!(export("?format=txt").await.text(), "-rt_begins_with_a_dash\nrt_plain\n");
        assert_eq!(export("?format=txt&biz_id=plain").await.text(), "rt_plain\n");
        let table = export("?format=csv").await.text();
        for cell in table.split([',', '\n', '"']) {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}: {table}");
        }
        export("?format=xml").await.problem(422, "INVALID_REQUEST");
        for (format, content) in [("csv", table), ("json", whole.to_string()), ("text", "-rt_begins_with_a_dash\nrt_plain\n".to_owned())] {
            let all = app.post(&format!("{TOKENS}/batch-delete"), &json!({"filter": {}})).root().send().await.expect(200);
            assert_eq!(all["results"].as_array().unwrap().len(), 2);
            assert_eq!(export("").await.expect(200), json!([]));
            let body = json!({"format": format, "content": content, "defaults": {"provider": "stub"}});
            let done = app.post(&format!("{TOKENS}/import"), &body).root().send().await.expect(200);
            assert_eq!(done["created"], 2, "{format}: {done}");
            let again = export("").await.expect(200);
            let names: &[&str] = if format == "text" { &["refresh_token"] } else { &["biz_id", "provider", "email", "user_name", "type", "refresh_token", "client_id", "proxy", "tag", "memo", "enabled"] };
            for (name, nth) in names.iter().flat_map(|name| [(name, 0), (name, 1)]) {
                assert_eq!(again[nth][name], whole[nth][name], "{format}: {name}");
            }
        }
        let audit = app.get("/public-api/audit?action=export&count=true").root().send().await.expect(200);
        assert_eq!((&audit["total"], &audit["items"][0]["changes"]), (&json!(10), &json!({"format": "json"})));
    }

    async fn an_export_of_many_pages_is_whole(app: TestApp) {
        app.database.new_provider("stub").await;
        let lines: String = (0..401).map(|nth| format!("rt_{nth}\n")).collect();
        let body = json!({"format": "text", "content": lines, "defaults": {"provider": "stub"}});
        assert_eq!(app.post(&format!("{TOKENS}/import"), &body).root().send().await.expect(200)["created"], 401);
        assert_eq!(app.get(&format!("{TOKENS}/export?format=txt")).root().send().await.text(), lines);
        let list = app.get(&format!("{TOKENS}/export")).root().send().await.expect(200);
        assert_eq!(list.as_array().unwrap().len(), 401);
        let table = app.get(&format!("{TOKENS}/export?format=csv")).root().send().await.text();
        assert_eq!(table.matches("\r\n").count(), 402);
    }
}

#[test]
fn the_file_of_the_database_holds_no_secret() {
    block_on(async {
        let app = TestApp::start(Database::sqlite()).await;
        planted(&app).await;
        let folder = app.database.folder.clone();
        app.halt().await;
        let mut seen = 0;
        for file in fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "the journal of rotations is empty");
                continue;
            }
            let bytes = fs::read(path).unwrap();
            for secret in SECRETS {
                assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
            }
            seen += bytes.len();
        }
        assert!(seen > 100_000, "{seen}");
        fs::remove_dir_all(folder).unwrap();
    });
}
