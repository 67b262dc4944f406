//! What every room stands on. It knows no room and imports only `config` and `entity`.

pub mod clock;
pub mod commit;
pub mod db;
pub mod error;
pub mod input;
pub mod metrics;
pub mod page;
pub mod secret;
pub mod state;
