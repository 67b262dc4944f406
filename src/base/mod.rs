//! What every room stands on. It knows no room and imports only `config` and `entity`.

pub mod attempts;
pub mod clock;
pub mod commit;
pub mod db;
pub mod error;
pub mod idempotency;
pub mod input;
pub mod json_text;
pub mod page;
pub mod rate;
pub mod secret;
pub mod state;
pub mod wake;
