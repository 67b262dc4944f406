//! Tells people what happened, over eleven kinds of service.
//!
//! - A room tells an event with [`tell`] in the transaction of its cause; what was told is never lost by a crash.
//! - A job collects events of one cause for five seconds, so that a hundred accounts that die of one make one message,
//!   applies what each channel wants, and puts a message into the outbox; the [`Notifier`] delivers it.
//! - A message counts as delivered when the service says so by its own rule.
//! - What a channel has to know is sealed and never shown; no message holds anything but an event's params.

mod api;
mod channel;
mod config;
mod cut;
mod dispatch;
mod dto;
mod kinds;
mod notice;
mod notifier;
mod pace;
mod quiet;
mod template;

use crate::base::error::{Class, Kind};

pub use self::{
    api::routes,
    dispatch::{dispatch, purge},
    notifier::Notifier,
};
pub use crate::base::event::{Event, EventKind, tell, tell_all};

/// The kind of this room's messages in the outbox.
pub const KIND: &str = "notify";

/// 409
pub static CHANNEL_NAME_TAKEN: Kind = Kind::new(
    Class::Conflict,
    "CHANNEL_NAME_TAKEN",
    "Another channel has this name",
    "Names of notification channels are unique. Choose another one.",
);

/// The problems this room answers.
pub static PROBLEMS: &[&Kind] = &[&CHANNEL_NAME_TAKEN];
