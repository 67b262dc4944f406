//! The command line on accounts and providers, beside a running server.

use std::{os::unix::fs::PermissionsExt, process::Output};

use serde_json::{Value, json};

use crate::kit::{Database, Process};

fn run(database: &Database, arguments: &[&str]) -> Output {
    Process::run(database, arguments)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a command that succeeds prints.
#[track_caller]
fn told(database: &Database, arguments: &[&str]) -> String {
    let output = run(database, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[track_caller]
fn json_of(database: &Database, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = ["--json"].iter().chain(arguments).copied().collect();
    serde_json::from_str(&told(database, &arguments)).unwrap()
}

/// Three accounts of provider `stub`, the first two with a tag.
async fn serve(database: &Database) -> Process {
    let process = Process::serve(database).await;
    database.new_provider("stub").await;
    let lines = "rt_of_ann_1234,ann@example.org,ann\nrt_of_ben_1234,ben@example.org,ben\n";
    std::fs::write(database.folder.join("two.txt"), lines).unwrap();
    std::fs::write(database.folder.join("one.txt"), "rt_of_cid_1234,cid@example.org,cid\n").unwrap();
    told(database, &["tokens", "import", "two.txt", "--provider", "stub", "--tag", "team"]);
    told(database, &["tokens", "import", "one.txt", "--provider", "stub"]);
    process
}

async fn audit(process: &Process, action: &str) -> usize {
    let path = format!("/public-api/audit?actor=cli&action={action}");
    process.call("GET", &path).root().send().await.expect(200)["items"].as_array().unwrap().len()
}

on_each_database! {
    async fn accounts_are_listed_by_what_fits_and_counted(database: Database) {
        let process = serve(&database).await;
        let listed = |arguments: &[&str]| {
            let arguments: Vec<&str> = ["tokens", "list"].iter().chain(arguments).copied().collect();
            let page = json_of(&database, &arguments);
            page["items"].as_array().unwrap().iter().map(|one| one["biz_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(listed(&[]), ["cid", "ben", "ann"]);
        assert_eq!(listed(&["--tag", "team"]), ["ben", "ann"]);
        assert_eq!(listed(&["--email", "ann@example.org", "--state", "new", "--enabled", "true", "--provider", "stub"]), ["ann"]);
        assert!(listed(&["--state", "dead"]).is_empty() && listed(&["--enabled", "false"]).is_empty());
        assert_eq!(run(&database, &["tokens", "list", "--state", "well"]).status.code(), Some(2));
        let stats = told(&database, &["tokens", "stats"]);
        assert!(stats.starts_with("3 accounts, 3 enabled, 0 due\n") && stats.contains("state\tnew\t3\n") && stats.contains("provider\tstub\t3\n"), "{stats}");
        assert_eq!(json_of(&database, &["tokens", "stats"])["by_state"]["new"], 3);
        drop(process);
        database.drop().await;
    }

    async fn accounts_are_disabled_enabled_and_deleted_and_that_is_on_record(database: Database) {
        let process = serve(&database).await;
        assert_eq!(told(&database, &["tokens", "disable", "--tag", "team"]), "2 of 2 done\n");
        assert_eq!(json_of(&database, &["tokens", "stats"])["enabled"], 1);
        assert_eq!(told(&database, &["tokens", "enable", "1"]), "1 of 1 done\n");
        assert_eq!(json_of(&database, &["tokens", "list", "--enabled", "true"])["total"], 2);
        let events = told(&database, &["tokens", "events", "1"]);
        assert_eq!(events.lines().filter(|line| line.contains("\tedited\tadmin\t\tenabled")).count(), 2, "{events}");
        let gone = run(&database, &["tokens", "enable", "1", "999"]);
        assert_eq!((gone.status.code(), text(&gone.stdout).as_str()), (Some(1), "account 999: ACCOUNT_NOT_FOUND\n1 of 2 done\n"));
        assert_eq!(run(&database, &["tokens", "events", "999"]).status.code(), Some(1));
        // Nobody has decided.
        assert_eq!(run(&database, &["tokens", "delete", "--all"]).status.code(), Some(3));
        assert_eq!(json_of(&database, &["tokens", "stats"])["total"], 3);
        assert_eq!(run(&database, &["tokens", "delete", "--yes"]).status.code(), Some(2), "which accounts?");
        let deleted = json_of(&database, &["tokens", "delete", "--tag", "team", "--yes"]);
        assert_eq!(deleted["results"], json!([{"id": 1, "status": 204, "code": null}, {"id": 2, "status": 204, "code": null}]));
        assert_eq!(json_of(&database, &["tokens", "stats"])["total"], 1);
        assert_eq!((audit(&process, "batch_update").await, audit(&process, "batch_delete").await), (3, 1));
        drop(process);
        database.drop().await;
    }

    async fn accounts_are_exported_on_purpose_and_that_is_on_record(database: Database) {
        let process = serve(&database).await;
        let exported: Value = serde_json::from_str(&told(&database, &["tokens", "export", "--tag", "team"])).unwrap();
        let tokens: Vec<_> = exported.as_array().unwrap().iter().map(|one| &one["refresh_token"]).collect();
        assert_eq!(tokens, ["rt_of_ann_1234", "rt_of_ben_1234"]);
        let nothing = told(&database, &["tokens", "export", "--format", "txt", "--output", "out.txt"]);
        assert_eq!(nothing, "");
        let file = database.folder.join("out.txt");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "rt_of_ann_1234\nrt_of_ben_1234\nrt_of_cid_1234\n");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(run(&database, &["tokens", "export", "--output", "out.txt"]).status.code(), Some(1), "it is there");
        assert_eq!(audit(&process, "export").await, 2);
        // What was exported can be imported again.
        told(&database, &["tokens", "delete", "--all", "--yes"]);
        let again = told(&database, &["tokens", "import", "out.txt", "--provider", "stub"]);
        assert_eq!(again, "3 created, 0 duplicate, 0 invalid\n");
        drop(process);
        database.drop().await;
    }

    async fn providers_are_paused_and_resumed_and_that_is_on_record(database: Database) {
        let process = serve(&database).await;
        assert_eq!(told(&database, &["providers", "pause", "stub", "--reason", "they moved"]), "");
        assert!(told(&database, &["providers", "list"]).contains("stub\tpaused\thttp://127.0.0.1:9/token\tthey moved\n"));
        let shown = process.call("GET", "/public-api/providers/stub").root().send().await.expect(200);
        assert_eq!((&shown["state"], &shown["paused_reason"]), (&json!("paused"), &json!("they moved")));
        let refused = process.call("POST", "/public-api/refresh").root().json(&json!({"biz_id": "ann"})).send().await;
        refused.problem(503, "PROVIDER_PAUSED");
        // Once more changes nothing.
        told(&database, &["providers", "pause", "stub"]);
        assert!(told(&database, &["providers", "list"]).contains("they moved"));
        told(&database, &["providers", "resume", "stub"]);
        assert!(told(&database, &["providers", "list"]).contains("stub\tactive\t"));
        let not_paused = run(&database, &["providers", "resume", "stub"]);
        assert_eq!(not_paused.status.code(), Some(1));
        for command in ["pause", "resume"] {
            assert_eq!(run(&database, &["providers", command, "nobody"]).status.code(), Some(1));
        }
        assert_eq!((audit(&process, "pause").await, audit(&process, "resume").await), (1, 1));
        drop(process);
        database.drop().await;
    }
}
