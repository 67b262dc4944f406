//! What the stub does with a call.

use std::time::Duration;

use serde_json::{Value, json};

/// How a call is treated.
#[derive(Clone, Debug, Default)]
pub enum Act {
    /// As it should be.
    #[default]
    Good,
    /// Acts, and answers that late.
    Late(Duration),
    /// Reads the request and never answers.
    Hang(Acting),
    /// Reads the request and resets the connection.
    Reset(Acting),
    /// Reads the request, and acts when the client has gone away.
    WhenGone,
    /// Acts, and closes the connection in the middle of the answer.
    CutShort,
    /// Acts, and falls silent in the middle of the answer.
    Halfway,
    /// Acts, and leaves this member out of the answer.
    Without(&'static str),
    /// Acts, and answers with this member.
    With(&'static str, Value),
    /// Answers something else.
    Say(Acting, Said),
}

/// Whether the token is exchanged before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acting {
    /// It is: the refresh token is spent.
    First,
    /// It is not.
    Not,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Status.
    pub status: u16,
    /// Headers beside Content-Length.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

impl Said {
    /// JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::of(status, "application/json", body.to_string())
    }

    /// Any body.
    pub fn of(status: u16, kind: &str, body: impl Into<String>) -> Self {
        Self { status, headers: vec![("Content-Type".to_owned(), kind.to_owned())], body: body.into() }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Act {
    /// Refuses without acting: OpenAI's shape of an error.
    pub fn openai(status: u16, code: &str) -> Self {
        let error = json!({"message": "Something is wrong. Please try signing in again.", "type": "invalid_request_error",
            "param": null, "code": code});
        Self::Say(Acting::Not, Said::json(status, &json!({"error": error})))
    }

    /// The same in the shape of RFC 6749; GitHub sends it with status 200.
    pub fn oauth(status: u16, code: &str) -> Self {
        let error = json!({"error": code, "error_description": "Something is wrong."});
        Self::Say(Acting::Not, Said::json(status, &error))
    }

    /// 429, with `Retry-After` if there is one.
    pub fn rate_limited(retry_after: Option<&str>) -> Self {
        let said = Said::json(429, &json!({"error": {"code": "rate_limit_exceeded"}}));
        Self::Say(Acting::Not, retry_after.map_or(said.clone(), |after| said.header("Retry-After", after)))
    }

    /// A failure of the provider's own.
    pub fn failure(status: u16) -> Self {
        Self::Say(Acting::Not, Said::json(status, &json!({"error": "server_error"})))
    }

    /// A web page, such as a challenge.
    pub fn page(status: u16) -> Self {
        let page = "<!DOCTYPE html><html><title>Just a moment...</title></html>";
        Self::Say(Acting::Not, Said::of(status, "text/html; charset=UTF-8", page))
    }

    /// A redirect.
    pub fn redirect(to: &str) -> Self {
        Self::Say(Acting::Not, Said::of(307, "text/plain", "").header("Location", to))
    }

    /// Acts, and answers 200 with something that is no JSON.
    pub fn malformed() -> Self {
        Self::Say(Acting::First, Said::of(200, "application/json", "{\"access_token\": "))
    }

    /// Acts, and answers 200 with so many bytes of JSON.
    pub fn huge(bytes: usize) -> Self {
        Self::With("padding", Value::from("x".repeat(bytes)))
    }
}
