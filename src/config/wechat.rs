//! `wechat`: the mini-program's login and WeChat Pay.

use serde::{Deserialize, Serialize};

use super::Secret;
use super::kind::Kind;
use super::table::Key;

/// WeChat and WeChat Pay v3.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Wechat {
    /// Whether the mini-program's pages answer. Default false.
    pub enabled: bool,
    /// The mini-program's AppID.
    pub app_id: String,
    /// The mini-program's AppSecret.
    pub app_secret: Secret,
    /// Where `code2session` is asked. Default `https://api.weixin.qq.com`.
    pub api_base: String,
    /// Where WeChat Pay is asked. Default `https://api.mch.weixin.qq.com`.
    pub pay_base: String,
    /// The merchant's number.
    pub mch_id: String,
    /// The APIv3 key, exactly 32 bytes as they stand.
    pub api_v3_key: Secret,
    /// Serial number of the merchant's certificate.
    pub merchant_serial: String,
    /// Path of the merchant's private key, PEM PKCS#8.
    pub merchant_private_key_file: String,
    /// Id of the WeChat Pay public key (`PUB_KEY_ID_…`).
    pub platform_public_key_id: String,
    /// Path of the WeChat Pay public key, PEM SPKI.
    pub platform_public_key_file: String,
    /// Paths of platform certificates, PEM. Default none.
    pub platform_certificate_files: Vec<String>,
    /// Whether platform certificates are fetched and kept fresh. Default false.
    pub fetch_platform_certificates: bool,
    /// Where WeChat Pay reports payments; empty: `{server.public_url}/wechat/recharge/callback`.
    pub notify_url: String,
}

impl Wechat {
    /// Where WeChat Pay reports payments; `None` when neither `notify_url` nor the public address is set.
    pub fn notify_url(&self, public_url: &str) -> Option<String> {
        match (self.notify_url.as_str(), public_url.trim_end_matches('/')) {
            ("", "") => None,
            ("", public_url) => Some(format!("{public_url}/wechat/recharge/callback")),
            (notify_url, _) => Some(notify_url.to_owned()),
        }
    }
}

pub(super) const KEYS: &[Key] = &[
    Key::new("wechat.enabled", Kind::Bool, "false", "Answer the mini-program.").older("WECHAT_MINIAPP_ENABLED"),
    Key::new("wechat.app_id", Kind::Text, "\"\"", "The mini-program's AppID.").older("WECHAT_APP_ID"),
    Key::new("wechat.app_secret", Kind::Secret, "\"\"", "The mini-program's AppSecret.").older("WECHAT_APP_SECRET"),
    Key::new("wechat.api_base", Kind::Text, "https://api.weixin.qq.com", "Where code2session is asked."),
    Key::new("wechat.pay_base", Kind::Text, "https://api.mch.weixin.qq.com", "Where WeChat Pay is asked."),
    Key::new("wechat.mch_id", Kind::Text, "\"\"", "The merchant's number, in quotes.").older("WECHAT_PAYMENT_MCH_ID"),
    Key::new("wechat.api_v3_key", Kind::Secret, "\"\"", "The APIv3 key, exactly 32 bytes as they stand.")
        .older("WECHAT_PAYMENT_API_KEY"),
    Key::new("wechat.merchant_serial", Kind::Text, "\"\"", "Serial number of the merchant's certificate."),
    Key::new(
        "wechat.merchant_private_key_file",
        Kind::Text,
        "\"\"",
        "PEM file (PKCS#8) with the private key of that certificate.",
    ),
    Key::new(
        "wechat.platform_public_key_id",
        Kind::Text,
        "\"\"",
        "Id of the WeChat Pay public key (PUB_KEY_ID_…), for merchants that were given one.",
    ),
    Key::new("wechat.platform_public_key_file", Kind::Text, "\"\"", "PEM file (SPKI) with that public key."),
    Key::new(
        "wechat.platform_certificate_files",
        Kind::Texts,
        "[]",
        "PEM files with platform certificates, for merchants without a WeChat Pay public key.",
    ),
    Key::new(
        "wechat.fetch_platform_certificates",
        Kind::Bool,
        "false",
        "Fetch the platform certificates from WeChat Pay and keep them fresh.",
    ),
    Key::new(
        "wechat.notify_url",
        Kind::Text,
        "\"\"",
        "Where WeChat Pay reports payments; empty is {server.public_url}/wechat/recharge/callback.",
    )
    .older("WECHAT_PAYMENT_NOTIFY_URL"),
];
