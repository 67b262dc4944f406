//! Devices: a person's or classroom's installation, known by its uuid, what it has granted to apps, and the
//! credentials that are presented for it.
//!
//! - An install is the grant of one device to one app; its secret, the app token, is stored as a hash and looked up
//!   anew by every call, so a revoked one fails on the next.
//! - The site key, when one is configured, guards every call of the store ([`Call`]).
//! - A device may have a password (Argon2id). Once set, every management call needs it; tries are counted before
//!   they are looked at, five in 15 minutes for one device and address.
//! - Without a password, whoever deletes a device that has installs, or sets its first password, has to show one of
//!   its tokens: knowing a uuid proves nothing.

mod api;
mod device;
mod directory;
mod dto;
mod extract;
pub mod install;
mod meter;
mod password;

use crate::base::error::{Class, Kind};

pub use api::routes;
pub use device::{create_if_absent, delete, find, lock, require};
pub use directory::{DeviceQuery, contains, list};
pub use dto::{DeviceView, check_text, check_uuid, clean_name};
pub use extract::{Call, Claim};
pub use install::{AppToken, Grant};
pub use meter::{Meter, Use};
pub use password::{AddressRates, Toll, require_password};

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

/// The call needs an app token.
pub static TOKEN_MISSING: Kind = Kind::new(
    Class::Unauthenticated,
    "TOKEN_MISSING",
    "An app token is required",
    "Send the token that authorize gave: Authorization: Bearer, x-app-token, ?token= or a member token of the body.",
);
/// The app token is not good.
pub static TOKEN_INVALID: Kind = Kind::new(
    Class::Unauthenticated,
    "TOKEN_INVALID",
    "The app token is not valid",
    "It was never given, or was revoked, or its device or app was deleted. Authorize again.",
);
/// The token may only read.
pub static READ_ONLY: Kind =
    Kind::new(Class::Forbidden, "READ_ONLY", "The token may only read", "Authorize again without readOnly.");
/// There is no such install.
pub static INSTALL_NOT_FOUND: Kind = Kind::new(
    Class::NotFound,
    "INSTALL_NOT_FOUND",
    "There is no such install",
    "No token or install id like this exists, or it belongs to another device.",
);

/// The problems of this room.
pub static PROBLEMS: &[&Kind] = &[
    &SITE_KEY_INVALID,
    &DEVICE_PASSWORD_REQUIRED,
    &DEVICE_PASSWORD_INVALID,
    &DEVICE_PROOF_REQUIRED,
    &DEVICE_NOT_FOUND,
    &DEVICE_EXISTS,
    &TOKEN_MISSING,
    &TOKEN_INVALID,
    &READ_ONLY,
    &INSTALL_NOT_FOUND,
];
