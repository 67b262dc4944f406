//! Signing in and out.

use entity::UtcMillis;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::base::input::{printable, trimmed};

/// Name and password.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Name of the admin.
    #[serde(deserialize_with = "trimmed")]
    #[validate(length(min = 1, max = 64), custom(function = "printable"))]
    #[schema(min_length = 1, max_length = 64, example = "admin")]
    pub username: String,
    /// Password.
    #[validate(length(min = 1, max = 1024))]
    #[schema(min_length = 1, max_length = 1024, example = "correct horse battery staple")]
    pub password: String,
}

/// A token for the admin API.
#[derive(Serialize, ToSchema)]
pub struct LoginAnswer {
    /// For `Authorization: Bearer …`.
    #[schema(example = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJsYXRjaGtleSJ9.c2lnbmF0dXJl")]
    pub token: String,
    /// `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// When the token ends by itself.
    #[schema(value_type = String, format = DateTime, example = "2026-12-01T04:31:00.000Z")]
    pub expires_at: UtcMillis,
    /// Name of the admin.
    #[schema(example = "admin")]
    pub username: String,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub struct Me {
    /// Name of the admin.
    #[schema(example = "admin")]
    pub username: String,
    /// When the token ends by itself.
    #[schema(value_type = String, format = DateTime, example = "2026-12-01T04:31:00.000Z")]
    pub expires_at: UtcMillis,
}

/// The present password and the one to come.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The present password.
    #[validate(length(min = 1, max = 1024))]
    #[schema(min_length = 1, max_length = 1024, example = "correct horse battery staple")]
    pub current_password: String,
    /// The new password, 12 to 128 characters.
    #[validate(length(min = 12, max = 128), custom(function = "printable"))]
    #[schema(min_length = 12, max_length = 128, example = "seven plain words nobody else knows")]
    pub new_password: String,
}
