//! What has to be told to others: written in the transaction of its cause, delivered afterwards.
//!
//! - A message of one target and version exists once. A newer one supersedes older ones that nobody has delivered.
//! - The messages of a target are delivered in order, one at a time, over all replicas: who delivers holds a lease on
//!   the row, and what it did counts only while it still does.
//! - What fails is tried again after 5 s, then after twice as long each time, up to a day; after a week it has failed.
//! - Targets that share a lane share a few places, so that a target that hangs leaves the others theirs.
//! - At least once: a process that dies between the delivery and its commit delivers again, so couriers must not mind.

mod claim;
mod courier;
mod lanes;
mod live;
mod message;
mod metrics;
mod settle;
#[cfg(test)]
mod tests;

use crate::base::error::{Class, Kind};

pub use self::{
    courier::{Courier, Couriers, Delivery, End},
    live::Outbox,
    message::{
        Message, Wanted, drop_lane, drop_target, find, hurry_lane, list, purge, put, put_again, put_in_lane, retry,
    },
};

/// 409
pub static DELIVERY_OVER: Kind = Kind::new(
    Class::Conflict,
    "DELIVERY_OVER",
    "The delivery is over",
    "It was delivered, or a newer one has taken its place: GET the deliveries to see which. Only a delivery that has \
     failed, or waits for its next try, can be tried again.",
);

/// The problems of this room.
pub static PROBLEMS: &[&Kind] = &[&DELIVERY_OVER];
