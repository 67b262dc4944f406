//! Providers, accounts with their refresh tokens, sinks, the outbox and notifications.

use crate::sql::Script;

pub(crate) const SCRIPT: Script = Script {
    name: "m20261121_000004_vault",
    sqlite: include_str!("sqlite.sql"),
    mysql: include_str!("mysql.sql"),
    tables: &[
        "provider",
        "refresh_token",
        "refresh_event",
        "token_sink",
        "sink_link",
        "outbox",
        "notification_channel",
        "notification",
        "notification_told",
        "key_holder",
    ],
};
