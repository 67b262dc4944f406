//! Which processes serve this database.

use crate::sql::Script;

pub(crate) const SCRIPT: Script = Script {
    name: "m20261121_000003_replica",
    sqlite: include_str!("sqlite.sql"),
    mysql: include_str!("mysql.sql"),
    tables: &["replica"],
};
