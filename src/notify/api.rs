//! `/public-api/notifications/channels`.

use actix_web::{
    HttpRequest, HttpResponse, delete, get, patch, post,
    web::{Data, Payload},
};
use sea_orm::DatabaseTransaction;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    Notifier, channel,
    dto::{ChannelPatch, ChannelView, NewChannel, TestResult},
};
use crate::{
    admin::Admin,
    base::{
        error::{Problem, Result},
        idempotency::{Answer, once},
        input::{BODY_LIMIT, Json, Query, Sender, path_id, read_body},
        page::{Page, PageQuery},
        state::State,
    },
};

/// The routes of this room.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list).service(create).service(get_one).service(update).service(remove).service(test);
}

/// List the channels.
///
/// In the order they were made. Secrets are shown by their last characters at most.
#[utoipa::path(
    operation_id = "listChannels",
    tag = "notifications",
    params(PageQuery),
    responses((status = 200, description = "A page of the channels.", body = Page<ChannelView>)),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[get("/public-api/notifications/channels")]
async fn list(_admin: Admin, req: HttpRequest, state: State, page: Query<PageQuery>) -> Result<HttpResponse> {
    let Page { items, next_cursor, total } = channel::list(state.db.orm(), &page.0).await?;
    let items: Result<Vec<_>> = items.into_iter().map(|row| ChannelView::new(row, &state.sealer)).collect();
    Ok(Page { items: items?, next_cursor, total }.respond(&req))
}

/// Make a channel.
///
/// Members of `config` by kind (**bold**: required; every kind but `email` also takes `base_url`, another address of the
/// service, and `proxy`):
///
/// - `pushplus`: **token**, topic, channel (wechat, webhook, cp, mail, sms), template (txt, markdown, html)
/// - `serverchan`: **send_key**, channel, openid
/// - `bark`: **device_key**, group, level (active, timeSensitive, passive, critical), sound, icon
/// - `wecom`: **key**
/// - `dingtalk`: **access_token**, secret
/// - `feishu`: **hook_id**, secret
/// - `telegram`: **bot_token**, **chat_id**, message_thread_id
/// - `slack`: **url**
/// - `discord`: **url**
/// - `webhook`: **url**, secret (`whsec_…`; signs as Standard Webhooks)
/// - `email`: **host**, port, security (starttls, tls, none), username, password, **from**, **to** (a list)
#[utoipa::path(
    operation_id = "createChannel",
    tag = "notifications",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again.", nullable = false, example = "5f0c2b7d-1193-4a51-8c3e-0198f1b25f0a")),
    request_body = NewChannel,
    responses(
        (status = 201, description = "Made.", body = ChannelView, headers(("Location" = String, description = "Path of the channel."))),
        (status = 409, description = "Another channel has this name (`CHANNEL_NAME_TAKEN`), or the first request with this key still runs.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[post("/public-api/notifications/channels")]
async fn create(
    actor: Admin,
    state: State,
    notifier: Data<Notifier>,
    req: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse> {
    let body = read_body(&req, payload.into_inner(), BODY_LIMIT, Sender::Known).await?;
    let new = Json::<NewChannel>::parse(&req, &body)?.0.checked(notifier.http())?;
    let (now, caller, sealer) = (state.clock.now(), actor.caller(), state.sealer.clone());
    let effect = async move |tx: &DatabaseTransaction| {
        let made = channel::create(tx, &actor, &new, &sealer, now).await?;
        let location = format!("/public-api/notifications/channels/{}", made.id);
        Answer::created(location, &ChannelView::new(made, &sealer)?)
    };
    once(&state, &caller, &req, &body, effect).await
}

/// Read a channel.
///
/// Secrets are shown by their last characters at most.
#[utoipa::path(
    operation_id = "getChannel",
    tag = "notifications",
    params(("id" = i64, Path, description = "Identifier of the channel.", minimum = 1, example = 3)),
    responses(
        (status = 200, description = "The channel.", body = ChannelView),
        (status = 404, description = "No channel has this identifier.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[get("/public-api/notifications/channels/{id}")]
async fn get_one(_admin: Admin, req: HttpRequest, state: State) -> Result<HttpResponse> {
    let row = channel::get(state.db.orm(), path_id(&req, "id")?).await?;
    Ok(HttpResponse::Ok().json(ChannelView::new(row, &state.sealer)?))
}

/// Change a channel.
///
/// A merge patch (RFC 7396), inside `config` too: a secret that is absent stays. The kind cannot be changed.
#[utoipa::path(
    operation_id = "updateChannel",
    tag = "notifications",
    params(("id" = i64, Path, description = "Identifier of the channel.", minimum = 1, example = 3)),
    request_body = ChannelPatch,
    responses(
        (status = 200, description = "The channel as it is now.", body = ChannelView),
        (status = 404, description = "No channel has this identifier.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Another channel has this name (`CHANNEL_NAME_TAKEN`).", body = Problem, content_type = "application/problem+json"),
    ),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[patch("/public-api/notifications/channels/{id}")]
async fn update(
    actor: Admin,
    req: HttpRequest,
    state: State,
    notifier: Data<Notifier>,
    body: Json<ChannelPatch>,
) -> Result<HttpResponse> {
    let (id, change, now) = (path_id(&req, "id")?, body.0.checked()?, state.clock.now());
    let (sealer, http) = (state.sealer.clone(), notifier.http().clone());
    let work =
        async move |tx: &DatabaseTransaction| channel::change(tx, &actor, id, &change, &sealer, &http, now).await;
    let row = state.writer.write(work).await?;
    Ok(HttpResponse::Ok().json(ChannelView::new(row, &state.sealer)?))
}

/// Delete a channel.
///
/// What is on its way to it is given up.
#[utoipa::path(
    operation_id = "deleteChannel",
    tag = "notifications",
    params(("id" = i64, Path, description = "Identifier of the channel.", minimum = 1, example = 3)),
    responses(
        (status = 204, description = "Deleted."),
        (status = 404, description = "No channel has this identifier.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[delete("/public-api/notifications/channels/{id}")]
async fn remove(actor: Admin, req: HttpRequest, state: State) -> Result<HttpResponse> {
    let (id, now) = (path_id(&req, "id")?, state.clock.now());
    state.writer.write(async move |tx| channel::delete(tx, &actor, id, now).await).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Try a channel.
///
/// Sends a message at once, also to a channel that is switched off or has its quiet hours, and answers whether the
/// service has taken it.
#[utoipa::path(
    operation_id = "testChannel",
    tag = "notifications",
    params(("id" = i64, Path, description = "Identifier of the channel.", minimum = 1, example = 3)),
    responses(
        (status = 200, description = "How it went.", body = TestResult),
        (status = 404, description = "No channel has this identifier.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[post("/public-api/notifications/channels/{id}/test")]
async fn test(_admin: Admin, req: HttpRequest, notifier: Data<Notifier>) -> Result<HttpResponse> {
    let (delivered, detail) = notifier.test(path_id(&req, "id")?).await?;
    Ok(HttpResponse::Ok().json(TestResult { delivered, detail }))
}
