//! Webhooks of Discord: 204, or 200 where the address asks to wait.

use serde_json::{Value, json};

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

/// In characters, and in units of UTF-16 to be safe.
const LONGEST: usize = 2000;

fn request(config: &Config, letter: &Letter<'_>) -> Call {
    let content = cut::to_utf16(&format!("**{}**\n{}", letter.text.title, letter.text.body), LONGEST);
    // Whatever a name contains, nobody is called by it.
    Call::json(config.address("url"), &json!({ "content": content, "allowed_mentions": { "parse": [] } }))
}

fn judge(answer: &Answer) -> Verdict {
    let message = answer.json.get("id").is_some_and(Value::is_string);
    match answer.status {
        204 => Verdict::Delivered,
        200 if message => Verdict::Delivered, // ?wait=true
        200..300 => answer.later("an answer that is not the service's", None),
        status => Verdict::Refused { why: answer.words(&format!("HTTP {status}"), "message") },
    }
}
