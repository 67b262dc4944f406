//! The schema: every migration up and down on both databases, empty and filled; the files under `resource/`.

use std::{collections::BTreeMap, fs, path::Path};

use latchkey::base::db::migrate;
use migration::{Command, Dialect, Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database as Orm, DatabaseConnection, EntityTrait, PaginatorTrait, Statement,
};
use serde_json::{Value, json};

use crate::kit::{Database, Process, Redis, TestApp, block_on};

/// One connection, as a migration needs it: SQLite switches foreign keys for a connection.
async fn connect(database: &Database) -> DatabaseConnection {
    let mut options = ConnectOptions::new(match &database.name {
        None => format!("sqlite://{}?mode=rwc", database.folder.join("latchkey.db").display()),
        Some(name) => format!("mysql://root@127.0.0.1:3306/{name}"),
    });
    options.max_connections(1).sqlx_logging(false);
    Orm::connect(options).await.unwrap()
}

async fn rows(db: &DatabaseConnection, sql: &str) -> Vec<sea_orm::QueryResult> {
    db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap()
}

/// Everything that makes the schema, by name, without the table that counts migrations.
async fn schema(database: &Database, db: &DatabaseConnection) -> BTreeMap<String, String> {
    let mut schema = BTreeMap::new();
    if database.name.is_none() {
        for row in
            rows(db, "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'").await
        {
            schema.insert(row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
        }
    } else {
        for row in rows(db, "SHOW TABLES").await {
            let table: String = row.try_get_by_index(0).unwrap();
            let made: String = rows(db, &format!("SHOW CREATE TABLE `{table}`")).await[0].try_get_by_index(1).unwrap();
            let counter = made.split(" AUTO_INCREMENT=").nth(1).map(|rest| rest.split(' ').next().unwrap().to_owned());
            let made = counter.map_or(made.clone(), |counter| made.replace(&format!(" AUTO_INCREMENT={counter}"), ""));
            schema.insert(table, made);
        }
    }
    schema.remove("seaql_migrations");
    schema
}

async fn apply(db: &DatabaseConnection, command: Command) -> String {
    Migrator::run(command, db).await.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

async fn run_sql(db: &DatabaseConnection, sql: &str) {
    for statement in sql.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()) {
        db.execute_unprepared(statement).await.unwrap_or_else(|error| panic!("{error}: {statement}"));
    }
}

/// Runs a test's body once for each kind of database.
macro_rules! with_both {
    ($($(#[$meta:meta])* async fn $name:ident($database:ident: Database) $body:block)*) => {
        $(
            $(#[$meta])*
            mod $name {
                use super::*;

                async fn test($database: Database) {
                    $body
                }

                #[test]
                fn sqlite() {
                    block_on(test(Database::sqlite()));
                }

                #[test]
                fn mysql() {
                    block_on(async { test(Database::mysql().await).await });
                }
            }
        )*
    };
}

with_both! {
    async fn every_migration_goes_up_and_down_and_up_to_the_same_schema(database: Database) {
        let db = connect(&database).await;
        let count = Migrator::migrations().len();
        assert_eq!(apply(&db, Command::Status).await.matches("pending").count(), count);
        let mut steps = vec![schema(&database, &db).await];
        for _ in 0..count {
            Migrator::up(&db, Some(1)).await.unwrap();
            steps.push(schema(&database, &db).await);
        }
        assert!(steps.windows(2).all(|pair| pair[0].len() < pair[1].len()));
        let whole = steps.last().unwrap().clone();
        assert_eq!(apply(&db, Command::Up).await.matches("applied").count(), count, "up once more changes nothing");
        for step in steps.iter().rev().skip(1) {
            apply(&db, Command::Down).await;
            assert_eq!(&schema(&database, &db).await, step);
        }
        assert!(apply(&db, Command::Down).await.contains("pending"), "down of nothing changes nothing");
        for command in [Command::Up, Command::Refresh, Command::Fresh] {
            apply(&db, command).await;
            assert_eq!(schema(&database, &db).await, whole, "{command:?}");
        }
        assert_eq!(apply(&db, Command::Reset).await.matches("pending").count(), count);
        assert!(schema(&database, &db).await.is_empty());
        apply(&db, Command::Fresh).await;
        assert_eq!(schema(&database, &db).await, whole);
        db.close().await.unwrap();
        database.drop().await;
    }

    async fn a_filled_database_goes_down_and_up_again_empty(database: Database) {
        for command in [Command::Refresh, Command::Fresh, Command::Reset, Command::Down] {
            let app = TestApp::start(Database { folder: database.folder.clone(), name: database.name.clone() }).await;
            let whole = {
                let db = app.database.connect().await;
                fill(&app).await;
                let whole = schema(&database, &db).await;
                db.close().await.unwrap();
                whole
            };
            app.halt().await;
            let db = connect(&database).await;
            apply(&db, command).await;
            if matches!(command, Command::Down) {
                // Down to the migration with the rows of the store.
                apply(&db, command).await;
                apply(&db, command).await;
            }
            if matches!(command, Command::Reset) {
                assert!(schema(&database, &db).await.is_empty());
            }
            apply(&db, Command::Up).await;
            assert_eq!(schema(&database, &db).await, whole, "{command:?}");
            assert_eq!(entity::kv_store::Entity::find().count(&db).await.unwrap(), 0, "{command:?}");
            apply(&db, Command::Refresh).await;
            assert_eq!(entity::admin_user::Entity::find().count(&db).await.unwrap(), 0, "{command:?}");
            db.close().await.unwrap();
        }
        database.drop().await;
    }

    async fn migrating_leaves_other_programs_tables_alone(database: Database) {
        let db = connect(&database).await;
        run_sql(&db, "CREATE TABLE somebody_else (id INTEGER PRIMARY KEY);\nINSERT INTO somebody_else VALUES (7);\n").await;
        for command in [Command::Up, Command::Fresh, Command::Refresh, Command::Reset, Command::Fresh] {
            apply(&db, command).await;
            assert_eq!(rows(&db, "SELECT id FROM somebody_else").await.len(), 1, "{command:?}");
        }
        db.close().await.unwrap();
        database.drop().await;
    }

    async fn a_migration_that_was_cut_off_is_simply_run_again(database: Database) {
        let db = connect(&database).await;
        apply(&db, Command::Up).await;
        let whole = schema(&database, &db).await;
        apply(&db, Command::Reset).await;
        if database.name.is_some() {
            // MySQL commits at each statement, so that a kill leaves some of them done.
            let sql = migration::schema(Dialect::MySql);
            let some: Vec<&str> = sql.split(";\n").take(5).collect();
            run_sql(&db, &some.join(";\n")).await;
        } else {
            // SQLite takes a migration as a whole or not at all.
            db.execute_unprepared("CREATE TABLE task (id INTEGER)").await.unwrap();
            assert!(Migrator::up(&db, None).await.is_err());
            assert_eq!(schema(&database, &db).await.len(), 1);
            db.execute_unprepared("DROP TABLE task").await.unwrap();
        }
        apply(&db, Command::Up).await;
        assert_eq!(schema(&database, &db).await, whole);
        db.close().await.unwrap();
        database.drop().await;
    }

    async fn the_schema_files_are_the_command_s_and_make_what_the_migrations_make(database: Database) {
        let kind = if database.name.is_none() { "sqlite" } else { "mysql" };
        let file = format!("resource/table.{kind}.sql");
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file)).unwrap_or_default();
        let printed = Process::run(&database, &["schema", "--type", kind]);
        assert_eq!(String::from_utf8(printed.stdout).unwrap(), text, "run: cargo run -- schema --type {kind} > {file}");
        let db = connect(&database).await;
        apply(&db, Command::Up).await;
        let migrated = schema(&database, &db).await;
        apply(&db, Command::Reset).await;
        run_sql(&db, &text).await;
        assert_eq!(schema(&database, &db).await, migrated);
        for table in migrated.keys().filter(|name| text.contains(&format!("TABLE \"{name}\"")) || text.contains(&format!("EXISTS `{name}`"))) {
            let at = text.find(&format!("\"{table}\" (")).or_else(|| text.find(&format!("`{table}` ("))).unwrap();
            let before = text[..at].lines().rev().nth(1).unwrap();
            assert!(before.starts_with("-- "), "{table} has no comment");
        }
        db.close().await.unwrap();
        database.drop().await;
    }

    async fn the_command_does_what_the_library_does(database: Database) {
        let run = |arguments: &[&str]| {
            let output = Process::run(&database, &[&["--json", "migrate"], arguments].concat());
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            serde_json::from_slice::<Value>(&output.stdout).unwrap()
        };
        let states = |report: &Value| report["migrations"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        let count = Migrator::migrations().len();
        let (all, none) = (vec!["applied".to_owned(); count], vec!["pending".to_owned(); count]);
        assert_eq!(states(&run(&["status"])), none);
        assert_eq!(states(&run(&["up"])), all);
        let db = connect(&database).await;
        let whole = schema(&database, &db).await;
        assert_eq!(run(&["status"])["migrations"][0]["name"], Migrator::migrations()[0].name());
        let mut one_less = all.clone();
        *one_less.last_mut().unwrap() = "pending".to_owned();
        assert_eq!(states(&run(&["down", "--yes"])), one_less);
        for command in ["up", "refresh", "fresh"] {
            assert_eq!(states(&run(&[command, "--yes"])), all, "{command}");
            assert_eq!(schema(&database, &db).await, whole, "{command}");
        }
        assert_eq!(states(&run(&["reset", "--yes"])), none);
        assert!(schema(&database, &db).await.is_empty());
        db.close().await.unwrap();
        database.drop().await;
    }

    async fn the_migration_binary_does_so_too(database: Database) {
        let binary = Path::new(env!("CARGO_BIN_EXE_latchkey")).with_file_name("migration");
        let built = std::process::Command::new("cargo").args(["build", "--quiet", "--workspace", "--bin", "migration"]).status();
        assert!(built.unwrap().success());
        let url = match &database.name {
            None => format!("sqlite://{}?mode=rwc", database.folder.join("latchkey.db").display()),
            Some(name) => format!("mysql://root@127.0.0.1:3306/{name}"),
        };
        let run = |arguments: &[&str]| {
            let mut command = std::process::Command::new(&binary);
            let output = command.args(arguments).env("DATABASE_URL", &url).stdin(std::process::Stdio::null()).output().unwrap();
            (output.status.code(), String::from_utf8(output.stdout).unwrap())
        };
        let count = Migrator::migrations().len();
        for (arguments, code, pending) in [
            (&["status"][..], 0, count), (&["up"], 0, 0), (&["reset"], 3, 0), (&["reset", "--yes"], 0, count), (&["fresh", "--yes"], 0, 0),
            (&["down", "--yes"], 0, 1), (&["refresh", "--yes"], 0, 0),
        ] {
            let (ended, report) = run(arguments);
            assert_eq!(ended, Some(code), "{arguments:?}: {report}");
            assert_eq!(report.matches("pending").count(), if code == 0 { pending } else { 0 }, "{arguments:?}: {report}");
        }
        assert_eq!(run(&["sideways"]).0, Some(2));
        database.drop().await;
    }
}

/// A row in (nearly) every table.
async fn fill(app: &TestApp) {
    let device = app.new_device().await;
    app.set(&device, "k", &json!(1)).await;
    let (id, _) = app.new_secret("s", &["admin"]).await;
    let new = json!({"name": "n", "developer_name": "d"});
    app.post("/public-api/apps", &new).root().header("idempotency-key", "k").send().await.expect(201);
    app.patch(&format!("/public-api/secrets/{id}"), &json!({"name": "t"})).root().send().await.expect(200);
    app.patch("/public-api/settings", &json!({"kv.rate_read": 1})).root().send().await.expect(200);
    app.sign_in().await;
    app.call("POST", "/public-api/jobs/purge/run").root().send().await.expect(202);
}

#[test]
fn of_processes_that_migrate_at_once_each_finds_the_whole_schema() {
    block_on(async {
        let database = Database::mysql().await;
        let mut config = latchkey::config::Config::default();
        database.configure(&mut config);
        let mut commands: Vec<_> =
            (0..2).map(|_| Process::command(&database, &["migrate", "up"]).spawn().unwrap()).collect();
        let here = futures_util::future::join_all((0..4).map(|_| migrate(&config.database, true))).await;
        assert_eq!(here, vec![Ok(()); 4]);
        for command in &mut commands {
            assert!(command.wait().unwrap().success());
        }
        let db = connect(&database).await;
        assert!(!apply(&db, Command::Status).await.contains("pending"));
        let applied = rows(&db, "SELECT version FROM seaql_migrations").await.len();
        assert_eq!(applied, Migrator::migrations().len());
        db.close().await.unwrap();
        database.drop().await;
    });
}

#[test]
fn of_processes_that_start_at_once_on_a_new_database_one_initialises_it() {
    block_on(async {
        let database = Database::mysql().await;
        let start = async |number| {
            let folder = database.replica(number);
            Process::serve_with(&database, |command| {
                command.current_dir(folder).env("LATCHKEY__REDIS__URL", Redis::SHARED);
                command.env("LATCHKEY__AUTH__PASSWORD", "a password of the tests");
                command.env("LATCHKEY__AUTH__JWT_SECRET", "a-jwt-secret-of-the-tests-1234567890");
                command.env(
                    "LATCHKEY__SECURITY__MASTER_KEY",
                    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
                );
            })
            .await
        };
        let both = futures_util::future::join(start(1), start(2)).await;
        let db = connect(&database).await;
        assert_eq!(entity::admin_user::Entity::find().count(&db).await.unwrap(), 1);
        assert_eq!(entity::sealing_key::Entity::find().count(&db).await.unwrap(), 1);
        for process in [both.0, both.1] {
            process.call("GET", "/ready").send().await.expect(200);
            process.signal("TERM");
            assert_eq!(process.wait(), Some(0));
        }
        db.close().await.unwrap();
        database.drop().await;
    });
}

/// Every entity reads its table on both databases: columns are there, of the kind the entity expects.
macro_rules! every_entity_reads_its_table {
    ($($name:ident)*) => {
        async fn read_all(db: &DatabaseConnection) {
            $(entity::$name::Entity::find().all(db).await.expect(stringify!($name));)*
        }

        #[test]
        fn every_entity_is_tried() {
            let list = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("entity/src/lib.rs")).unwrap();
            let all: Vec<&str> = list.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
            let tried = [$(stringify!($name)),*];
            assert!(all.iter().all(|name| tried.contains(name) || ["table", "types"].contains(name)), "{all:?}");
        }
    };
}

every_entity_reads_its_table! {
    admin_session admin_user api_secret app app_install attempt audit_event device idempotency_key job key_holder kv_change kv_store
    lease meta notification notification_channel notification_told outbox provider refresh_event refresh_token replica
    sealing_key setting sink_link task task_item token_sink
}

on_both! {
    async fn every_entity_reads_its_filled_table(app: TestApp) {
        fill(&app).await;
        let db = app.database.connect().await;
        read_all(&db).await;
        db.close().await.unwrap();
    }
}
