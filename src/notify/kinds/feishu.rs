//! Group bots of Feishu, and of Lark with another `base_url`.

use serde_json::json;

use super::{Answer, Call, Letter, Service, Verdict, add, encoded, sign};
use crate::notify::{
    config::{BASE_URL, Config, Field, PROXY, Rule},
    cut,
};

pub(super) static SERVICE: Service = Service {
    fields: &[
        &Field::new("hook_id", Rule::Key("_-")).secret().required(),
        &Field::new("secret", Rule::Text(200)).secret(),
        &BASE_URL,
        &PROXY,
    ],
    a_minute: None,
    request,
    judge,
};

/// In bytes; the service takes 20 KB of the whole body.
const LONGEST: usize = 15_000;

fn request(config: &Config, letter: &Letter<'_>) -> Call {
    let text = cut::to_bytes(&format!("{}\n\n{}", letter.text.title, letter.text.body), LONGEST);
    // In every message, so that it can be the keyword that a bot asks for.
    let text = format!("{text}\n\nLatchkey");
    let mut body = json!({ "msg_type": "text", "content": { "text": text } });
    if let Some(secret) = config.text("secret") {
        let now = letter.now.0 / 1000;
        add(&mut body, "timestamp", now.to_string());
        add(&mut body, "sign", signature(secret, now));
    }
    let hook = encoded(config.need("hook_id"));
    Call::json(format!("{}/open-apis/bot/v2/hook/{hook}", config.base("https://open.feishu.cn")), &body)
}

/// The message is empty; all of it is in the key. Other than at DingTalk, whose signature looks alike.
fn signature(secret: &str, seconds: i64) -> String {
    sign(format!("{seconds}\n{secret}").as_bytes(), b"")
}

fn judge(answer: &Answer) -> Verdict {
    // The older form of the answer.
    let member = if answer.json.get("code").is_some() { "code" } else { "StatusCode" };
    let words = if member == "code" { "msg" } else { "StatusMessage" };
    answer.by_code(member, words, 0, |code, why| match code {
        11232 | 11233 => answer.later(&why, Some(60)), // too many
        _ => Verdict::Refused { why },
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_signature_is_that_of_the_known_vector() {
        let signature = super::signature("SECtestsecret000", 1_700_000_000);
        assert_eq!(signature, "H8Tdzryb8nvH2pDVhHzZmpv5siHmFuoRU81aZ2+QsnE=");
    }
}
