//! Devices as they cross the wire.

use entity::{UtcMillis, device};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError, ValidationErrors};

use crate::base::{
    error::{Error, Result},
    input::{Patch, printable},
    secret::Secret,
};

/// A device, as anyone who knows its uuid may see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"id": 7, "uuid": "0f8b6c2e-classroom-3", "name": "Classroom 3", "hasPassword": true, "passwordHint": "the usual one", "createdAt": "2026-11-21T04:31:00.000Z"}))]
pub struct DeviceView {
    /// Number of the device.
    pub id: i64,
    /// The name it goes by.
    pub uuid: String,
    /// Name its owner gave it.
    pub name: Option<String>,
    /// Whether management calls need its password.
    pub has_password: bool,
    /// Hint at the password.
    pub password_hint: Option<String>,
    /// When it was first seen.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: UtcMillis,
}

impl From<device::Model> for DeviceView {
    fn from(device: device::Model) -> Self {
        Self {
            id: device.id,
            uuid: device.uuid.0,
            name: device.name,
            has_password: device.password_hash.is_some(),
            password_hint: device.password_hint,
            created_at: device.created_at,
        }
    }
}

/// A device to register.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(example = json!({"uuid": "0f8b6c2e-classroom-3", "name": "Classroom 3"}))]
pub struct NewDevice {
    /// 1 to 191 printable characters, compared byte by byte.
    #[schema(min_length = 1, max_length = 191)]
    pub uuid: String,
    /// Up to 191 characters.
    #[schema(max_length = 191)]
    pub name: Option<String>,
}

/// A new name.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(example = json!({"name": "Classroom 3, by the window"}))]
pub struct Rename {
    /// Up to 191 characters; null takes the name away.
    #[schema(max_length = 191)]
    pub name: Option<String>,
}

/// A password to set.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"newPassword": "correct horse", "passwordHint": "the usual one"}))]
pub struct NewPassword {
    /// 6 to 128 characters.
    #[schema(value_type = String, min_length = 6, max_length = 128)]
    pub new_password: Secret,
    /// Shown to anyone who asks for the device. Up to 191 characters.
    #[schema(max_length = 191)]
    pub password_hint: Option<String>,
    /// The present password; may be sent as `x-device-password` instead.
    #[schema(value_type = Option<String>)]
    pub current_password: Option<Secret>,
    /// Ends the tokens that were given before. Default false.
    #[serde(default)]
    pub revoke_tokens: bool,
}

/// The present password.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"password": "correct horse"}))]
pub struct PresentPassword {
    /// The password; may be sent as `x-device-password` instead.
    #[schema(value_type = Option<String>)]
    pub password: Option<Secret>,
}

/// Whether a password is the right one.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(example = json!({"valid": true}))]
pub struct Verdict {
    /// True when it is, and when the device has none.
    pub valid: bool,
}

/// Checks a device's uuid.
///
/// # Errors
/// 400 unless it is 1 to 191 characters without control characters.
pub fn check_uuid(uuid: &str) -> Result<()> {
    if uuid.is_empty() {
        return Err(Error::malformed("The device's uuid must not be empty."));
    }
    check_text("The device's uuid", uuid)
}

/// Checks a name or note.
///
/// # Errors
/// 400 when it is longer than 191 characters or holds control characters.
pub fn check_text(what: &str, text: &str) -> Result<()> {
    if text.chars().count() > 191 {
        return Err(Error::malformed(format!("{what} must not be longer than 191 characters.")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::malformed(format!("{what} must not hold control characters.")));
    }
    Ok(())
}

/// A name with its outer blanks taken off; an empty one is none.
///
/// # Errors
/// 400 as [`check_text`].
pub fn clean_name(what: &str, name: Option<&str>) -> Result<Option<String>> {
    let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else { return Ok(None) };
    check_text(what, name)?;
    Ok(Some(name.to_owned()))
}

/// Checks a new password's length.
///
/// # Errors
/// 400 unless it is 6 to 128 characters.
pub fn check_password(password: &Secret) -> Result<()> {
    if (6..=128).contains(&password.expose().chars().count()) {
        return Ok(());
    }
    Err(Error::malformed("The new password must be 6 to 128 characters long."))
}

/// The rule of [`check_password`] for the admin's endpoints, which answer 422.
fn fitting_password(password: &Secret) -> Result<(), ValidationError> {
    let wrong = || ValidationError::new("length").with_message("must be 6 to 128 characters long".into());
    check_password(password).map_err(|_| wrong())
}

/// A device, as admins see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 7, "uuid": "0f8b6c2e-classroom-3", "name": "Classroom 3", "has_password": true, "password_hint": null, "key_count": 12, "byte_count": 3402, "install_count": 1, "revision": 41, "created_at": "2026-11-21T04:31:00.000Z", "updated_at": "2026-11-21T04:31:00.000Z"}))]
pub struct AdminDevice {
    /// Number of the device.
    pub id: i64,
    /// The name it goes by.
    pub uuid: String,
    /// Name its owner gave it.
    pub name: Option<String>,
    /// Whether it has a password.
    pub has_password: bool,
    /// Hint at the password.
    pub password_hint: Option<String>,
    /// Keys it holds; expired ones count until they are purged.
    pub key_count: i64,
    /// Bytes of their values.
    pub byte_count: i64,
    /// Tokens it has given.
    pub install_count: i64,
    /// Number of the last change of its keys.
    pub revision: i64,
    /// When it was first seen.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: UtcMillis,
    /// When its name or password was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: UtcMillis,
}

impl AdminDevice {
    /// The row with the number of its installs.
    #[must_use]
    pub fn new(row: device::Model, install_count: i64) -> Self {
        Self {
            id: row.id,
            uuid: row.uuid.0,
            name: row.name,
            has_password: row.password_hash.is_some(),
            password_hint: row.password_hint,
            key_count: row.key_count,
            byte_count: row.byte_count,
            install_count,
            revision: row.revision,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What an admin may change of a device (JSON merge patch).
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Classroom 3"}))]
pub struct DevicePatch {
    /// Up to 191 characters; null takes the name away.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 191)]
    pub name: Patch<String>,
}

/// By hand, since a [`Patch`] is no `Option`.
impl Validate for DevicePatch {
    fn validate(&self) -> Result<(), ValidationErrors> {
        let name = self.name.value().map_or("", |name| name.trim());
        let long = || ValidationError::new("length").with_message("must be at most 191 characters long".into());
        let fits = if name.chars().count() > 191 { Err(long()) } else { printable(name) };
        fits.map_err(|error| {
            let mut errors = ValidationErrors::new();
            errors.add("name", error);
            errors
        })
    }
}

/// A password that an admin sets.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"password": "correct horse", "password_hint": "ask the caretaker"}))]
pub struct AdminPassword {
    /// 6 to 128 characters.
    #[validate(custom(function = fitting_password))]
    #[schema(value_type = String, min_length = 6, max_length = 128)]
    pub password: Secret,
    /// Shown to anyone who asks for the device. Up to 191 characters.
    #[validate(length(max = 191), custom(function = printable))]
    #[schema(max_length = 191)]
    pub password_hint: Option<String>,
}
