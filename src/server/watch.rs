//! For those who watch the service: is it alive, does it want requests, how is it doing.

use std::{path::Path, time::Duration};

use actix_web::{HttpRequest, HttpResponse, get, http::header, web};
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Statement};
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::replica::Replica;
use crate::{
    base::{
        db::Db,
        error::{Class, Error, Kind, Problem, Result, UNAUTHENTICATED},
        secret::same,
        state::State,
    },
    outbox::Outbox,
    tokens::refresh::Refresher,
};

/// The service runs, but must get no requests now.
pub static NOT_READY: Kind = Kind::new(
    Class::Unavailable,
    "NOT_READY",
    "The service is not ready",
    "It is stopping, or something it stands on is out; checks says which. Send requests to another instance.",
);

/// The problems of this room.
pub static PROBLEMS: &[&Kind] = &[&NOT_READY];

/// Longest wait for the database's answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// With less space left on the disk the database may soon fail to write, in bytes.
const SPACE: u64 = 64 * 1024 * 1024;

/// Registers the routes.
pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(health).service(ready).service(metrics);
}

/// That the process lives.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
    /// For people.
    #[schema(example = "service is healthy")]
    message: &'static str,
}

/// Liveness
///
/// Answers 200 while the process lives, whatever state its dependencies are in. Restart it when this fails.
#[utoipa::path(operation_id = "getHealth", tag = "operations",
    responses((status = 200, description = "The process lives.", body = Health)))]
#[get("/health")]
async fn health() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok", message: "service is healthy" })
}

/// One thing the service stands on.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Check {
    /// `stopping`, `database`, `migrations`, `disk` (SQLite) or `replica` (MySQL).
    #[schema(example = "database")]
    name: &'static str,
    /// Whether it is well.
    #[schema(example = true)]
    ok: bool,
    /// What is wrong; nothing when it is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "the database does not answer in time")]
    message: Option<&'static str>,
}

/// That requests are wanted.
#[derive(Serialize, ToSchema)]
struct Readiness {
    /// Always `ready`; else the answer is a problem.
    #[schema(example = "ready")]
    status: &'static str,
    /// Each thing that was looked at.
    #[schema(example = json!([{"name": "database", "ok": true}]))]
    checks: Vec<Check>,
}

/// Readiness
///
/// Answers 200 when the service should get requests: the database answers, its schema is current, there is space on
/// the disk (SQLite), no replica lives that it must not live beside (MySQL), and the service is not stopping. The problem of a 503 has the same `checks`.
#[utoipa::path(operation_id = "getReady", tag = "operations",
    responses(
        (status = 200, description = "Requests are wanted.", body = Readiness,
            example = json!({"status": "ready", "checks": [{"name": "database", "ok": true}]})),
        (status = 503, description = "Send requests elsewhere; `checks` says why.", body = Problem,
            content_type = "application/problem+json"),
    ))]
#[get("/ready")]
async fn ready(state: State, replica: web::Data<Replica>) -> Result<HttpResponse> {
    let checks = checks(&state, &replica).await;
    let wrong: Vec<&str> = checks.iter().filter(|check| !check.ok).map(|check| check.name).collect();
    if wrong.is_empty() {
        return Ok(HttpResponse::Ok().json(Readiness { status: "ready", checks }));
    }
    let detail = format!("Not well: {}.", wrong.join(", "));
    Err(NOT_READY.error(detail).with("checks", json!(checks)).caused_by("see the checks"))
}

async fn checks(state: &State, replica: &Replica) -> Vec<Check> {
    let check = |name, wrong: Option<&'static str>| Check { name, ok: wrong.is_none(), message: wrong };
    let schema = timeout(PATIENCE, pending(&state.db)).await;
    let database = match schema {
        Ok(Ok(_)) => None,
        Ok(Err(_)) => Some("the database answers with an error"),
        Err(_) => Some("the database does not answer in time"),
    };
    let migrations = match schema {
        Ok(Ok(0)) => None,
        Ok(Ok(_)) => Some("migrations are pending"),
        _ => Some("not known while the database is out"),
    };
    let mut checks = vec![
        check("stopping", state.stopping.is_cancelled().then_some("the service is stopping")),
        check("database", database),
        check("migrations", migrations),
    ];
    checks.push(match state.db.sqlite_path() {
        Some(file) => check("disk", space_wrong(file)),
        None => check("replica", replica.aside()),
    });
    checks
}

/// How many migrations the database lacks.
async fn pending(db: &Db) -> Result<usize> {
    let orm = db.orm();
    let sql = format!("SELECT version FROM {}seaql_migrations", migration::table_prefix());
    let rows = orm.query_all_raw(Statement::from_string(orm.get_database_backend(), sql)).await?;
    let applied: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
    Ok(Migrator::migrations().iter().filter(|one| !applied.iter().any(|name| name == one.name())).count())
}

/// What is wrong with the space on the disk of the database file, if anything.
pub(crate) fn space_wrong(file: &Path) -> Option<&'static str> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match rustix::fs::statvfs(folder) {
        Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) > SPACE => None,
        Ok(_) => Some("less than 64 MiB are free"),
        Err(_) => Some("the free space cannot be found out"),
    }
}

/// Metrics
///
/// Counts and times in Prometheus' text format. Where the operator has set `security.metrics_token`, it is asked for as
/// a bearer token.
#[utoipa::path(operation_id = "getMetrics", tag = "operations",
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain",
        example = "process_start_time_seconds 1795235460\n")),
    security((), ("MetricsToken" = [])))]
#[get("/metrics")]
async fn metrics(
    req: HttpRequest,
    state: State,
    outbox: web::Data<Outbox>,
    refresher: web::Data<Refresher>,
) -> Result<HttpResponse> {
    require_token(&req, &state)?;
    let (all, idle) = state.db.connections();
    state.metrics.set_connections(all, idle);
    // What was counted last stays when the database does not answer.
    let _ = timeout(PATIENCE, async { tokio::join!(outbox.measure(), refresher.measure()) }).await;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(state.metrics.render()?))
}

fn require_token(req: &HttpRequest, state: &State) -> Result<()> {
    let token = &state.config.security.metrics_token;
    if token.is_empty() {
        return Ok(());
    }
    let given = req.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if same(given, token.expose()) {
        return Ok(());
    }
    let refused: Error = UNAUTHENTICATED.error("The metrics ask for their bearer token.");
    Err(refused.header(header::WWW_AUTHENTICATE, "Bearer"))
}
