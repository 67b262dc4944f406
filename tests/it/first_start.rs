//! The first start and the ones after it, with the real binary.

use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::{Value, json};

use crate::kit::{Database, Process};

/// A command that is given no secret.
fn bare(database: &Database, arguments: &[&str]) -> Command {
    let mut command = Process::command(database, arguments);
    command.env_remove("LATCHKEY__AUTH__API_SECRET");
    command
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A start that has to fail: what it says.
#[track_caller]
fn refused(database: &Database, variables: &[(&str, &str)]) -> String {
    let mut command = bare(database, &["serve"]);
    command
        .env("LATCHKEY__SERVER__HOST", "127.0.0.1")
        .env("LATCHKEY__SERVER__PORT", "0")
        .envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    errors(&output)
}

/// Serves until `during` is over: what it wrote to standard error.
async fn serve(database: &Database, variables: &[(&str, &str)], during: impl AsyncFnOnce(&Process)) -> String {
    let process = Process::serve_with(database, |command| {
        command.env_remove("LATCHKEY__AUTH__API_SECRET").envs(variables.iter().copied()).stderr(Stdio::piped());
    });
    let process = process.await;
    during(&process).await;
    process.signal("TERM");
    let (code, log) = process.finish();
    assert_eq!(code, Some(0), "{log}");
    log
}

async fn nothing(_: &Process) {}

fn secrets_file(database: &Database) -> PathBuf {
    match database.name {
        None => database.folder.join("secrets.yml"),
        Some(_) => database.folder.join("data/secrets.yml"),
    }
}

/// Dotted name and value of each generated secret.
fn secrets(database: &Database) -> Vec<(String, String)> {
    let (text, mut section, mut found) =
        (std::fs::read_to_string(secrets_file(database)).unwrap(), String::new(), Vec::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("  ") {
            None => section = line.trim_end_matches(':').to_owned(),
            Some(pair) => {
                let (name, value) = pair.split_once(": ").unwrap();
                found.push((format!("{section}.{name}"), value.trim_matches('"').to_owned()));
            }
        }
    }
    found
}

fn secret(database: &Database, name: &str) -> String {
    secrets(database).into_iter().find(|(known, _)| known == name).map(|(_, value)| value).expect(name)
}

async fn token(process: &Process, password: &str) -> String {
    let login = json!({"username": "admin", "password": password});
    process.call("POST", "/auth/login").json(&login).send().await.expect(200)["token"].as_str().unwrap().to_owned()
}

/// Runs a test's body once for each kind of database.
macro_rules! with_both {
    ($($(#[$meta:meta])* async fn $name:ident($database:ident: &Database) $body:block)*) => {
        $(
            $(#[$meta])*
            mod $name {
                use super::*;

                async fn test(database: Database) {
                    let $database = &database;
                    $body
                    database.drop().await;
                }

                #[test]
                fn sqlite() {
                    crate::kit::block_on(test(Database::sqlite()));
                }

                #[test]
                fn mysql() {
                    crate::kit::block_on(async { test(Database::mysql().await).await });
                }
            }
        )*
    };
}

with_both! {
    async fn missing_secrets_are_generated_kept_for_the_owner_and_told_once(database: &Database) {
        let mut known = String::new();
        let log = serve(database, &[], async |process| {
            known = token(process, &secret(database, "auth.password")).await;
        }).await;
        let all = secrets(database);
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["auth.password", "auth.jwt_secret", "auth.api_secret", "security.master_key"]);
        assert_eq!(std::fs::metadata(secrets_file(database)).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(log.contains("First start") && log.contains(&names.join(", ")), "{log}");
        for (name, value) in &all {
            let told = matches!(name.as_str(), "auth.password" | "auth.api_secret");
            assert_eq!(log.matches(value.as_str()).count(), usize::from(told), "{name}");
        }
        let log = serve(database, &[], async |process| {
            process.call("GET", "/auth/me").token(&known).send().await.expect(200);
            process.call("GET", "/public-api/apps").secret(&secret(database, "auth.api_secret")).send().await.expect(200);
            process.call("GET", "/public-api/apps").secret("").send().await.problem(401, "UNAUTHENTICATED");
            token(process, &secret(database, "auth.password")).await;
        }).await;
        assert!(!log.contains("First start") && !all.iter().any(|(_, value)| log.contains(value.as_str())), "{log}");
        assert_eq!(secrets(database), all);
    }

    async fn only_what_is_missing_is_generated(database: &Database) {
        let given = "an-api-secret-that-was-given-1234567890";
        let log = serve(database, &[("LATCHKEY__AUTH__API_SECRET", given)], async |process| {
            process.call("GET", "/public-api/apps").secret(given).send().await.expect(200);
        }).await;
        assert!(!log.contains(given));
        assert_eq!(secrets(database).len(), 3);
    }

    async fn a_secret_that_went_missing_stops_the_start_and_nothing_is_generated(database: &Database) {
        serve(database, &[], nothing).await;
        let (file, whole) = (secrets_file(database), std::fs::read_to_string(secrets_file(database)).unwrap());
        for name in ["jwt_secret", "api_secret", "master_key"] {
            let without: Vec<&str> = whole.lines().filter(|line| !line.contains(&format!("  {name}:"))).collect();
            std::fs::write(&file, without.join("\n")).unwrap();
            let message = refused(database, &[]);
            assert!(message.contains(&format!(".{name} is missing")), "{message}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), without.join("\n"));
        }
        std::fs::remove_file(&file).unwrap();
        assert!(refused(database, &[]).contains("is missing"));
        assert!(!file.exists());
        // The password only seeded the first admin.
        let without: Vec<&str> = whole.lines().filter(|line| !line.contains("  password:")).collect();
        std::fs::write(&file, without.join("\n")).unwrap();
        let password = whole.split("password: \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        serve(database, &[], async |process| { token(process, &password).await; }).await;
    }

    async fn another_master_key_or_jwt_secret_stops_the_start(database: &Database) {
        serve(database, &[], nothing).await;
        let (key, jwt) = (secret(database, "security.master_key"), "another-jwt-secret-of-this-test-123456");
        let other = key.chars().rev().collect::<String>();
        let message = refused(database, &[("LATCHKEY__SECURITY__MASTER_KEY", &other)]);
        assert!(message.contains("security.master_key is not the one") && !message.contains(&other), "{message}");
        let message = refused(database, &[("LATCHKEY__AUTH__JWT_SECRET", jwt)]);
        assert!(message.contains("auth.jwt_secret is not the one") && !message.contains(jwt), "{message}");
        // The same key, spelled in base64.
        use base64::{Engine, engine::general_purpose::STANDARD};
        let bytes: Vec<u8> = (0..32).map(|nth| u8::from_str_radix(&key[2 * nth..2 * nth + 2], 16).unwrap()).collect();
        serve(database, &[("LATCHKEY__SECURITY__MASTER_KEY", &STANDARD.encode(bytes))], nothing).await;
        // The API secret and the password may change.
        let given = "another-api-secret-of-this-test-123456";
        let variables = [("LATCHKEY__AUTH__API_SECRET", given), ("LATCHKEY__AUTH__PASSWORD", "not the admin's any more")];
        serve(database, &variables, async |process| {
            process.call("GET", "/public-api/apps").secret(given).send().await.expect(200);
            token(process, &secret(database, "auth.password")).await;
        }).await;
    }

    async fn migrating_is_no_first_start(database: &Database) {
        let output = bare(database, &["migrate", "up"]).output().unwrap();
        assert!(output.status.success(), "{}", errors(&output));
        assert!(!secrets_file(database).exists());
        let log = serve(database, &[], nothing).await;
        assert!(log.contains("First start"), "{log}");
    }

    async fn a_newer_schema_stops_the_start(database: &Database) {
        serve(database, &[], nothing).await;
        let connection = database.connect().await;
        let sql = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29990101_000001_future', 1)";
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
        let message = refused(database, &[]);
        assert!(message.contains("newer than this binary") && message.contains("m29990101_000001_future"), "{message}");
    }

    async fn without_auto_migrate_pending_migrations_stop_the_start(database: &Database) {
        let off = [("LATCHKEY__DATABASE__AUTO_MIGRATE", "false")];
        let message = refused(database, &off);
        assert!(message.contains("pending") && message.contains("latchkey migrate up"), "{message}");
        assert!(bare(database, &["migrate", "up"]).output().unwrap().status.success());
        serve(database, &off, nothing).await;
    }

    async fn every_table_and_index_carries_the_prefix_and_the_service_works(database: &Database) {
        let prefix = "Prefix_of_16ch_a"; // the longest there may be
        let variables = [("LATCHKEY__DATABASE__TABLE_PREFIX", prefix)];
        serve(database, &variables, async |process| {
            let api = secret(database, "auth.api_secret");
            let app = json!({"name": "Classworks", "developer_name": "ZeroCat"});
            let app = process.call("POST", "/public-api/apps").json(&app).secret(&api).header("idempotency-key", "k").send().await;
            let app = app.expect(201)["id"].clone();
            let granted = process.call("POST", &format!("/apps/{app}/authorize")).json(&json!({"deviceUuid": "d"})).send().await;
            let token = granted.expect(200)["token"].as_str().unwrap().to_owned();
            process.call("PUT", "/kv/k").token(&token).json(&json!(1)).send().await.expect(200);
            assert_eq!(process.call("GET", "/kv/k").token(&token).send().await.expect(200), 1);
            process.call("GET", "/kv").token(&token).send().await.expect(200);
            let made = process.call("POST", "/public-api/secrets").json(&json!({"name": "s", "scopes": ["admin"]})).secret(&api).send().await;
            let scoped = made.expect(201)["secret"].as_str().unwrap().to_owned();
            process.call("GET", "/public-api/audit").secret(&scoped).send().await.expect(200);
            process.call("PATCH", "/public-api/settings").json(&json!({"kv.rate_read": 5})).secret(&api).send().await.expect(200);
            process.call("POST", "/public-api/jobs/purge/run").secret(&api).send().await.expect(202);
            process.call("GET", "/ready").send().await.expect(200);
        }).await;
        let names = names(database).await;
        assert!(names.len() > 30, "{names:?}");
        for name in names {
            assert!(name.starts_with(prefix), "{name}");
        }
        // Without the prefix it is another, empty service in the same database.
        let message = refused(database, &[("LATCHKEY__DATABASE__AUTO_MIGRATE", "false")]);
        assert!(message.contains("pending"), "{message}");
        serve(database, &variables, nothing).await;
    }

    async fn a_second_first_admin_is_not_seeded(database: &Database) {
        serve(database, &[("LATCHKEY__AUTH__USERNAME", "first")], nothing).await;
        serve(database, &[("LATCHKEY__AUTH__USERNAME", "second")], nothing).await;
        let connection = database.connect().await;
        let users = entity::admin_user::Entity::find().all(&connection).await.unwrap();
        assert_eq!(users.iter().map(|user| user.username.as_str()).collect::<Vec<_>>(), ["first"]);
        connection.close().await.unwrap();
    }

    async fn a_password_set_by_command_ends_sessions_and_counts_at_once(database: &Database) {
        serve(database, &[], async |process| {
            let old = token(process, &secret(database, "auth.password")).await;
            let output = bare(database, &["--json", "admin", "password"]).output().unwrap();
            assert!(output.status.success(), "{}", errors(&output));
            let told: Value = serde_json::from_slice(&output.stdout).unwrap();
            process.call("GET", "/auth/me").token(&old).send().await.problem(401, "UNAUTHENTICATED");
            token(process, told["password"].as_str().unwrap()).await;
        }).await;
    }
}

/// Names of all tables, indexes and foreign keys but those the database names itself.
async fn names(database: &Database) -> Vec<String> {
    let sql = match database.name {
        None => "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        // An index without a name is called like its first column.
        Some(_) => {
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() \
             UNION SELECT constraint_name FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE() \
             UNION SELECT s.index_name FROM information_schema.statistics s WHERE s.table_schema = DATABASE() \
             AND s.index_name <> 'PRIMARY' AND NOT (s.non_unique = 0 AND s.index_name = s.column_name)"
        }
    };
    let connection = database.connect().await;
    let statement = sea_orm::Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.unwrap();
    connection.close().await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

#[test]
fn a_second_server_on_the_same_file_is_refused_and_the_first_goes_on() {
    crate::kit::block_on(async {
        let database = Database::sqlite();
        serve(&database, &[], async |process| {
            let message = refused(&database, &[]);
            assert!(message.contains("only one server may run on a SQLite file"), "{message}");
            let output = bare(&database, &["migrate", "down", "--yes"]).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "its tables must not go under its feet");
            process.call("GET", "/ready").send().await.expect(200);
        })
        .await;
        database.drop().await;
    });
}

#[test]
fn release_mode_refuses_short_and_documented_secrets() {
    let database = Database::sqlite();
    for (name, value) in [
        ("LATCHKEY__AUTH__API_SECRET", "short"),
        ("LATCHKEY__AUTH__JWT_SECRET", "only-31-characters-of-a-secret."),
        ("LATCHKEY__AUTH__PASSWORD", "elevenchars"),
        ("LATCHKEY__AUTH__PASSWORD", "password1234"),
        ("LATCHKEY__SECURITY__MASTER_KEY", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
        ("LATCHKEY__SECURITY__METRICS_TOKEN", "short"),
    ] {
        let message = refused(&database, &[("LATCHKEY__SERVER__MODE", "release"), (name, value)]);
        let key = name.trim_start_matches("LATCHKEY__").to_ascii_lowercase().replace("__", ".");
        assert!(message.contains(&key) && !message.contains(value), "{message}");
    }
    assert!(!database.folder.join("latchkey.db").exists(), "nothing is begun with a bad configuration");
    crate::kit::block_on(serve(&database, &[("LATCHKEY__SERVER__MODE", "release")], nothing));
    crate::kit::block_on(database.drop());
}
