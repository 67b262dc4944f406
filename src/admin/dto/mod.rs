//! What crosses the wire.

mod audit;
mod auth;
mod secret;

pub use audit::{AuditFilter, AuditView};
pub use auth::{Login, LoginAnswer, Me, PasswordChange};
pub use secret::{CreatedSecret, NewSecret, SecretChange, SecretFilter, SecretPatch, SecretView};
