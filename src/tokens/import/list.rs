//! A JSON list of refresh tokens, or of objects.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{LONGEST_LINE, Line, MOST_LINES, TOO_LONG, bare, filled, too_many};
use crate::{
    base::{
        error::{Error, Result},
        secret::Secret,
    },
    tokens::dto::NewAccount,
};

/// The elements, numbered from 1.
///
/// # Errors
/// 422 when there are too many, or it is no list.
pub(super) fn read(text: &str) -> Result<Vec<Line>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let no_list = |_| Error::invalid_field("content", "format", "must be a JSON list");
    let Elements(elements) = serde_json::from_str(text).map_err(no_list)?;
    if elements.len() > MOST_LINES {
        return Err(too_many());
    }
    let line = |(nth, element): (usize, Box<RawValue>)| {
        let text = element.get();
        let account = if text.len() > LONGEST_LINE { Err(TOO_LONG.to_owned()) } else { account(text) };
        Line { number: nth + 1, account }
    };
    Ok(elements.into_iter().enumerate().map(line).collect())
}

/// The elements of a list, one more than are taken at most: of a list without end there is no more to keep.
struct Elements(Vec<Box<RawValue>>);

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Elements;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Elements, A::Error> {
                let mut elements = Vec::new();
                while elements.len() <= MOST_LINES {
                    let Some(element) = list.next_element()? else { return Ok(Elements(elements)) };
                    elements.push(element);
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Elements(elements))
            }
        }

        deserializer.deserialize_seq(Reader)
    }
}

/// An element. Members of other names are left out, so that what other systems export can be taken as it is.
#[derive(Default, Deserialize)]
struct Element {
    #[serde(alias = "rt")]
    refresh_token: Option<Secret>,
    biz_id: Option<String>,
    provider: Option<String>,
    email: Option<String>,
    user_name: Option<String>,
    #[serde(rename = "type")]
    account_type: Option<String>,
    client_id: Option<String>,
    proxy: Option<Secret>,
    tag: Option<String>,
    memo: Option<String>,
    enabled: Option<bool>,
}

fn account(text: &str) -> Result<NewAccount, String> {
    if let Ok(token) = serde_json::from_str::<Secret>(text) {
        return Ok(NewAccount { refresh_token: bare(token.expose()), ..NewAccount::default() });
    }
    // serde's own words may repeat a value.
    let element: Element = serde_json::from_str(text).map_err(|_| {
        "must be a refresh token, or an object whose members are texts (enabled: true or false)".to_owned()
    })?;
    let blank_is_none = |text: Option<String>| text.as_deref().and_then(filled);
    Ok(NewAccount {
        refresh_token: bare(element.refresh_token.unwrap_or_default().expose()),
        biz_id: blank_is_none(element.biz_id),
        provider: blank_is_none(element.provider),
        email: blank_is_none(element.email),
        user_name: blank_is_none(element.user_name),
        account_type: blank_is_none(element.account_type),
        client_id: blank_is_none(element.client_id),
        proxy: element.proxy.filter(|proxy| !proxy.expose().trim().is_empty()),
        tag: blank_is_none(element.tag),
        memo: element.memo,
        enabled: element.enabled,
    })
}
