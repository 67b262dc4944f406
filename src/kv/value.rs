//! Values: JSON text, kept as it was sent but for outer blanks.

use std::sync::Arc;

use super::{VALUE_MISSING, VALUE_TOO_LARGE};
use crate::base::{
    error::{Error, FieldError, Result},
    json_text::{self, MAX_DEPTH, Refused},
};

/// A checked value. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(Arc<str>);

/// Why a body or a member of a batch is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadValue {
    /// Nothing is there.
    Missing,
    /// It is not JSON, or nested too deeply.
    Refused(Refused),
    /// It is larger than this many bytes.
    TooLarge(usize),
}

impl From<BadValue> for Error {
    fn from(bad: BadValue) -> Self {
        match bad {
            BadValue::Missing => VALUE_MISSING.error("A JSON body is required."),
            BadValue::Refused(Refused::Syntax(what)) => Self::malformed(format!("The body is not valid JSON: {what}.")),
            BadValue::Refused(Refused::Depth) => {
                Self::malformed(format!("The value is nested deeper than {MAX_DEPTH} levels."))
            }
            BadValue::TooLarge(most) => VALUE_TOO_LARGE.error(format!("The value is larger than {most} bytes.")),
        }
    }
}

impl BadValue {
    /// As one field of a list of problems.
    #[must_use]
    pub fn in_field(self, field: String) -> FieldError {
        match self {
            Self::Missing => FieldError::new(field, "required", "is required"),
            Self::Refused(Refused::Syntax(what)) => FieldError::new(field, "json", what),
            Self::Refused(Refused::Depth) => {
                FieldError::new(field, "depth", format!("must not be nested deeper than {MAX_DEPTH} levels"))
            }
            Self::TooLarge(most) => FieldError::new(field, "length", format!("must not be larger than {most} bytes")),
        }
    }
}

impl Value {
    /// Checks a body.
    ///
    /// # Errors
    /// Why it is no value.
    pub fn new(body: &[u8], most: usize) -> Result<Self, BadValue> {
        let text =
            std::str::from_utf8(body).map_err(|_| BadValue::Refused(Refused::Syntax("it is not UTF-8".to_owned())))?;
        // Blanks as JSON knows them (RFC 8259 §2), no others.
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        if text.is_empty() {
            return Err(BadValue::Missing);
        }
        if text.len() > most {
            return Err(BadValue::TooLarge(most));
        }
        json_text::check(text).map_err(BadValue::Refused)?;
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }
}
