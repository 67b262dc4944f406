//! Group robots of WeCom: 4096 bytes of Markdown, 20 messages a minute.

use serde_json::json;

use super::{Answer, Call, Letter, Service, Verdict, encoded};
use crate::notify::{
    config::{BASE_URL, Config, Field, PROXY, Rule},
    cut,
};

pub(super) static SERVICE: Service = Service {
    fields: &[&Field::new("key", Rule::Key("_-")).secret().required(), &BASE_URL, &PROXY],
    a_minute: Some(20),
    request,
    judge,
};

/// In bytes.
const LONGEST: usize = 4096;

fn request(config: &Config, letter: &Letter<'_>) -> Call {
    let content = cut::to_bytes(&format!("**{}**\n{}", letter.text.title, letter.text.body), LONGEST);
    let url = format!(
        "{}/cgi-bin/webhook/send?key={}",
        config.base("https://qyapi.weixin.qq.com"),
        encoded(config.need("key"))
    );
    Call::json(url, &json!({ "msgtype": "markdown", "markdown": { "content": content } }))
}

fn judge(answer: &Answer) -> Verdict {
    answer.by_code("errcode", "errmsg", 0, |code, why| match code {
        -1 => answer.later(&why, None),        // busy
        45009 => answer.later(&why, Some(60)), // too many a minute
        _ => Verdict::Refused { why },
    })
}
