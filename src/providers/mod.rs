//! Providers: where refresh tokens are exchanged, and the exchange itself.
//!
//! - What is secret about a provider (client secret, headers, extra parameters) is sealed and never shown again.
//! - [`Providers::exchange`] is the one way to a token endpoint: one request, never repeated, and every failure has a
//!   class that says what it means for the token, the provider or the way there.
//! - A paused provider is resumed by an edit or by hand; every edit moves its `version`.
//! - A provider that accounts use is not deleted; whoever makes an account holds its provider meanwhile ([`hold`]).

mod api;
mod breaker;
mod class;
mod classify;
mod codes;
mod dto;
mod edit;
mod exchange;
mod fields;
mod identity;
mod lane;
mod pace;
mod provider;
mod redact;
mod reply;
mod request;
mod sealed;
mod seed;

use crate::base::error::{Class, Kind};

pub use self::{
    api::routes,
    class::FailureClass,
    classify::Failed,
    exchange::{Call, Providers, STOPPING},
    identity::Identity,
    pace::Pace,
    provider::{find, hold, named, pause, pause_by_hand, require, require_active, resume},
    reply::Tokens,
    seed::seed,
};

/// There is no such provider.
pub static PROVIDER_NOT_FOUND: Kind = Kind::new(
    Class::NotFound,
    "PROVIDER_NOT_FOUND",
    "There is no such provider",
    "No provider has this name. GET /public-api/providers lists them.",
);
/// The name is in use.
pub static PROVIDER_NAME_TAKEN: Kind = Kind::new(
    Class::Conflict,
    "PROVIDER_NAME_TAKEN",
    "Another provider has this name",
    "Names of providers are unique and never change. Choose another one, or change the provider that has it.",
);
/// Accounts use it.
pub static PROVIDER_IN_USE: Kind = Kind::new(
    Class::Conflict,
    "PROVIDER_IN_USE",
    "Accounts use this provider",
    "A provider can be deleted when no account names it. Delete those accounts, or give them another provider, first.",
);
/// It is active already.
pub static PROVIDER_NOT_PAUSED: Kind = Kind::new(
    Class::Conflict,
    "PROVIDER_NOT_PAUSED",
    "The provider is not paused",
    "Only a paused provider can be resumed; this one is active.",
);
/// It is paused.
pub static PROVIDER_PAUSED: Kind = Kind::new(
    Class::Unavailable,
    "PROVIDER_PAUSED",
    "The provider is paused",
    "The provider refused this service as a client, so nothing is sent to it. The provider's paused_reason says why. \
     Correct the provider, which resumes it, or resume it by hand.",
);

/// The problems of this room.
pub static PROBLEMS: &[&Kind] =
    &[&PROVIDER_NOT_FOUND, &PROVIDER_NAME_TAKEN, &PROVIDER_IN_USE, &PROVIDER_NOT_PAUSED, &PROVIDER_PAUSED];
