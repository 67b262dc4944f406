//! Handlers of batches.

use actix_web::{HttpRequest, HttpResponse, post, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::Gate;
use crate::{
    base::{
        error::{Error, Problem, Result},
        input::require_json,
        state::State,
    },
    devices::{Call, Grant, Meter, Use},
    kv::{
        Store, batch,
        dto::{
            BatchBody, BatchDone, BatchResult, Import, ImportBody, ImportData, ImportSummary, Imported, ImportedNew,
        },
        plan::{Action, Applied, Change, Op},
    },
    settings::Settings,
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(import).service(run);
}

/// The body of a batch, declared as JSON.
fn body<'a>(call: &'a Call, req: &HttpRequest) -> Result<&'a [u8]> {
    if call.body.is_empty() {
        return Err(Error::malformed("A JSON body is required."));
    }
    require_json(req)?;
    Ok(&call.body)
}

fn op(grant: Grant, call: &Call, changes: Vec<Change>) -> Op {
    let (device_id, install_id) = (grant.device_id, Some(grant.install_id));
    Op { device_id, install_id, ip: call.ip.to_string(), changes, is_batch: true, record: None }
}

/// Import many keys
///
/// Up to 10 000 keys and 16 MiB, all or nothing: if any key or value is bad, each is listed and nothing is stored.
#[utoipa::path(operation_id = "importKeys", tag = "kv",
    request_body(content = inline(ImportBody), example = json!({"homework-2026-11-21": {"math": "p. 12"}, "seats": []})),
    responses((status = 200, description = "All are stored", body = Import,
            example = json!({"code": 200, "message": "2 keys imported", "deviceId": 7, "total": 2, "successful": 2, "failed": 0, "results": [{"key": "homework-2026-11-21", "created": true}, {"key": "seats", "created": false}], "data": {"deviceId": 7, "summary": {"total": 2, "successful": 2, "failed": 0}, "results": [{"key": "homework-2026-11-21", "isNew": true}, {"key": "seats", "isNew": false}]}})),
        (status = 403, description = "`READ_ONLY`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Every bad key and value is listed; nothing is stored", body = Problem, content_type = "application/problem+json")),
    security(("AppToken" = [])))]
#[post("/kv/_batchimport")]
async fn import(
    state: State,
    store: web::Data<Store>,
    meter: web::Data<Meter>,
    settings: web::Data<Settings>,
    call: Call,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let gate = Gate { state: &state, meter: &meter, settings: &settings };
    let work = async |grant: Grant| {
        grant.require_write()?;
        let changes = batch::parse_import(body(&call, &req)?, state.config.kv.max_value_bytes)?;
        let keys: Vec<String> = changes.iter().map(|change| change.key.as_str().to_owned()).collect();
        let done = store.write(op(grant, &call, changes)).await?;
        Ok(HttpResponse::Ok().json(imported(grant.device_id, keys, &done.applied)))
    };
    gate.pass(&store, &call, Use::Batch, work).await
}

fn imported(device_id: i64, keys: Vec<String>, applied: &[Applied]) -> Import {
    let total = keys.len();
    let pairs = || keys.iter().cloned().zip(applied.iter().map(|one| one.changed));
    Import {
        code: 200,
        message: format!("{total} keys imported"),
        device_id,
        total,
        successful: total,
        failed: 0,
        results: pairs().map(|(key, created)| Imported { key, created }).collect(),
        data: ImportData {
            device_id,
            summary: ImportSummary { total, successful: total, failed: 0 },
            results: pairs().map(|(key, is_new)| ImportedNew { key, is_new }).collect(),
        },
    }
}

/// Carry out several operations at once
///
/// Up to 1000, in their order, all or nothing. `ifMatch` is a revision; 0 means that the key must be absent. When a
/// check or an `ifMatch` does not hold: 409 with its `index`, and nothing is stored.
#[utoipa::path(operation_id = "runBatch", tag = "kv",
    request_body(content = BatchBody, example = json!({"ops": [{"op": "check", "key": "counter", "ifMatch": 41}, {"op": "set", "key": "counter", "value": 2}, {"op": "delete", "key": "draft"}]})),
    responses((status = 200, description = "All are done", body = BatchDone),
        (status = 403, description = "`READ_ONLY`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`CHECK_FAILED`, with `index`", body = Problem, content_type = "application/problem+json")),
    security(("AppToken" = [])))]
#[post("/kv/_batch")]
async fn run(
    state: State,
    store: web::Data<Store>,
    meter: web::Data<Meter>,
    settings: web::Data<Settings>,
    call: Call,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let gate = Gate { state: &state, meter: &meter, settings: &settings };
    let work = async |grant: Grant| {
        grant.require_write()?;
        let changes = batch::parse(body(&call, &req)?, state.config.kv.max_value_bytes)?;
        let op = op(grant, &call, changes);
        let names: Vec<_> =
            op.changes.iter().map(|change| (change.key.as_str().to_owned(), name(&change.action))).collect();
        let done = store.write(op).await?;
        let results = names.into_iter().zip(&done.applied).enumerate();
        let results = results.map(|(index, ((key, op), one))| result(index, key, op, *one)).collect();
        Ok(HttpResponse::Ok().json(BatchDone { device_id: grant.device_id, revision: done.revision, results }))
    };
    gate.pass(&store, &call, Use::Batch, work).await
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::Set { .. } => "set",
        Action::Check => "check",
        Action::Delete | Action::DeleteExisting | Action::Expire => "delete",
    }
}

fn result(index: usize, key: String, op: &'static str, one: Applied) -> BatchResult {
    BatchResult {
        index,
        key,
        op,
        revision: one.revision,
        created: (op == "set").then_some(one.changed),
        deleted: (op == "delete").then_some(one.changed),
    }
}
