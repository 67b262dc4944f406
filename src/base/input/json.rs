//! JSON, with errors that name the place or the field.

use actix_web::{HttpMessage, HttpRequest};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use super::fields::join;
use crate::base::error::{Error, FieldError, Result, UNSUPPORTED_MEDIA_TYPE};

/// Refuses a body that is not declared as JSON (`application/json` or `…+json`).
///
/// # Errors
/// 415.
pub fn require_json(req: &HttpRequest) -> Result<()> {
    let declared = req.content_type().trim();
    let is_json = declared.eq_ignore_ascii_case("application/json")
        || declared.split_once('/').is_some_and(|(_, kind)| kind.to_ascii_lowercase().ends_with("+json"));
    if is_json {
        return Ok(());
    }
    Err(UNSUPPORTED_MEDIA_TYPE.error("Send JSON with Content-Type: application/json."))
}

/// Reads JSON into `T`, all of it.
///
/// # Errors
/// 400 with line and column when it is not JSON; 422 naming the field when it does not fit `T`.
pub fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // What does not fit may be found before the place where the text stops being JSON at all.
        let malformed = serde_json::from_slice::<IgnoredAny>(body).err();
        match malformed {
            Some(error) => syntax_error(&error),
            None if is_syntax(error.inner()) => syntax_error(error.inner()),
            None => data_error(error.inner(), &error.path().to_string()),
        }
    })?;
    deserializer.end().map_err(|error| syntax_error(&error))?;
    Ok(value)
}

/// Whether a text is not JSON for a reason that shows only when its strings are read. That a name is expected and another
/// value is there is called syntax too, and is none.
fn is_syntax(error: &serde_json::Error) -> bool {
    error.classify() != Category::Data && words(&error.to_string()) != "expected value"
}

/// What serde_json says, without the place.
fn words(message: &str) -> &str {
    message.split(" at line ").next().unwrap_or_default()
}

fn syntax_error(error: &serde_json::Error) -> Error {
    let (message, line, column) = (error.to_string(), error.line(), error.column());
    Error::malformed(format!("The body is not valid JSON: {} at line {line}, column {column}.", words(&message)))
}

fn data_error(error: &serde_json::Error, path: &str) -> Error {
    let message = error.to_string();
    let what = words(&message);
    // serde names the field between backquotes: "unknown field `x`, expected …", "missing field `x`".
    let named = what.split('`').nth(1).unwrap_or_default();
    let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
    let (field, code, message) = if what.starts_with("unknown field") {
        let field = if path.ends_with(named) { path.to_owned() } else { join(path, named) };
        (field, "unknown_field", "is not a field of this request".to_owned())
    } else if what.starts_with("missing field") {
        (join(if path == "." { "" } else { path }, named), "required", "is required".to_owned())
    } else if what.starts_with("duplicate field") {
        (join(if path.ends_with(named) { parent } else { path }, named), "duplicate", "is given twice".to_owned())
    } else {
        (path.to_owned(), "type", what.to_owned())
    };
    let field = if field == "." { String::new() } else { field };
    Error::invalid(vec![FieldError::new(field, code, message)])
}
