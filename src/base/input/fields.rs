//! Fields of a request: what is wrong with them, rules for texts, and fields of a patch.

use serde::{Deserialize, Deserializer};
use validator::{ValidationError, ValidationErrors, ValidationErrorsKind};

use crate::base::error::{Error, FieldError};

/// The path of a field.
pub(super) fn join(parent: &str, field: &str) -> String {
    if parent.is_empty() || parent == "." { field.to_owned() } else { format!("{parent}.{field}") }
}

/// The problem for broken rules of the `validator` crate.
#[must_use]
pub fn invalid(errors: &ValidationErrors) -> Error {
    let mut fields = Vec::new();
    collect(errors, "", &mut fields);
    fields.sort_by(|a, b| a.field.cmp(&b.field));
    Error::invalid(fields)
}

fn collect(errors: &ValidationErrors, parent: &str, fields: &mut Vec<FieldError>) {
    for (name, kind) in errors.errors() {
        let path = join(parent, name);
        match kind {
            ValidationErrorsKind::Field(list) => {
                fields.extend(list.iter().map(|error| field_error(path.clone(), error)));
            }
            ValidationErrorsKind::Struct(inner) => collect(inner, &path, fields),
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    collect(inner, &format!("{path}[{index}]"), fields);
                }
            }
        }
    }
}

fn field_error(path: String, error: &ValidationError) -> FieldError {
    let bound = |name: &str| error.params.get(name).filter(|value| !value.is_null());
    let message = error.message.clone().unwrap_or_else(|| {
        match (bound("min"), bound("max")) {
            (Some(min), Some(max)) => format!("must be {min} to {max} ({})", error.code),
            (Some(min), None) => format!("must be at least {min} ({})", error.code),
            (None, Some(max)) => format!("must be at most {max} ({})", error.code),
            (None, None) => format!("is not valid ({})", error.code),
        }
        .into()
    });
    FieldError::new(path, error.code.clone(), message)
}

/// A rule for names and notes: no control characters (NUL among them).
///
/// # Errors
/// When there is one.
pub fn printable(text: &str) -> std::result::Result<(), ValidationError> {
    if text.chars().any(char::is_control) {
        return Err(ValidationError::new("control_character").with_message("must not hold control characters".into()));
    }
    Ok(())
}

/// Takes the blanks off both ends of a name while it is read.
///
/// # Errors
/// When it is not a string.
pub fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    Ok(String::deserialize(deserializer)?.trim().to_owned())
}

/// A field of a merge patch (RFC 7396): absent, null, or a value. Use with `#[serde(default)]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Not named: leave it as it is.
    #[default]
    Absent,
    /// Null: clear it.
    Null,
    /// Set it.
    Value(T),
}

impl<T> Patch<T> {
    /// What the column becomes: `None` when it stays.
    #[must_use]
    pub fn into_change(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }

    /// The new value, if one is given.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}
