//! PushPlus. Accepts a message and delivers it afterwards; `code` 900 means that the account is restricted, and that
//! to go on sending today would lock it for days.

use serde_json::json;

use super::{Answer, Call, Letter, Service, Verdict, add, paragraphs};
use crate::notify::{
    config::{BASE_URL, Config, Field, PROXY, Rule},
    cut,
};

pub(super) static SERVICE: Service = Service {
    fields: &[
        &Field::new("token", Rule::Key("")).secret().required(),
        &Field::new("topic", Rule::Text(100)),
        &Field::new("channel", Rule::Choice(&["wechat", "webhook", "cp", "mail", "sms"])),
        &Field::new("template", Rule::Choice(&["txt", "markdown", "html"])),
        &BASE_URL,
        &PROXY,
    ],
    a_minute: None,
    request,
    judge,
};

fn request(config: &Config, letter: &Letter<'_>) -> Call {
    let template = config.text("template").unwrap_or("txt");
    let text = cut::to_chars(&letter.text.body, 10_000);
    let content = match template {
        "markdown" => paragraphs(&text),
        "html" => text.replace('&', "&amp;").replace('\n', "<br>"), // signs of markup are none any more, see `template`
        _ => text,
    };
    let mut body = json!({
        "token": config.need("token"), "title": cut::to_chars(&letter.text.title, 100), "content": content,
        "template": template, "channel": config.text("channel").unwrap_or("wechat"),
    });
    if let Some(topic) = config.text("topic") {
        add(&mut body, "topic", topic);
    }
    Call::json(format!("{}/send", config.base("https://www.pushplus.plus")), &body)
}

fn judge(answer: &Answer) -> Verdict {
    answer.by_code("code", "msg", 200, |code, why| match code {
        900 => Verdict::Tomorrow { why },
        500 => answer.later(&why, None),
        _ => Verdict::Refused { why },
    })
}
