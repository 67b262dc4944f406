//! `latchkey doctor`: looks over everything the service stands on and says what is wrong.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use migration::Migrator;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;

use super::{Failure, Global, Outcome, runtime, say_line};
use crate::{
    base::{clock::Clock, db::open_for_migration, metrics::Metrics, redis::Redis},
    config::{Config, DatabaseKind, Loaded},
    server::{prove_master_key, watch::space_wrong},
};

/// Difference of two clocks that is still well, in seconds: of a database's and ours.
const CLOCK_SKEW: i64 = 30;
/// 2026-01-01: before it this program did not exist.
const EARLIEST: i64 = 1_767_225_600;

/// One thing that was looked at: its name, and what is wrong or, when it is well, what was found.
struct Finding {
    name: &'static str,
    result: Result<String, String>,
}

pub(super) fn run(global: &Global) -> Outcome {
    let mut findings = Vec::new();
    match global.load() {
        Ok(loaded) => {
            entity::table::set_prefix(&loaded.config.database.table_prefix);
            migration::set_table_prefix(&loaded.config.database.table_prefix);
            findings.push(finding("configuration", Ok("valid".to_owned())));
            findings.push(finding("secrets file", private(&loaded.secrets_file)));
            findings.extend(files(&loaded));
            findings.push(finding("clock", clock()));
            let runtime = runtime()?;
            findings.extend(runtime.block_on(database(&loaded.config)));
            findings.push(finding("master key", runtime.block_on(master_key(&loaded.config))));
            findings.extend(runtime.block_on(redis(&loaded.config)));
        }
        Err(Failure::Failed(lines)) => findings.push(finding("configuration", Err(lines.join("; ")))),
        Err(other) => return Err(other),
    }
    report(global, &findings)
}

fn finding(name: &'static str, result: Result<String, String>) -> Finding {
    Finding { name, result }
}

fn report(global: &Global, findings: &[Finding]) -> Outcome {
    let lines = findings.iter().map(|one| match &one.result {
        Ok(found) => (one.name, true, found),
        Err(wrong) => (one.name, false, wrong),
    });
    if global.json {
        let lines: Vec<_> =
            lines.map(|(name, ok, message)| json!({ "name": name, "ok": ok, "message": message })).collect();
        say_line(format_args!("{:#}", json!({ "findings": lines })));
    } else {
        for (name, ok, message) in lines {
            say_line(format_args!("{:4}  {name}: {message}", if ok { "ok" } else { "FAIL" }));
        }
    }
    match findings.iter().filter(|one| one.result.is_err()).count() {
        0 => Ok(()),
        wrong => Err(format!("{wrong} of {} findings are not well", findings.len()).into()),
    }
}

/// Whether a file with secrets is its owner's alone.
fn private(path: &Path) -> Result<String, String> {
    let Ok(data) = fs::metadata(path) else { return Ok(format!("{} does not exist", path.display())) };
    let mode = data.permissions().mode() & 0o777;
    match mode & 0o077 {
        0 => Ok(format!("{} has mode {mode:04o}", path.display())),
        _ => Err(format!("{} is open to others (mode {mode:04o}): chmod 600 it", path.display())),
    }
}

fn files(loaded: &Loaded) -> Vec<Finding> {
    let Config { database, server, .. } = &loaded.config;
    let mut findings = Vec::new();
    if !server.tls_key_file.is_empty() {
        findings.push(finding("TLS key", private(Path::new(&server.tls_key_file))));
    }
    if database.kind == DatabaseKind::Sqlite {
        let file = Path::new(&database.database);
        let space = || match space_wrong(file) {
            None => Ok("enough is free".to_owned()),
            Some(wrong) => Err(wrong.to_owned()),
        };
        match file.exists() {
            true => findings.push(finding("disk", space())),
            false => findings.push(finding("disk", Ok("the database will be made at the first start".to_owned()))),
        }
    }
    findings
}

fn clock() -> Result<String, String> {
    let now = Clock::System.now();
    if now.0 / 1000 < EARLIEST { Err(format!("it is not {now}: set the clock")) } else { Ok(now.to_string()) }
}

async fn database(config: &Config) -> Vec<Finding> {
    let kind = config.database.kind;
    if kind == DatabaseKind::Sqlite && !Path::new(&config.database.database).exists() {
        return vec![finding("database", Ok("none yet".to_owned()))];
    }
    let db = match open_for_migration(&config.database).await {
        Ok(db) => db,
        Err(wrong) => return vec![finding("database", Err(wrong))],
    };
    let version = match kind {
        DatabaseKind::Sqlite => "SELECT sqlite_version()",
        DatabaseKind::Mysql => "SELECT VERSION()",
    };
    let statement = |sql: &str| Statement::from_string(db.get_database_backend(), sql.to_owned());
    let version = db.query_one_raw(statement(version)).await;
    let version = version.map_err(|error| error.to_string()).map(|row| {
        let version: Option<String> = row.and_then(|row| row.try_get_by_index(0).ok());
        format!("{kind:?} {} answers", version.unwrap_or_default())
    });
    let mut findings = vec![finding("database", version), finding("schema", schema(&db).await)];
    if kind == DatabaseKind::Mysql {
        let row = db.query_one_raw(statement("SELECT UNIX_TIMESTAMP()")).await.ok().flatten();
        let theirs: Option<i64> = row.and_then(|row| row.try_get_by_index(0).ok());
        let away = theirs.map(|theirs| (theirs - Clock::System.now().0 / 1000).abs());
        findings.push(finding(
            "database's clock",
            match away {
                Some(away) if away <= CLOCK_SKEW => Ok(format!("{away} s away from ours")),
                Some(away) => Err(format!("{away} s away from ours: synchronise both")),
                None => Err("not readable".to_owned()),
            },
        ));
    }
    let _ = db.close().await;
    findings
}

/// Whether the master key is the database's.
async fn master_key(config: &Config) -> Result<String, String> {
    if config.security.master_key.is_empty() {
        return Ok("none yet; a database that was initialised needs its own".to_owned());
    }
    let fits = prove_master_key(&mut config.clone()).await;
    fits.map(|()| "fits the database, or that is new".to_owned())
}

/// The Redis that replicas share, where one is configured.
async fn redis(config: &Config) -> Option<Finding> {
    let connected = match Metrics::new(Clock::System.now()) {
        Ok(metrics) => Redis::connect(config, &metrics).await.transpose()?,
        Err(error) => Err(error),
    };
    Some(finding("redis", connected.map(|_| "answers and takes writes".to_owned())))
}

async fn schema(db: &sea_orm::DatabaseConnection) -> Result<String, String> {
    let text = |error: sea_orm::DbErr| error.to_string();
    let unknown = Migrator::unknown(db).await.map_err(text)?;
    if !unknown.is_empty() {
        return Err(format!("newer than this binary: {}", unknown.join(", ")));
    }
    let report = Migrator::run(migration::Command::Status, db).await.map_err(text)?;
    match report.lines().filter(|line| line.starts_with("pending")).count() {
        0 => Ok("current".to_owned()),
        pending => Err(format!("{pending} migrations are pending: run 'latchkey migrate up'")),
    }
}
