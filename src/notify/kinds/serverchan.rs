//! ServerChan: Turbo, and 3, whose keys name their server.

use serde_json::json;

use super::{Answer, Call, Letter, Service, Verdict, add, encoded, paragraphs};
use crate::notify::{
    config::{BASE_URL, Config, Field, PROXY, Rule},
    cut,
};

pub(super) static SERVICE: Service = Service {
    fields: &[
        &Field::new("send_key", Rule::Key("_-")).secret().required(),
        &Field::new("channel", Rule::Text(50)),
        &Field::new("openid", Rule::Text(200)),
        &BASE_URL,
        &PROXY,
    ],
    a_minute: None,
    request,
    judge,
};

fn request(config: &Config, letter: &Letter<'_>) -> Call {
    let key = config.need("send_key");
    let (base, path) = match server(key) {
        Some(server) => (format!("https://{server}.push.ft07.com"), "/send"),
        None => ("https://sctapi.ftqq.com".to_owned(), ""),
    };
    let mut body = json!({
        "title": cut::to_chars(&letter.text.title, 32),
        "desp": cut::to_bytes(&paragraphs(&letter.text.body), 32 * 1024),
        "noip": 1,
    });
    for name in ["channel", "openid"] {
        if let Some(value) = config.text(name) {
            add(&mut body, name, value);
        }
    }
    Call::json(format!("{}{path}/{}.send", config.base(&base), encoded(key)), &body)
}

/// The number in a key of the third kind: `sctp12345t…`.
fn server(key: &str) -> Option<&str> {
    let (number, _) = key.strip_prefix("sctp")?.split_once('t')?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

fn judge(answer: &Answer) -> Verdict {
    answer.by_code("code", "message", 0, |_, why| Verdict::Refused { why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_third_kind_names_its_server() {
        assert_eq!(server("sctp12345tABCDEF"), Some("12345"));
        for other in ["SCT12345TABCDEF", "sctpt1", "sctpx1tA", "sctp12345"] {
            assert_eq!(server(other), None, "{other}");
        }
    }
}
