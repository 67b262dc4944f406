//! Devices: a person's or classroom's installation, known by its uuid, and the credentials its owner presents.
//!
//! - The site key, when one is configured, guards every call of the store ([`Call`]).
//! - A device may have a password (Argon2id). Once set, every management call needs it; tries are counted before
//!   they are looked at, five in 15 minutes for one device and address.
//! - Without a password, whoever deletes a device that has installs, or sets its first password, has to show one of
//!   its tokens: knowing a uuid proves nothing.

mod api;
mod device;
mod dto;
mod extract;
mod password;

use crate::base::error::{Class, Kind};

pub use api::routes;
pub use device::{Lookup, create_if_absent, find, lock, require};
pub use dto::{DeviceView, check_text, check_uuid};
pub use extract::{Call, Claim, claim_present};
pub use password::{AddressRates, require_password};

/// The site key is missing or wrong.
pub static SITE_KEY_INVALID: Kind = Kind::new(
    Class::Unauthenticated,
    "SITE_KEY_INVALID",
    "The site key is missing or wrong",
    "This installation asks every call for its site key: send it as x-site-key.",
);
/// The device's password has to be given.
pub static DEVICE_PASSWORD_REQUIRED: Kind = Kind::new(
    Class::Unauthenticated,
    "DEVICE_PASSWORD_REQUIRED",
    "The device's password is required",
    "The device has a password. Send it percent-encoded as x-device-password, or in the body where the endpoint takes it there.",
);
/// The device's password is wrong.
pub static DEVICE_PASSWORD_INVALID: Kind = Kind::new(
    Class::Unauthenticated,
    "DEVICE_PASSWORD_INVALID",
    "The device's password is wrong",
    "After five wrong passwords in 15 minutes an address has to wait.",
);
/// A token of the device has to be shown.
pub static DEVICE_PROOF_REQUIRED: Kind = Kind::new(
    Class::Forbidden,
    "DEVICE_PROOF_REQUIRED",
    "A token of the device is required",
    "The device has no password but has given access to apps. Send one of its app tokens that may write.",
);
/// There is no such device.
pub static DEVICE_NOT_FOUND: Kind =
    Kind::new(Class::NotFound, "DEVICE_NOT_FOUND", "There is no such device", "No device has this uuid.");
/// There is such a device already.
pub static DEVICE_EXISTS: Kind =
    Kind::new(Class::Conflict, "DEVICE_EXISTS", "The device exists already", "Another device has this uuid.");

/// The problems of this room.
pub static PROBLEMS: &[&Kind] = &[
    &SITE_KEY_INVALID,
    &DEVICE_PASSWORD_REQUIRED,
    &DEVICE_PASSWORD_INVALID,
    &DEVICE_PROOF_REQUIRED,
    &DEVICE_NOT_FOUND,
    &DEVICE_EXISTS,
];
