//! Incoming webhooks of Slack: the answer is the word `ok`.

use serde_json::json;

use super::{Answer, Call, Letter, Service, Verdict};
use crate::notify::{
    config::{BASE_URL, Config, Field, PROXY, Rule},
    cut,
};

pub(super) static SERVICE: Service = Service {
    fields: &[&Field::new("url", Rule::Url).secret().required(), &BASE_URL, &PROXY],
    a_minute: None,
    request,
    judge,
};

/// In characters; longer texts are cut by Slack itself at 40 000.
const LONGEST: usize = 4000;

fn request(config: &Config, letter: &Letter<'_>) -> Call {
    let text = cut::to_chars(&format!("*{}*\n{}", letter.text.title, letter.text.body), LONGEST);
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Call::json(config.address("url"), &json!({ "text": text }))
}

fn judge(answer: &Answer) -> Verdict {
    let word = answer.text.trim();
    match (answer.status, word) {
        (200, "ok") => Verdict::Delivered,
        (200, _) => answer.later("an answer that is not the service's", None),
        (status, word) if is_code(word) => Verdict::Refused { why: format!("HTTP {status}: {word}") },
        (status, _) => Verdict::Refused { why: format!("HTTP {status}") },
    }
}

/// `channel_not_found`
fn is_code(word: &str) -> bool {
    (1..=60).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}
