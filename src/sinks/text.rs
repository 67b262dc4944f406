//! Texts of other services, before they are kept or shown.

/// Most characters of such a text that are kept.
const LONGEST: usize = 200;
/// A piece of a secret of this many characters gives too much away.
const TELLING: usize = 10;
/// Stands for what was taken out.
const TAKEN_OUT: &str = "[redacted]";

/// The text without the secrets it may repeat, whole or in pieces, without control characters, and cut.
pub(super) fn harmless(text: &str, secrets: &[&str]) -> String {
    let mut clean = String::new();
    let mut word = String::new();
    for letter in text.chars().chain([' ']) {
        if letter.is_ascii_alphanumeric() || "-_.+/=~".contains(letter) {
            word.push(letter);
            continue;
        }
        clean.push_str(if secrets.iter().any(|secret| gives_away(&word, secret)) { TAKEN_OUT } else { &word });
        word.clear();
        clean.push(if letter.is_control() { ' ' } else { letter });
    }
    clean.trim().chars().take(LONGEST).collect()
}

/// Whether a word and a secret share a piece that is long enough to matter.
fn gives_away(word: &str, secret: &str) -> bool {
    let (word, secret) = (word.as_bytes(), secret.as_bytes());
    let telling = TELLING.min(secret.len());
    telling > 3 && word.windows(telling).any(|piece| secret.windows(telling).any(|part| part == piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_service_repeats_of_a_secret_is_taken_out() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2lnbmF0dXJl";
        for (said, kept) in [
            (format!("invalid key: {token}"), "invalid key: [redacted]"),
            (format!("\"key\":\"{token}\"!"), "\"key\":\"[redacted]\"!"),
            ("bad key eyJhbGciOiJS***".to_owned(), "bad key [redacted]***"),
            (format!("prefix-{token}-suffix"), "[redacted]"),
            ("ends in c2lnbmF0dXJl".to_owned(), "ends in [redacted]"),
            ("渠道\n不存在".to_owned(), "渠道 不存在"),
        ] {
            assert_eq!(harmless(&said, &[token, ""]), kept);
        }
        assert_eq!(harmless(&"x".repeat(1000), &[]).len(), LONGEST);
    }
}
