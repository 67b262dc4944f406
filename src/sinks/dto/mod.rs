//! What crosses the wire.

mod delivery;
mod link;
mod sink;

pub(super) use self::{
    delivery::{DeliveryFilter, DeliveryView},
    link::{LinkView, NewLink},
    sink::{NewSink, SinkFilter, SinkPatch, SinkView},
};
