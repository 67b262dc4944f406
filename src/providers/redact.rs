//! What a provider says, without anything that could be a token.

use crate::base::secret::Secret;

/// Stands where something was taken out.
const GONE: &str = "…";
/// A run of token characters shorter than this is a word.
const SHORTEST: usize = 16;
/// A longer one is a token whatever it looks like.
const LONGEST_WORD: usize = 40;

/// `text` on one line of at most `most` characters, without the secrets that were sent and without anything that looks
/// like a token: a long run of the characters tokens are made of, with digits or with letters of both cases.
pub(super) fn redacted(text: &str, sent: &[&Secret], most: usize) -> String {
    let mut text = text.to_owned();
    for secret in sent.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.expose(), GONE);
    }
    let (mut clean, mut run) = (String::new(), String::new());
    for letter in text.chars() {
        if is_of_a_token(letter) {
            run.push(letter);
            continue;
        }
        clean.push_str(word(&run));
        run.clear();
        clean.push(if letter.is_control() || letter.is_whitespace() { ' ' } else { letter });
    }
    clean.push_str(word(&run));
    clipped(clean.trim(), most)
}

/// The first `most` characters.
pub(super) fn clipped(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn is_of_a_token(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-._~+/=%".contains(letter)
}

/// The run itself when it is a word, else the sign that it was taken out.
fn word(run: &str) -> &str {
    let has = |is: fn(&u8) -> bool| run.as_bytes().iter().any(is);
    let mixed = has(u8::is_ascii_digit) || (has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase));
    let is_token = run.len() > LONGEST_WORD || (run.len() >= SHORTEST && mixed);
    if is_token { GONE } else { run }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_and_tokens_go() {
        for text in [
            "Your refresh token has already been used to generate a new access token. Please try signing in again.",
            "unsupported_country_region_territory",
            "AADSTS700082: The refresh token has expired due to inactivity.",
            "invalid_grant",
        ] {
            assert_eq!(redacted(text, &[], 500), text);
        }
        for token in [
            "rt.1.AAAAbbbb0123456789",
            "ghr_1B4a2e77838347a7E420ce178F2E7c6912E169246c34E1ccbF66C46812d16D5B1A9Dc86A1498",
            "1//0abcdefghijklmnop-QRSTUVWXYZ",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
            "5d41402abc4b2a76b9719d911017c592",
        ] {
            assert_eq!(redacted(&format!("token '{token}', bad"), &[], 500), "token '…', bad");
        }
    }

    #[test]
    fn what_was_sent_goes_however_short_it_is() {
        let sent = [Secret::new("short"), Secret::default()];
        let sent: Vec<&Secret> = sent.iter().collect();
        assert_eq!(redacted("the short one is bad", &sent, 500), "the … one is bad");
    }

    #[test]
    fn it_is_one_line_of_limited_length() {
        assert_eq!(redacted(" a\nb\u{0}c ", &[], 500), "a b c");
        assert_eq!(redacted(&"钥 ".repeat(300), &[], 200).chars().count(), 200);
    }
}
