//! Handlers that bring accounts in and take them out.

use actix_web::{HttpRequest, HttpResponse, get, http::header, post, web, web::Data};
use sea_orm::DatabaseTransaction;
use utoipa_actix_web::service_config::ServiceConfig;

use super::accounts::http;
use crate::{
    admin::{Actor, Allowed, Scope, scope},
    base::{
        error::{Error, Result},
        input::{Json, Query, Sender, read_body},
        state::State,
    },
    tokens::{
        dto::{AccountFilter, AccountImport, ImportDone},
        export::{self, ExportFormat, ExportQuery, ExportedAccount, Source},
        import::Importer,
        runner::Batches,
    },
};

/// Largest body of an import, in bytes.
const IMPORT_LIMIT: usize = 32 * 1024 * 1024;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(import).service(take_out);
}

/// Import accounts
///
/// Up to 10 000 lines of text, of a table or of a JSON list, in a body of up to 32 MiB. Each line is answered by
/// itself, in order; a bad one stops nothing. The import goes on when the client leaves. It needs no Idempotency-Key:
/// what was stored already is a duplicate.
#[utoipa::path(operation_id = "importAccounts", tag = "accounts", request_body = AccountImport,
    responses((status = 200, description = "What came of each line", body = ImportDone)),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/tokens/import")]
async fn import(
    state: State,
    writer: Allowed<scope::TokensWrite>,
    batches: Data<Batches>,
    payload: web::Payload,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let body = read_body(&req, payload.into_inner(), IMPORT_LIMIT, Sender::Known).await?;
    let Json(import) = Json::<AccountImport>::parse(&req, &body)?;
    if import.refresh {
        writer.require(Scope::TokensRefresh)?;
    }
    let (actor, now) = (writer.into_actor(), state.clock.now());
    let importer = Importer { writer: state.writer.clone(), sealer: state.sealer.clone(), http: http(&state), actor };
    // By itself: a client that goes away must not leave half of it undone.
    let done = actix_web::rt::spawn(async move { importer.run(&import, now).await });
    let done: ImportDone = done.await.map_err(Error::internal)??;
    batches.nudge();
    Ok(HttpResponse::Ok().json(done))
}

/// Export accounts
///
/// With their tokens, and proxies with their credentials, by number; those that fit the filter. Cells of a table that a
/// program could take for a formula begin with an apostrophe, which the import takes off again.
#[utoipa::path(operation_id = "exportAccounts", tag = "accounts", params(ExportQuery, AccountFilter),
    responses((status = 200, description = "The accounts, as they are read", content(
        (Vec<ExportedAccount> = "application/json"),
        (String = "text/plain", example = "rt_5f0c2b7d1193\n"),
        (String = "text/csv", example = "id,biz_id,provider\r\n7,team-a,openai-ios\r\n")))),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/tokens/export")]
async fn take_out(
    state: State,
    viewer: Allowed<scope::TokensReveal>,
    query: Query<ExportQuery>,
    filter: Query<AccountFilter>,
) -> Result<HttpResponse> {
    let format = query.0.format.unwrap_or_default();
    record(&state, viewer.into_actor(), format).await?;
    let disposition = format!("attachment; filename=\"accounts.{}\"", format.ending());
    Ok(HttpResponse::Ok()
        .content_type(format.media_type())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_DISPOSITION, disposition))
        .streaming(export::export(Source::from(&state), filter.0, format)))
}

/// That they were taken out is on record before the first of them is.
async fn record(state: &State, actor: Actor, format: ExportFormat) -> Result<()> {
    let now = state.clock.now();
    state.writer.write(async move |tx: &DatabaseTransaction| export::note_export(tx, &actor, format, now).await).await
}
