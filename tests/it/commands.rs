//! The command line: what it prints, and how it ends.

use std::{collections::BTreeMap, process::Output};

use serde_json::{Value, json};

use crate::kit::{Database, Process};

fn run(database: &Database, arguments: &[&str]) -> Output {
    Process::run(database, arguments)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn write(database: &Database, path: &str, content: &str) {
    let path = database.folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn done(database: Database) {
    crate::kit::block_on(database.drop());
}

#[test]
fn every_command_explains_itself() {
    let database = Database::sqlite();
    let mut waiting = vec![Vec::<String>::new()];
    let mut seen = 0;
    while let Some(command) = waiting.pop() {
        let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let output = run(&database, &arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        let help = text(&output.stdout);
        assert!(help.lines().next().is_some_and(|line| line.len() > 10), "{arguments:?}: {help}");
        seen += 1;
        let listed =
            help.split("Commands:\n").nth(1).unwrap_or_default().lines().take_while(|line| line.starts_with("  "));
        for name in listed.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
            waiting.push(command.iter().cloned().chain([name.to_owned()]).collect());
        }
    }
    assert!(seen >= 10, "{seen}");
    done(database);
}

#[test]
fn exit_codes_tell_success_failure_usage_and_a_missing_decision() {
    let database = Database::sqlite();
    assert_eq!(run(&database, &["migrate", "up"]).status.code(), Some(0));
    for usage in [
        &[][..],
        &["nothing"],
        &["serve", "--nothing"],
        &["migrate", "sideways"],
        &["schema"],
        &["--set", "server.port", "serve"],
    ] {
        let output = run(&database, usage);
        assert_eq!(output.status.code(), Some(2), "{usage:?}");
        assert!(output.stdout.is_empty(), "{usage:?}");
    }
    for fails in [
        &["--config", "missing.yml", "config", "check"][..],
        &["--set", "server.prot=1", "config", "check"],
        &["--set", "server.port=0x", "serve"],
    ] {
        let output = run(&database, fails);
        assert_eq!(output.status.code(), Some(1), "{fails:?}");
        assert!(text(&output.stderr).starts_with("latchkey: "), "{fails:?}: {}", text(&output.stderr));
    }
    for command in ["down", "fresh", "refresh", "reset"] {
        let output = run(&database, &["migrate", command]);
        assert_eq!(output.status.code(), Some(3), "{command}");
        assert!(text(&output.stderr).contains("--yes"), "{command}");
    }
    assert!(!text(&run(&database, &["migrate", "status"]).stdout).contains("pending"), "nothing was undone");
    done(database);
}

#[test]
fn a_wrong_configuration_is_named_with_file_and_line() {
    let database = Database::sqlite();
    write(&database, "config/config.yml", "server:\n  port: 8080\n  prot: 1\nkv:\n  rate_read: many\n");
    for command in [&["config", "check"][..], &["serve"], &["migrate", "status"]] {
        let output = run(&database, command);
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let message = text(&output.stderr);
        assert!(
            message.contains("config/config.yml") && message.contains("server.prot") && message.contains('3'),
            "{message}"
        );
        assert!(message.contains("kv.rate_read") && message.contains('5'), "all that is wrong at once: {message}");
    }
    let output = run(&database, &["--json", "config", "check"]);
    let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&checked["ok"], checked["errors"].as_array().map(Vec::len)), (&Value::Bool(false), Some(2)));
    let mut command = Process::command(&database, &["--config", "/dev/null", "config", "check"]);
    let output = command.env("LATCHKEY__SERVER__PROT", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("LATCHKEY__SERVER__PROT"), "{}", text(&output.stderr));
    done(database);
}

#[test]
fn the_example_configuration_is_valid_and_changes_nothing() {
    let database = Database::sqlite();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/config.example.yml");
    let output = run(&database, &["--config", example, "config", "check"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let values = |arguments: &[&str]| -> BTreeMap<String, Value> {
        let mut command = Process::command(&database, arguments);
        let shown: Value = serde_json::from_slice(&command.env_clear().output().unwrap().stdout).unwrap();
        let values = shown.as_object().unwrap().iter().map(|(name, one)| (name.clone(), one["value"].clone()));
        values.collect()
    };
    assert_eq!(
        values(&["--json", "--config", example, "config", "show"]),
        values(&["--json", "--config", "/dev/null", "config", "show"])
    );
    done(database);
}

#[test]
fn the_command_line_outranks_the_environment_outranks_the_file_outranks_the_defaults() {
    let database = Database::sqlite();
    write(
        &database,
        "config/config.yml",
        "server:\n  port: 1001\n  workers: 3\nlog:\n  level: error\nauth:\n  jwt_secret: from-the-file-a-jwt-secret-1234567\n",
    );
    write(
        &database,
        "secrets.yml",
        "auth:\n  jwt_secret: from-secrets-yml\nsecurity:\n  master_key: 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
    );
    let mut command = Process::command(&database, &["--set", "server.port=1003", "config", "show"]);
    let output = command.env("LATCHKEY__SERVER__PORT", "1002").env("LATCHKEY__LOG__LEVEL", "debug").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let line = |name: &str| shown.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {shown}"));
    assert!(line("server.port").contains("1003"));
    assert!(line("log.level").contains("debug") && line("log.level").contains("LATCHKEY__LOG__LEVEL"));
    assert!(line("server.workers").contains('3') && line("server.workers").contains("config/config.yml"));
    assert!(line("auth.jwt_secret").contains("config/config.yml"), "the file outranks secrets.yml");
    assert!(line("security.master_key").contains("secrets.yml"));
    assert!(line("kv.rate_write").contains('0'), "the kit's environment");
    assert!(line("server.shutdown_timeout").contains("30"));
    for secret in ["from-the-file", "from-secrets-yml", "00112233", crate::kit::TestApp::SECRET] {
        assert!(!shown.contains(secret), "{secret} is shown");
    }
    done(database);
}

#[test]
fn a_secret_may_come_from_a_file_and_not_from_two_places() {
    let database = Database::sqlite();
    write(&database, "api-secret", "a-secret-out-of-a-file-1234567890123\n");
    crate::kit::block_on(async {
        let process = Process::serve_with(&database, |command| {
            command.env_remove("LATCHKEY__AUTH__API_SECRET").env("LATCHKEY__AUTH__API_SECRET_FILE", "api-secret");
        });
        let process = process.await;
        process.call("GET", "/public-api/apps").secret("a-secret-out-of-a-file-1234567890123").send().await.expect(200);
    });
    let mut both = Process::command(&database, &["config", "check"]);
    let output = both.env("LATCHKEY__AUTH__API_SECRET_FILE", "api-secret").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("LATCHKEY__AUTH__API_SECRET_FILE"), "{}", text(&output.stderr));
    done(database);
}

#[test]
fn the_doctor_finds_what_is_wrong() {
    let database = Database::sqlite();
    let healthy = run(&database, &["doctor"]);
    assert_eq!(healthy.status.code(), Some(0), "{}", text(&healthy.stdout));
    assert!(run(&database, &["migrate", "up"]).status.success());
    assert_eq!(run(&database, &["doctor"]).status.code(), Some(0));
    assert!(run(&database, &["migrate", "down", "--yes"]).status.success());
    write(&database, "secrets.yml", "auth:\n  jwt_secret: a-secret-that-everybody-can-read-12345\n");
    let ill = run(&database, &["--json", "doctor"]);
    assert_eq!(ill.status.code(), Some(1));
    let findings: Value = serde_json::from_slice(&ill.stdout).unwrap();
    let wrong: Vec<&str> = findings["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["ok"] == false)
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(wrong, ["secrets file", "schema"], "{findings}");
    assert!(!text(&ill.stdout).contains("a-secret-that"), "{findings}");
    done(database);
}

#[test]
fn accounts_are_imported_listed_and_refreshed_beside_a_running_server() {
    let database = Database::sqlite();
    let failed = run(&database, &["tokens", "list"]);
    assert_eq!(failed.status.code(), Some(1), "not initialised");
    crate::kit::block_on(async {
        let process = Process::serve(&database).await;
        database.new_provider("stub").await;
        write(&database, "accounts.txt", "ann@example.org----rt_of_the_file_1\nrt_of_the_file_2,,team-b\n");
        let import = ["tokens", "import", "accounts.txt", "--provider", "stub", "--tag", "t"];
        let done = run(&database, &import);
        assert_eq!((done.status.code(), text(&done.stdout).as_str()), (Some(0), "2 created, 0 duplicate, 0 invalid\n"));
        write(&database, "accounts.txt", "rt_of_the_file_1\nrt of the file\nrt_of_the_file_3\n");
        let mixed = run(&database, &["--json", "tokens", "import", "accounts.txt", "--provider", "stub", "--disabled"]);
        assert_eq!(mixed.status.code(), Some(1));
        let mixed: Value = serde_json::from_slice(&mixed.stdout).unwrap();
        assert_eq!((&mixed["created"], &mixed["duplicate"], &mixed["invalid"]), (&json!(1), &json!(1), &json!(1)));
        let listed = text(&run(&database, &["tokens", "list", "--search", "team"]).stdout);
        assert_eq!(listed, "2\tteam-b\tstub\tnew\t\t\n");
        let all = run(&database, &["--json", "tokens", "list"]);
        assert!(!text(&all.stdout).contains("rt_of_the_file"));
        let all: Value = serde_json::from_slice(&all.stdout).unwrap();
        assert_eq!((&all["total"], &all["items"][0]["enabled"]), (&json!(3), &json!(false)));
        let refreshed = run(&database, &["--json", "tokens", "refresh", "--tag", "t"]);
        let refreshed: Value = serde_json::from_slice(&refreshed.stdout).unwrap();
        assert_eq!(
            (&refreshed["state"], &refreshed["done"], &refreshed["items"][1]["id"]),
            (&json!("done"), &json!(2), &json!(2))
        );
        let providers = text(&run(&database, &["providers", "list"]).stdout);
        assert!(providers.contains("stub\tactive\thttp://127.0.0.1:9/token\t\n"), "{providers}");
        let providers: Value =
            serde_json::from_slice(&run(&database, &["--json", "providers", "list"]).stdout).unwrap();
        assert!(
            providers["items"].as_array().unwrap().iter().any(|one| one["name"] == "stub" && one["state"] == "active")
        );
        let audit = process.call("GET", "/public-api/audit?actor=cli&count=true").root().send().await.expect(200);
        assert_eq!(audit["total"], 3, "two imports and a batch: {audit}");
    });
    assert_eq!(run(&database, &["tokens", "refresh"]).status.code(), Some(2), "which accounts?");
    assert_eq!(run(&database, &["tokens", "refresh", "--all", "7"]).status.code(), Some(2));
    done(database);
}
