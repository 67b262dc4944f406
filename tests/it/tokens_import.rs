//! Imports: formats, odd input, limits, what comes of each line.

use serde_json::{Value, json};

use crate::{
    kit::{Answer, TestApp, eventually},
    tokens::errors,
};

async fn import(app: &TestApp, format: &str, content: Value) -> Answer {
    let body = json!({"format": format, "content": content, "defaults": {"provider": "stub"}});
    app.post("/public-api/tokens/import", &body).root().send().await
}

/// Number, status and reason of each line.
fn lines(done: &Value) -> Vec<(i64, String, String)> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let line = |line: &Value| (line["line"].as_i64().unwrap(), text(line, "status"), text(line, "reason"));
    done["results"].as_array().unwrap().iter().map(line).collect()
}

fn is(number: i64, status: &str, reason: &str) -> (i64, String, String) {
    (number, status.to_owned(), reason.to_owned())
}

on_both! {
    async fn each_line_is_answered_in_order_and_a_bad_one_stops_nothing(app: TestApp) {
        let there = app.new_account("rt_there", &json!({"biz_id": "there"})).await;
        let text = "\u{feff}rt_one\r\n\r\nann@example.org----rt=rt_two\r\nrefresh_token=rt_one\r\nrt_there\r\nrt with blanks\r\nrt_three,bob@example.org,there,memo\r\n\
                    rt_four,cid@example.org,four,\"memo, quoted\"\r\nrt_five,,four,\r\nrt=\r\nrt_six键";
        let done = import(&app, "text", json!(text)).await.expect(200);
        assert_eq!(lines(&done), [
            is(1, "created", ""), is(3, "created", ""), is(4, "duplicate", "line 1 has the same refresh token"),
            is(5, "duplicate", &format!("account {} ('there') has the same refresh token", there["id"])),
            is(6, "invalid", "refresh_token must be visible ASCII characters without blanks"), is(7, "invalid", &format!("account {} has the same biz_id", there["id"])),
            is(8, "created", ""), is(9, "invalid", "line 8 has the same biz_id"), is(10, "invalid", "refresh_token is required"),
            is(11, "invalid", "refresh_token must be visible ASCII characters without blanks"),
        ]);
        assert_eq!((&done["created"], &done["duplicate"], &done["invalid"], &done["task_id"]), (&json!(3), &json!(2), &json!(5), &Value::Null));
        let two = app.get(&format!("/public-api/tokens/{}", done["results"][1]["id"])).root().send().await.expect(200);
        assert_eq!((&two["email"], &two["state"], &two["next_refresh_at"], &two["enabled"]), (&json!("ann@example.org"), &json!("new"), &Value::Null, &json!(true)));
        let four = app.get("/public-api/tokens?biz_id=four").root().send().await.expect(200);
        assert_eq!((&four["items"][0]["memo"], &four["items"][0]["email"]), (&json!("memo, quoted"), &json!("cid@example.org")));
        let again = import(&app, "text", json!(text)).await.expect(200);
        assert_eq!((&again["created"], &again["duplicate"]), (&json!(0), &json!(5)), "what is there stays: {again}");
        let events = app.get(&format!("/public-api/tokens/{}/events", two["id"])).root().send().await.expect(200);
        assert_eq!(events["items"][0]["kind"], "imported");
        let audit = app.get("/public-api/audit?action=import&count=true").root().send().await.expect(200);
        assert_eq!((&audit["total"], audit["items"][0]["changes"]["ids"].as_array().unwrap().len()), (&json!(1), 3));
    }

    async fn a_line_goes_before_the_defaults(app: TestApp) {
        app.database.new_provider("stub").await;
        app.database.new_provider("other").await;
        let defaults = json!({"provider": "stub", "client_id": "app_d", "proxy": "http://u:p@proxy.example:1", "tag": "d", "enabled": false});
        let table = "rt,provider,client_id,proxy,tag,enabled\nrt_1,,,,,\nrt_2,other,app_l,socks5://proxy.example:2,l,true\nrt_3,nobody,,,,\nrt_4,,,ftp://x,,perhaps\nrt_5,,,ftp://x,,\n";
        let body = json!({"format": "csv", "content": table, "defaults": defaults});
        let done = app.post("/public-api/tokens/import", &body).root().send().await.expect(200);
        assert_eq!(lines(&done), [
            is(2, "created", ""), is(3, "created", ""), is(4, "invalid", "there is no such provider"), is(5, "invalid", "enabled must be true or false"),
            is(6, "invalid", "proxy must begin with http://, https://, socks5:// or socks5h://"),
        ]);
        let account = async |nth: usize| app.get(&format!("/public-api/tokens/{}", done["results"][nth]["id"])).root().send().await.expect(200);
        let of = |account: &Value| ["provider", "client_id", "proxy", "tag", "enabled"].map(|name| account[name].clone());
        assert_eq!(of(&account(0).await), [json!("stub"), json!("app_d"), json!("http://proxy.example:1"), json!("d"), json!(false)]);
        assert_eq!(of(&account(1).await), [json!("other"), json!("app_l"), json!("socks5://proxy.example:2"), json!("l"), json!(true)]);
    }

    async fn a_list_is_taken_as_json_or_as_a_text_of_it(app: TestApp) {
        app.database.new_provider("stub").await;
        // As another system exports its accounts.
        let foreign = json!({"id": 3, "create_time": "x", "biz_id": "f", "rt": "rt_3", "at": "at", "proxy": "", "client_id": "", "tag": "", "enabled": true, "memo": ""});
        let list = json!(["rt_1", {"refresh_token": "rt_2", "type": "team"}, foreign, {"rt": "rt_4", "biz_id": 5}, 7, {}, "rt_1"]);
        for (content, expected) in [(list.clone(), "created"), (json!(format!("\u{feff} {list}")), "duplicate")] {
            let done = import(&app, "json", content).await.expect(200);
            let found = lines(&done);
            assert!(found[..3].iter().all(|(_, status, _)| status == expected), "{found:?}");
            assert!(found[3..6].iter().all(|(_, status, _)| status == "invalid"), "{found:?}");
            assert_eq!((found[6].0, found[6].1.as_str()), (7, "duplicate"));
        }
        let odd = app.get("/public-api/tokens?biz_id=f").root().send().await.expect(200);
        assert_eq!((&odd["items"][0]["proxy"], &odd["items"][0]["memo"]), (&Value::Null, &Value::Null));
    }

    async fn what_cannot_be_imported_at_all_is_refused_as_a_whole(app: TestApp) {
        app.database.new_provider("stub").await;
        let eleven: String = (0..10_001).map(|nth| format!("rt_{nth}\n")).collect();
        for (format, content, field) in [
            ("text", json!(["rt"]), "content"), ("text", json!(7), "content"), ("csv", json!("rt_1\nrt_2\n"), "content"), ("csv", json!(""), "content"),
            ("json", json!("rt_1"), "content"), ("json", json!({"rt": "x"}), "content"), ("text", json!(eleven), "content"), ("csv", json!(format!("rt\n{eleven}")), "content"),
            ("json", json!(vec!["rt"; 10_001]), "content"), ("xml", json!(""), "format"),
        ] {
            let answer = import(&app, format, content).await;
            assert_eq!(errors(&answer)[0].0, field, "{format}");
        }
        for (defaults, field) in [
            (json!({"provider": "nobody"}), "defaults.provider"), (json!({"proxy": "ftp://x"}), "defaults.proxy"), (json!({"tag": "x".repeat(192)}), "defaults.tag"), (json!({"tga": "x"}), "defaults.tga"),
        ] {
            let answer = app.post("/public-api/tokens/import", &json!({"format": "text", "content": "rt", "defaults": defaults})).root().send().await;
            assert_eq!(errors(&answer)[0].0, field);
        }
        assert_eq!(errors(&app.post("/public-api/tokens/import", &json!({"format": "text"})).root().send().await)[0], ("content".to_owned(), "required".to_owned()));
        let bytes = b"{\"format\": \"text\", \"content\": \"rt_\xff\xfe\"}".to_vec();
        app.call("POST", "/public-api/tokens/import").root().text(bytes).send().await.problem(400, "MALFORMED_REQUEST");
        app.call("POST", "/public-api/tokens/import").root().text("{\"format\": \"text\", \"content\": \"\\ud800\"}").send().await.problem(422, "INVALID_REQUEST");
        assert_eq!(app.get("/public-api/tokens").root().send().await.expect(200)["total"], 0);
        assert_eq!(import(&app, "text", json!("\n \r\n")).await.expect(200)["results"], json!([]));
    }

    async fn ten_thousand_lines_are_stored_with_the_long_ones_left_out(app: TestApp) {
        app.database.new_provider("stub").await;
        let mut all: Vec<String> = (0..9_998).map(|nth| format!("rt_{nth}")).collect();
        all.push("x".repeat(16 * 1024 + 1));
        all.push("y".repeat(16 * 1024));
        let done = import(&app, "text", json!(all.join("\n"))).await.expect(200);
        assert_eq!((&done["created"], &done["invalid"]), (&json!(9_999), &json!(1)));
        assert_eq!(lines(&done)[9_998], is(9_999, "invalid", "is longer than 16 KiB"));
        assert_eq!(app.get("/public-api/tokens?limit=1").root().send().await.expect(200)["total"], 9_999);
        let last = &done["results"][9_997]["id"];
        let token = app.post(&format!("/public-api/tokens/{last}/reveal"), &json!({"field": "refresh_token"})).root().send().await.expect(200);
        assert_eq!(token["value"], "rt_9997", "each box is in its own row");
    }

    async fn two_imports_of_the_same_lines_at_once_store_each_token_once(app: TestApp) {
        app.database.new_provider("stub").await;
        let text: String = (0..600).map(|nth| format!("rt_{nth}\n")).collect();
        let both = futures_util::future::join(import(&app, "text", json!(text)), import(&app, "text", json!(text))).await;
        let (one, two) = (both.0.expect(200), both.1.expect(200));
        let sum = |name: &str| one[name].as_i64().unwrap() + two[name].as_i64().unwrap();
        assert_eq!((sum("created"), sum("duplicate"), sum("invalid")), (600, 600, 0));
        assert_eq!(app.get("/public-api/tokens?limit=1").root().send().await.expect(200)["total"], 600);
    }
}

on_both_with! {
    |config| config.security.allow_private_targets = true;

    async fn the_first_refresh_of_what_was_imported_is_a_task_to_follow(app: TestApp) {
        app.new_account("rt_there", &json!({})).await;
        let body = json!({"format": "text", "content": "rt_1\nrt_there\nrt_2", "defaults": {"provider": "stub"}, "refresh": true});
        let done = app.post("/public-api/tokens/import", &body).root().send().await.expect(200);
        let path = format!("/public-api/tasks/{}", done["task_id"].as_str().unwrap());
        let mut task = Value::Null;
        eventually("all are refreshed", async || {
            task = app.get(&path).root().send().await.expect(200);
            task["state"] == "done"
        }).await;
        let ids: Vec<&Value> = task["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
        assert_eq!(ids, [&done["results"][0]["id"], &done["results"][2]["id"]], "the new ones, in order");
        let nothing = json!({"format": "text", "content": "rt_1", "defaults": {"provider": "stub"}, "refresh": true});
        assert_eq!(app.post("/public-api/tokens/import", &nothing).root().send().await.expect(200)["task_id"], Value::Null);
    }
}
