//! What crosses the wire.

mod delivery;
mod link;
mod sink;

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type, schema::SchemaType};

pub(super) use self::{
    delivery::{DeliveryFilter, DeliveryView},
    link::{LinkView, NewLink},
    sink::{NewSink, SinkFilter, SinkPatch, SinkView},
};

/// The schema of a number that may be written as a text.
fn text_or_number() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::String, Type::Integer])).examples(["12"]).into()
}
