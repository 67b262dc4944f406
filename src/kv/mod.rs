//! The key-value store of each device, read and written with an app token.
//!
//! - A value is JSON text and comes back byte for byte as it was sent.
//! - Keys are compared byte by byte. Those beginning with `_` are reserved.
//! - Every change of a device gets the next `revision`; the ETag of a key is the revision of its last change.
//! - Batches are atomic. What was answered is durable.
//! - An expired key counts as absent at once; the job only clears up after it.
//! - The writer of `kv_store`, `kv_change`, and the counters in `device`.

mod api;
mod batch;
mod changes;
mod dto;
mod etag;
mod expire;
mod hints;
mod key;
mod list;
mod plan;
mod read;
mod store;
mod value;
mod watch;

use crate::base::error::{Class, Kind};

pub use api::routes;
pub use expire::purge;
pub use store::Store;
pub use watch::watch;

/// There is no such key.
pub static KEY_NOT_FOUND: Kind = Kind::new(
    Class::NotFound,
    "KEY_NOT_FOUND",
    "There is no such key",
    "The device's store does not hold this key, or it has expired.",
);
/// The key is reserved.
pub static KEY_RESERVED: Kind =
    Kind::new(Class::Malformed, "KEY_RESERVED", "The key is reserved", "Keys that begin with _ belong to Latchkey.");
/// The request has no value.
pub static VALUE_MISSING: Kind =
    Kind::new(Class::Malformed, "VALUE_MISSING", "A value is required", "Send the value as a JSON body; null is one.");
/// A precondition does not hold.
pub static PRECONDITION_FAILED: Kind = Kind::new(
    Class::Precondition,
    "PRECONDITION_FAILED",
    "The precondition does not hold",
    "The key has changed since its ETag was read, or it exists (or not) against If-None-Match. Read it again.",
);
/// A check of a batch does not hold.
pub static CHECK_FAILED: Kind = Kind::new(
    Class::Conflict,
    "CHECK_FAILED",
    "A check of the batch does not hold",
    "The operation named by index expected another revision. Nothing of the batch was stored.",
);
/// The device's store is full.
pub static DEVICE_QUOTA: Kind = Kind::new(
    Class::TooLarge,
    "DEVICE_QUOTA",
    "The device's store is full",
    "The device holds as many keys or bytes as this installation allows. Delete something first.",
);
/// The value is too large.
pub static VALUE_TOO_LARGE: Kind = Kind::new(
    Class::TooLarge,
    "VALUE_TOO_LARGE",
    "The value is too large",
    "One value may hold kv.max_value_bytes bytes, by default 1 MiB.",
);
/// The changes asked for are no longer kept.
pub static CHANGES_GONE: Kind = Kind::new(
    Class::Gone,
    "CHANGES_GONE",
    "The changes are no longer kept",
    "Only the last changes of a device are kept. List the keys again, then follow from the present revision.",
);

/// The problems of this room.
pub static PROBLEMS: &[&Kind] = &[
    &KEY_NOT_FOUND,
    &KEY_RESERVED,
    &VALUE_MISSING,
    &PRECONDITION_FAILED,
    &CHECK_FAILED,
    &DEVICE_QUOTA,
    &VALUE_TOO_LARGE,
    &CHANGES_GONE,
];
