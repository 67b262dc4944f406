//! Deliveries of a sink.

use actix_web::{
    HttpRequest, HttpResponse, get, post,
    web::{self, Data},
};
use serde_json::json;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    admin::{Admin, audit},
    base::{
        error::{Problem, Result},
        input::{Query, path_id},
        page::{Page, PageQuery},
        state::State,
    },
    outbox::{self, Wanted},
    sinks::{
        KIND, Sinks,
        dto::{DeliveryFilter, DeliveryView},
        push, sink,
    },
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list).service(retry);
}

/// List the deliveries of a sink
///
/// The newest first; kept for 30 days after they are over. `total` is null unless `count=true`.
#[utoipa::path(operation_id = "listSinkDeliveries", tag = "sinks",
    params(("id" = i64, Path, description = "Number of the sink.", minimum = 1, example = 3), PageQuery, DeliveryFilter),
    responses((status = 200, description = "A page of deliveries.", body = Page<DeliveryView>),
        (status = 404, description = "`SINK_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/sinks/{id}/deliveries")]
async fn list(
    _: Admin,
    state: State,
    filter: Query<DeliveryFilter>,
    page: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let sink = sink::require(state.db.orm(), path_id(&req, "id")?).await?;
    let DeliveryFilter { state: wanted, link_id, count } = filter.0;
    let state_name = wanted.map(|wanted| wanted.as_str().to_owned());
    let wanted = Wanted { state: state_name, target: link_id.map(push::target), count: count.unwrap_or(false) };
    let rows = outbox::list(state.db.orm(), &push::lane(sink.id), &wanted, &page.0).await?;
    Ok(rows.map(DeliveryView::from).respond(&req))
}

/// Try a delivery again
///
/// At once. One that has failed begins anew with its tries; for one that waits for its next try, the wait ends.
#[utoipa::path(operation_id = "retrySinkDelivery", tag = "sinks",
    params(("id" = i64, Path, description = "Number of the delivery.", minimum = 1, example = 42)),
    responses((status = 200, description = "The delivery as it is now.", body = DeliveryView),
        (status = 404, description = "No delivery has this number.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`DELIVERY_OVER`: it was delivered, or a newer one took its place", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/sinks/deliveries/{id}/retry")]
async fn retry(admin: Admin, state: State, sinks: Data<Sinks>, req: HttpRequest) -> Result<web::Json<DeliveryView>> {
    let (id, now, actor) = (path_id(&req, "id")?, state.clock.now(), admin.into_actor());
    let written = state.writer.write(async move |tx| {
        let row = outbox::retry(tx, KIND, id, now).await?;
        let changes = json!({ "target": row.target, "version": row.version });
        audit::record(tx, &actor, "retry", "delivery", id, changes, now).await?;
        Ok(row)
    });
    let row = written.await?;
    sinks.outbox.nudge();
    Ok(web::Json(row.into()))
}
