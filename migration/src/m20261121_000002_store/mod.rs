//! Apps, devices, installs and the key-value store.

use crate::sql::Script;

pub(crate) const SCRIPT: Script = Script {
    name: "m20261121_000002_store",
    sqlite: include_str!("sqlite.sql"),
    mysql: include_str!("mysql.sql"),
    tables: &["app", "device", "app_install", "kv_store", "kv_change"],
};
