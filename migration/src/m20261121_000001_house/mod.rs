//! What every capability stands on: meta data, admins, secrets, audit, jobs and leases.

use crate::sql::Script;

pub(crate) const SCRIPT: Script = Script {
    name: "m20261121_000001_house",
    sqlite: include_str!("sqlite.sql"),
    mysql: include_str!("mysql.sql"),
    tables: &[
        "meta",
        "sealing_key",
        "admin_user",
        "admin_session",
        "api_secret",
        "attempt",
        "audit_event",
        "idempotency_key",
        "setting",
        "task",
        "task_item",
        "job",
        "lease",
    ],
};
