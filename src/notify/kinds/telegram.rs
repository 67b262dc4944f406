//! Bots of Telegram. The token is in the address, which is therefore never shown anywhere.

use serde_json::{Value, json};

use super::{Answer, Call, Letter, Service, Verdict, add};
use crate::notify::{
    config::{BASE_URL, Config, Field, PROXY, Rule},
    cut,
};

pub(super) static SERVICE: Service = Service {
    fields: &[
        &Field::new("bot_token", Rule::Key(":_-")).secret().required(),
        &Field::new("chat_id", Rule::Key("@_-")).required(),
        &Field::new("message_thread_id", Rule::Number(1, i64::MAX)),
        &BASE_URL,
        &PROXY,
    ],
    a_minute: None,
    request,
    judge,
};

/// In units of UTF-16.
const LONGEST: usize = 4096;

fn request(config: &Config, letter: &Letter<'_>) -> Call {
    let text = cut::to_utf16(&format!("{}\n\n{}", letter.text.title, letter.text.body), LONGEST);
    let mut body = json!({ "chat_id": config.need("chat_id"), "text": text, "disable_web_page_preview": true });
    if let Some(thread) = config.number("message_thread_id") {
        add(&mut body, "message_thread_id", thread);
    }
    let url = format!("{}/bot{}/sendMessage", config.base("https://api.telegram.org"), config.need("bot_token"));
    Call::json(url, &body)
}

fn judge(answer: &Answer) -> Verdict {
    let ok = answer.json.get("ok").and_then(Value::as_bool);
    if ok == Some(true) {
        return Verdict::Delivered;
    }
    let why =
        answer.words(&format!("error {}", answer.code("error_code").unwrap_or(answer.status.into())), "description");
    let wait = answer.json.pointer("/parameters/retry_after").and_then(Value::as_i64);
    match (answer.code("error_code").unwrap_or(answer.status.into()), wait) {
        (429, wait) => answer.later(&why, wait),
        (500.., _) => answer.later(&why, None),
        (200, _) if ok.is_none() => answer.later("an answer that is not the service's", None),
        _ => Verdict::Refused { why },
    }
}
