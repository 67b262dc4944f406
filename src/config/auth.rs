//! `auth`: the first admin and the secrets of the admin API.

use serde::{Deserialize, Serialize};

use super::Secret;
use super::kind::Kind;
use super::table::Key;

/// Who may administer.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Name of the first admin; later the database decides. Default admin.
    pub username: String,
    /// Password of the first admin; later the database decides. Generated at the first start when empty.
    pub password: Secret,
    /// Key that signs login tokens (HS256). Generated at the first start when empty.
    pub jwt_secret: Secret,
    /// Hours for which a login token is valid. Default 240.
    pub jwt_expire_hours: u32,
    /// The root secret of the admin API (`X-API-Secret`). Generated at the first start when empty.
    pub api_secret: Secret,
}

pub(super) const KEYS: &[Key] = &[
    Key::new("auth.username", Kind::Text, "admin", "Name of the first admin; once it exists, the database decides."),
    Key::new(
        "auth.password",
        Kind::Secret,
        "\"\"",
        "Password of the first admin, at least 12 characters in release mode; generated at the first start when empty.",
    ),
    Key::new(
        "auth.jwt_secret",
        Kind::Secret,
        "\"\"",
        "Key that signs login tokens, at least 32 characters in release mode; generated at the first start when empty.",
    ),
    Key::new("auth.jwt_expire_hours", Kind::integer(1, 87_600), "240", "Hours for which a login token is valid."),
    Key::new(
        "auth.api_secret",
        Kind::Secret,
        "\"\"",
        "Root secret of the admin API, at least 32 characters in release mode; generated at the first start when empty.",
    ),
];
