//! Where fresh access tokens are pushed: channels of One-API and New-API, webhooks, files.
//!
//! - A link joins an account to a target of a sink. What is new goes there through the outbox, in the transaction of its
//!   cause; the courier reads the account's token when it delivers, so the newest one arrives.
//! - Before every write the target is looked at: a channel that is not the link's is never written.
//! - Secret members of a sink's configuration are sealed and never shown. No refresh token leaves through a sink.
//! - A slower target brings the next refresh of its accounts forward, in the transaction that makes it slower.
//! - A try that fails changes nothing here but the delivery; people are told once until it works again.

mod api;
mod channel;
mod config;
mod courier;
mod database;
mod dsn;
mod dto;
mod file;
mod link;
mod live;
mod probe;
mod push;
mod relay;
mod sink;
mod text;
mod webhook;

use crate::base::error::{Class, Kind};

pub use self::{
    api::routes,
    courier::SinkCourier,
    live::Sinks,
    push::{KIND, Links, lead_ms, links_of, push},
};

/// 404
pub static SINK_NOT_FOUND: Kind = Kind::new(
    Class::NotFound,
    "SINK_NOT_FOUND",
    "There is no such sink",
    "No sink has this number. GET /public-api/sinks lists them.",
);
/// 404
pub static LINK_NOT_FOUND: Kind = Kind::new(
    Class::NotFound,
    "LINK_NOT_FOUND",
    "There is no such link",
    "The sink has no link of this number. GET /public-api/sinks/{id}/links lists them.",
);
/// 409
pub static SINK_NAME_TAKEN: Kind = Kind::new(
    Class::Conflict,
    "SINK_NAME_TAKEN",
    "Another sink has this name",
    "Names of sinks are unique. Choose another one.",
);
/// 409
pub static CHANNEL_LINKED: Kind = Kind::new(
    Class::Conflict,
    "CHANNEL_LINKED",
    "The channel is linked already",
    "A target gets the token of one account. Delete the link that is there first, or use another channel.",
);

/// The problems of this room.
pub static PROBLEMS: &[&Kind] = &[&SINK_NOT_FOUND, &LINK_NOT_FOUND, &SINK_NAME_TAKEN, &CHANNEL_LINKED];
