//! Group robots of DingTalk. More than 20 messages a minute lock a robot for ten minutes.

use serde_json::json;

use super::{Answer, Call, Letter, Service, Verdict, encoded, paragraphs, sign};
use crate::notify::{
    config::{BASE_URL, Config, Field, PROXY, Rule},
    cut,
};

pub(super) static SERVICE: Service = Service {
    fields: &[
        &Field::new("access_token", Rule::Key("_-")).secret().required(),
        &Field::new("secret", Rule::Text(200)).secret(),
        &BASE_URL,
        &PROXY,
    ],
    a_minute: Some(20),
    request,
    judge,
};

/// In bytes; the service takes 20 000 of the whole body.
const LONGEST: usize = 16_000;

fn request(config: &Config, letter: &Letter<'_>) -> Call {
    let Letter { text, now, .. } = letter;
    let markdown = cut::to_bytes(&format!("### {}\n\n{}", text.title, paragraphs(&text.body)), LONGEST);
    // In every message, so that it can be the keyword that a robot asks for.
    let markdown = format!("{markdown}\n\nLatchkey");
    let mut url = format!(
        "{}/robot/send?access_token={}",
        config.base("https://oapi.dingtalk.com"),
        encoded(config.need("access_token"))
    );
    if let Some(secret) = config.text("secret") {
        url.push_str(&format!("&timestamp={}&sign={}", now.0, encoded(&signature(secret, now.0))));
    }
    let markdown = json!({ "title": cut::to_chars(&text.title, 100), "text": markdown });
    Call::json(url, &json!({ "msgtype": "markdown", "markdown": markdown }))
}

/// The secret is key and part of the message.
fn signature(secret: &str, millis: i64) -> String {
    sign(secret.as_bytes(), format!("{millis}\n{secret}").as_bytes())
}

fn judge(answer: &Answer) -> Verdict {
    answer.by_code("errcode", "errmsg", 0, |code, why| match code {
        -1 => answer.later(&why, None),                     // busy
        130_101 | 410_100 => answer.later(&why, Some(600)), // too many
        _ => Verdict::Refused { why },
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_signature_is_that_of_the_known_vector() {
        let signature = super::signature("SECtestsecret000", 1_700_000_000_000);
        assert_eq!(signature, "72uxug/x6Fzw4RgzK/Sh4cPb2+NQZ9PZrSkbW+8IThY=");
    }
}
