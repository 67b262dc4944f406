//! Bark, on its own server or one's own.

use serde_json::json;

use super::{Answer, Call, Letter, Service, Verdict, add};
use crate::notify::{
    config::{BASE_URL, Config, Field, PROXY, Rule},
    cut,
};

pub(super) static SERVICE: Service = Service {
    fields: &[
        &Field::new("device_key", Rule::Key("_-")).secret().required(),
        &Field::new("group", Rule::Text(100)),
        &Field::new("level", Rule::Choice(&["active", "timeSensitive", "passive", "critical"])),
        &Field::new("sound", Rule::Text(100)),
        &Field::new("icon", Rule::Url),
        &BASE_URL,
        &PROXY,
    ],
    a_minute: None,
    request,
    judge,
};

/// Apple takes 4096 bytes with everything around the text.
const LONGEST: usize = 3000;

fn request(config: &Config, letter: &Letter<'_>) -> Call {
    let mut body = json!({
        "device_key": config.need("device_key"),
        "title": cut::to_bytes(&letter.text.title, 200),
        "body": cut::to_bytes(&letter.text.body, LONGEST),
        "group": config.text("group").unwrap_or("Latchkey"),
    });
    for name in ["level", "sound", "icon"] {
        if let Some(value) = config.text(name) {
            add(&mut body, name, value);
        }
    }
    Call::json(format!("{}/push", config.base("https://api.day.app")), &body)
}

fn judge(answer: &Answer) -> Verdict {
    answer.by_code("code", "message", 200, |code, why| match code {
        500.. => answer.later(&why, None),
        _ => Verdict::Refused { why },
    })
}
