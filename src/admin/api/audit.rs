//! `/public-api/audit`: what admins did.

use actix_web::{HttpRequest, HttpResponse, get};

use crate::{
    admin::{
        audit,
        dto::{AuditFilter, AuditView},
        extract::Admin,
    },
    base::{
        error::Result,
        input::Query,
        page::{Page, PageQuery},
        state::State,
    },
};

/// List audit events.
///
/// The newest first; kept for 400 days. `total` is null unless `count=true`.
#[utoipa::path(
    operation_id = "listAuditEvents",
    tag = "audit",
    params(PageQuery, AuditFilter),
    responses((status = 200, description = "A page of events.", body = Page<AuditView>)),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[get("/public-api/audit")]
pub async fn list(
    _: Admin,
    req: HttpRequest,
    state: State,
    filter: Query<AuditFilter>,
    page: Query<PageQuery>,
) -> Result<HttpResponse> {
    let rows = audit::list(state.db.orm(), &filter.0, &page.0).await?;
    Ok(rows.map(AuditView::from).respond(&req))
}
