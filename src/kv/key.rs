//! Keys.

use actix_web::HttpRequest;

use super::KEY_RESERVED;
use crate::base::{
    error::{Error, FieldError, Result},
    input::path_segment,
};

/// A key: 1 to 191 characters, no control characters, not beginning with `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// Why a text cannot be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKey {
    /// It is empty.
    Empty,
    /// It has more than 191 characters.
    Long,
    /// It holds control characters.
    Control,
    /// It begins with `_`.
    Reserved,
}

impl BadKey {
    fn message(self) -> &'static str {
        match self {
            Self::Empty => "must not be empty",
            Self::Long => "must not be longer than 191 characters",
            Self::Control => "must not hold control characters",
            Self::Reserved => "must not begin with _",
        }
    }

    /// As one field of a list of problems.
    #[must_use]
    pub fn in_field(self, field: String) -> FieldError {
        let code = match self {
            Self::Empty | Self::Long => "length",
            Self::Control => "control_character",
            Self::Reserved => "reserved",
        };
        FieldError::new(field, code, self.message())
    }
}

impl From<BadKey> for Error {
    fn from(bad: BadKey) -> Self {
        match bad {
            BadKey::Reserved => KEY_RESERVED.error("Keys that begin with _ are reserved."),
            other => Self::malformed(format!("The key {}.", other.message())),
        }
    }
}

impl Key {
    /// Checks a text.
    ///
    /// # Errors
    /// Why it cannot be a key.
    pub fn new(text: &str) -> Result<Self, BadKey> {
        if text.is_empty() {
            return Err(BadKey::Empty);
        }
        // Most keys are shorter than 191 bytes, so their characters need not be counted.
        if text.len() > 191 && text.chars().count() > 191 {
            return Err(BadKey::Long);
        }
        if text.chars().any(char::is_control) {
            return Err(BadKey::Control);
        }
        if text.starts_with('_') {
            return Err(BadKey::Reserved);
        }
        Ok(Self(text.to_owned()))
    }

    /// The nth piece of the path, percent-decoded once.
    ///
    /// # Errors
    /// 400 when it cannot be a key.
    pub fn from_path(req: &HttpRequest, nth: usize) -> Result<Self> {
        Ok(Self::new(&path_segment(req, nth)?)?)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
