//! Handlers of lists, and of what a token may ask about itself.

use actix_web::{HttpResponse, get, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::Gate;
use crate::{
    apps::{OwnDevice, OwnToken},
    base::{error::Result, input::Query, state::State},
    devices::{Call, Grant, Meter, Use, install},
    kv::{
        Store,
        dto::{KeyList, KeyNames, ListQuery},
        list::Listing,
    },
    settings::Settings,
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(items).service(names).service(info).service(token);
}

/// List keys with what is known of them
///
/// In pages, by `skip` or by `cursor`, in any of four orders. Values are not part of it.
#[utoipa::path(operation_id = "listKeys", tag = "kv", params(ListQuery),
    responses((status = 200, description = "A page of keys", body = KeyList,
        example = json!({"items": [{"deviceId": 7, "key": "homework-2026-11-21", "metadata": {"creatorIp": "192.0.2.7", "updaterIp": "192.0.2.7", "createdAt": "2026-11-21T04:31:00.000Z", "updatedAt": "2026-11-21T04:31:00.000Z", "size": 17, "revision": 41, "expiresAt": null}}], "total_rows": 1, "next_cursor": null}))),
    security(("AppToken" = [])))]
#[get("/kv")]
async fn items(
    state: State,
    store: web::Data<Store>,
    meter: web::Data<Meter>,
    settings: web::Data<Settings>,
    call: Call,
    query: Query<ListQuery>,
) -> Result<HttpResponse> {
    let gate = Gate { state: &state, meter: &meter, settings: &settings };
    let work = async |grant: Grant| {
        let listing = Listing::parse(&query.0)?;
        Ok(HttpResponse::Ok().json(listing.items(state.db.orm(), grant.device_id, state.clock.now()).await?))
    };
    gate.pass(&store, &call, Use::Read, work).await
}

/// List key names
///
/// The same list in brief: names only.
#[utoipa::path(operation_id = "listKeyNames", tag = "kv", params(ListQuery),
    responses((status = 200, description = "A page of key names", body = KeyNames,
        example = json!({"keys": ["homework-2026-11-21"], "total_rows": 1, "current_page": {"limit": 100, "skip": 0, "count": 1}, "next_cursor": null}))),
    security(("AppToken" = [])))]
#[get("/kv/_keys")]
async fn names(
    state: State,
    store: web::Data<Store>,
    meter: web::Data<Meter>,
    settings: web::Data<Settings>,
    call: Call,
    query: Query<ListQuery>,
) -> Result<HttpResponse> {
    let gate = Gate { state: &state, meter: &meter, settings: &settings };
    let work = async |grant: Grant| {
        let listing = Listing::parse(&query.0)?;
        Ok(HttpResponse::Ok().json(listing.names(state.db.orm(), grant.device_id, state.clock.now()).await?))
    };
    gate.pass(&store, &call, Use::Read, work).await
}

/// Show the device that the token opens
///
/// With its name, and whether it has a password.
#[utoipa::path(operation_id = "getOwnDevice", tag = "kv",
    responses((status = 200, description = "The device", body = OwnDevice)),
    security(("AppToken" = [])))]
#[get("/kv/_info")]
async fn info(
    state: State,
    store: web::Data<Store>,
    meter: web::Data<Meter>,
    settings: web::Data<Settings>,
    call: Call,
) -> Result<HttpResponse> {
    let gate = Gate { state: &state, meter: &meter, settings: &settings };
    let work = async |_: Grant| {
        let own = install::authenticate(&state, &call).await?;
        Ok(HttpResponse::Ok().json(OwnDevice { device: own.device.into() }))
    };
    gate.pass(&store, &call, Use::Read, work).await
}

/// Show the token itself
///
/// Masked, with its app and device.
#[utoipa::path(operation_id = "getOwnToken", tag = "kv",
    responses((status = 200, description = "The token", body = OwnToken)),
    security(("AppToken" = [])))]
#[get("/kv/_token")]
async fn token(
    state: State,
    store: web::Data<Store>,
    meter: web::Data<Meter>,
    settings: web::Data<Settings>,
    call: Call,
) -> Result<HttpResponse> {
    let gate = Gate { state: &state, meter: &meter, settings: &settings };
    let work = async |_: Grant| {
        let own = install::authenticate(&state, &call).await?;
        Ok(HttpResponse::Ok().json(OwnToken::from(own)))
    };
    gate.pass(&store, &call, Use::Read, work).await
}
