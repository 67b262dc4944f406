//! The rules that hold for an account's fields wherever they come from: a request, a line of an import, a batch.

use crate::base::{
    error::FieldError,
    http_client::HttpClient,
    input::Patch,
    secret::{Secret, sha256_hex},
};

/// Longest token, in bytes.
pub const LONGEST_TOKEN: usize = 16 * 1024;
/// Longest memo, in characters.
const LONGEST_MEMO: usize = 10_000;
/// Longest URL of a proxy.
const LONGEST_PROXY: usize = 1_000;

/// Checks fields and gathers what is wrong with them. Messages never repeat a value.
pub struct Rules<'a> {
    http: &'a HttpClient,
    wrong: Vec<FieldError>,
}

impl<'a> Rules<'a> {
    /// `http` knows which proxies may be called.
    #[must_use]
    pub fn new(http: &'a HttpClient) -> Self {
        Self { http, wrong: Vec::new() }
    }

    /// `value`, if nothing was found wrong.
    ///
    /// # Errors
    /// Every field that breaks a rule.
    pub fn end<T>(self, value: T) -> Result<T, Vec<FieldError>> {
        if self.wrong.is_empty() { Ok(value) } else { Err(self.wrong) }
    }

    fn refuse(&mut self, field: &str, code: &'static str, message: impl Into<String>) {
        self.wrong.push(FieldError::new(field, code, message.into()));
    }

    /// A name: trimmed, of one line, up to `most` characters. A blank one counts as none.
    pub fn text(&mut self, field: &str, value: Option<String>, most: usize) -> Option<String> {
        let text = value?.trim().to_owned();
        if text.is_empty() {
            return None;
        }
        if text.chars().count() > most {
            self.refuse(field, "length", format!("must be 1 to {most} characters"));
        }
        if text.chars().any(char::is_control) {
            self.refuse(field, "control_character", "must not hold control characters");
        }
        Some(text)
    }

    /// A note, which may have lines.
    pub fn memo(&mut self, value: Option<String>) -> Option<String> {
        let text = value.filter(|text| !text.trim().is_empty())?;
        if text.chars().count() > LONGEST_MEMO {
            self.refuse("memo", "length", format!("must be up to {LONGEST_MEMO} characters"));
        }
        if text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t')) {
            self.refuse("memo", "control_character", "must not hold control characters");
        }
        Some(text)
    }

    /// A name that a patch may clear.
    pub fn change(&mut self, field: &str, patch: Patch<String>, most: usize) -> Option<Option<String>> {
        patch.into_change().map(|value| self.text(field, value, most))
    }

    /// The same for the note.
    pub fn memo_change(&mut self, patch: Patch<String>) -> Option<Option<String>> {
        patch.into_change().map(|value| self.memo(value))
    }

    /// A name that a patch may not clear.
    pub fn required(&mut self, field: &str, patch: Patch<String>, most: usize) -> Option<String> {
        let given = self.change(field, patch, most)?;
        if given.is_none() {
            self.refuse(field, "required", "cannot be cleared");
        }
        given
    }

    /// A switch that a patch may not clear.
    pub fn switch(&mut self, field: &str, patch: &Patch<bool>) -> Option<bool> {
        if *patch == Patch::Null {
            self.refuse(field, "required", "cannot be cleared");
        }
        patch.value().copied()
    }

    /// A refresh token: visible ASCII characters (RFC 6749 §A.17) without blanks.
    pub fn token(&mut self, token: &Secret) -> Secret {
        let text = token.expose().trim();
        if text.is_empty() {
            self.refuse("refresh_token", "required", "is required");
        } else if text.len() > LONGEST_TOKEN {
            self.refuse("refresh_token", "length", format!("must be 1 to {LONGEST_TOKEN} characters"));
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.refuse("refresh_token", "format", "must be visible ASCII characters without blanks");
        }
        Secret::new(text)
    }

    /// The URL of a proxy, with its credentials. A blank one counts as none.
    pub fn proxy(&mut self, proxy: Option<Secret>) -> Option<Secret> {
        let proxy = Secret::new(proxy?.expose().trim());
        if proxy.is_empty() {
            return None;
        }
        if proxy.expose().len() > LONGEST_PROXY {
            self.refuse("proxy", "length", format!("must be up to {LONGEST_PROXY} characters"));
        } else if let Err(why) = self.http.check_proxy(proxy.expose()) {
            self.refuse("proxy", "format", why);
        }
        Some(proxy)
    }
}

/// The end of a token that may be shown: six characters, of a short one fewer.
#[must_use]
pub fn last6(token: &Secret) -> String {
    let letters: Vec<char> = token.expose().chars().collect();
    let shown = (letters.len() / 2).min(6);
    letters.iter().skip(letters.len() - shown).collect()
}

/// What a refresh token is recognised by.
#[must_use]
pub fn token_hash(token: &Secret) -> String {
    sha256_hex(token.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_token_never_more_than_its_last_six_characters_or_its_half_is_shown() {
        for (token, shown) in
            [("0123456789abcdef", "abcdef"), ("0123456789", "56789"), ("abc", "c"), ("a", ""), ("", "")]
        {
            assert_eq!(last6(&Secret::new(token)), shown);
        }
    }
}
