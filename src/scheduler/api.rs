//! `/public-api/jobs` and `/public-api/tasks`.

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::StatusCode,
    patch, post,
    web::{Data, Path},
};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::{
    Scheduler,
    dto::{JobPatch, JobView, RunView, TaskDetail, TaskView},
    items, tasks,
};
use crate::{
    admin::{Actor, Admin, audit},
    base::{
        error::{Error, Problem, Result},
        idempotency::{Answer, once},
        input::{Json, Query, path_segment},
        page::{Page, PageQuery},
        state::State,
    },
};

/// The routes of this room.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list_jobs).service(update_job).service(run_job).service(list_tasks).service(get_task);
}

/// List the jobs.
///
/// Every job that runs on a schedule, by name, with its schedule, its last run and its next one.
#[utoipa::path(
    operation_id = "listJobs",
    tag = "jobs",
    params(PageQuery),
    responses(
        (status = 200, description = "The jobs.", body = Page<JobView>),
        (status = 422, description = "The limit or the cursor is invalid.", body = Problem,
            content_type = "application/problem+json"),
    ),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[get("/public-api/jobs")]
async fn list_jobs(
    _admin: Admin,
    req: HttpRequest,
    scheduler: Data<Scheduler>,
    page: Query<PageQuery>,
) -> Result<HttpResponse> {
    Ok(scheduler.list(&page.0).await?.respond(&req))
}

/// Change a job's schedule, or switch it on or off.
///
/// A merge patch: what is absent stays, null goes back to the configuration. It holds on every replica within a
/// second; a run that goes on is not stopped.
#[utoipa::path(
    operation_id = "updateJob",
    tag = "jobs",
    params(("name" = String, Path, description = "The job's name.", example = "purge")),
    request_body(content = JobPatch, example = json!({ "schedule": "every 2h" })),
    responses(
        (status = 200, description = "The job as it is now.", body = JobView),
        (status = 404, description = "There is no job of this name.", body = Problem,
            content_type = "application/problem+json"),
    ),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[patch("/public-api/jobs/{name}")]
async fn update_job(
    admin: Admin,
    req: HttpRequest,
    scheduler: Data<Scheduler>,
    patch: Json<JobPatch>,
) -> Result<HttpResponse> {
    let name = path_segment(&req, 3)?;
    Ok(HttpResponse::Ok().json(scheduler.change(admin.into_actor(), &name, patch.0).await?))
}

/// Run a job now.
///
/// Also one that is switched off. The answer names a task; its schedule stays as it is.
#[utoipa::path(
    operation_id = "runJob",
    tag = "jobs",
    params(
        ("name" = String, Path, description = "The job's name.", example = "purge"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again.",
            example = "5f0c2b7d-1193-4a51-8c3e-0198f1b25f0a"),
    ),
    responses(
        (status = 202, description = "It was started.", body = RunView,
            headers(("Location" = String, description = "The task."))),
        (status = 404, description = "There is no job of this name.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It is running (`JOB_RUNNING`), or the first request with this key still runs.",
            body = Problem, content_type = "application/problem+json"),
    ),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[post("/public-api/jobs/{name}/run")]
async fn run_job(admin: Admin, req: HttpRequest, scheduler: Data<Scheduler>, state: State) -> Result<HttpResponse> {
    let name = path_segment(&req, 3)?;
    // By itself: a client that goes away must not leave a run claimed that nobody starts.
    let run = actix_web::rt::spawn(async move { start(&admin, &req, &scheduler, &state, name).await });
    run.await.map_err(Error::internal)?
}

/// Claims and records the run in one transaction, and starts it after the commit.
async fn start(
    actor: &Actor,
    req: &HttpRequest,
    scheduler: &Scheduler,
    state: &State,
    name: String,
) -> Result<HttpResponse> {
    let (run, by, clock) = (scheduler.manual(&name)?, actor.clone(), state.clock.clone());
    let (claimed, caller) = (run.clone(), actor.caller());
    let answer = once(state, &caller, req, b"", async move |tx| {
        let task_id = claimed.claim(tx).await?;
        let changes = serde_json::json!({ "task_id": task_id });
        audit::record(tx, &by, "run", "job", &name, changes, clock.now()).await?;
        let location = format!("/public-api/tasks/{task_id}");
        Ok(Answer { location: Some(location), ..Answer::new(StatusCode::ACCEPTED, &RunView { task_id })? })
    });
    let answer = answer.await?;
    run.launch();
    Ok(answer)
}

/// List the tasks.
///
/// Work that went on after its request was answered, newest first. Ended tasks are kept for 30 days.
#[utoipa::path(
    operation_id = "listTasks",
    tag = "jobs",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of the tasks.", body = Page<TaskView>),
        (status = 422, description = "The limit or the cursor is invalid.", body = Problem,
            content_type = "application/problem+json"),
    ),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[get("/public-api/tasks")]
async fn list_tasks(_admin: Admin, req: HttpRequest, state: State, page: Query<PageQuery>) -> Result<HttpResponse> {
    Ok(tasks::list(state.db.orm(), &page.0).await?.map(TaskView::from).respond(&req))
}

/// Get a task.
///
/// With its items, where it is worked off one by one; such a task goes on after a restart. Another one that says
/// `running` although its process has died says `failed` within two minutes.
#[utoipa::path(
    operation_id = "getTask",
    tag = "jobs",
    params(("id" = Uuid, Path, description = "The task's id.", example = "0198f1b2-5f0a-7c3e-9a51-3f6f0c2b7d11")),
    responses(
        (status = 200, description = "The task.", body = TaskDetail),
        (status = 404, description = "There is no task of this id.", body = Problem,
            content_type = "application/problem+json"),
    ),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[get("/public-api/tasks/{id}")]
async fn get_task(_admin: Admin, state: State, id: Path<String>) -> Result<HttpResponse> {
    let id: Uuid = id.parse().map_err(|_| Error::malformed("The path's 'id' must be a UUID."))?;
    Ok(HttpResponse::Ok().json(items::show(state.db.orm(), &id.to_string()).await?))
}
