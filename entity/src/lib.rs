//! The tables of Latchkey as sea-orm entities: one file a table, plus the ids and column types they share.
//!
//! Names are prefixed at run time, see [`table::set_prefix`]. Times are [`UtcMillis`], an integer of milliseconds,
//! the same on every database.

/// Declares `Entity` with a table name that gets the prefix at run time.
macro_rules! entity {
    ($name:literal) => {
        /// The table, for queries.
        #[derive(Copy, Clone, Default, Debug, sea_orm::DeriveEntity)]
        pub struct Entity;

        impl sea_orm::EntityName for Entity {
            fn table_name(&self) -> &'static str {
                crate::table::name($name)
            }
        }

        impl sea_orm::ActiveModelBehavior for ActiveModel {}
    };
}

pub mod admin_session;
pub mod admin_user;
pub mod api_secret;
pub mod app;
pub mod app_install;
pub mod attempt;
pub mod audit_event;
pub mod device;
pub mod idempotency_key;
pub mod job;
pub mod key_holder;
pub mod kv_change;
pub mod kv_store;
pub mod lease;
pub mod meta;
pub mod notification;
pub mod notification_channel;
pub mod notification_told;
pub mod outbox;
pub mod provider;
pub mod refresh_event;
pub mod refresh_token;
pub mod replica;
pub mod sealing_key;
pub mod setting;
pub mod sink_link;
pub mod table;
pub mod task;
pub mod task_item;
pub mod token_sink;
pub mod types;

pub use types::{ByteText, UtcMillis};
