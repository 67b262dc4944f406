//! Placeholder of another branch.
#![expect(missing_docs, reason = "replaced at the merge")]
use crate::base::{error::Result, secret::Secret};
use entity::{UtcMillis, provider};
use sea_orm::ConnectionTrait;
#[derive(Clone)]
pub struct Providers;
pub struct Call<'a> {
    pub provider: &'a provider::Model,
    pub client_id: Option<&'a str>,
    pub refresh_token: &'a Secret,
    pub proxy: Option<&'a Secret>,
}
#[derive(Default)]
pub struct Identity {
    pub email: Option<String>,
    pub user_name: Option<String>,
    pub account_type: Option<String>,
    pub account_id: Option<String>,
    pub expires_at: Option<UtcMillis>,
}
pub struct Tokens {
    pub access_token: Secret,
    pub refresh_token: Option<Secret>,
    pub id_token: Option<Secret>,
    pub expires_in: Option<i64>,
    pub identity: Identity,
}
#[derive(Clone)]
pub struct Failed {
    pub class: FailureClass,
    pub detail: String,
    pub retry_after_s: Option<i64>,
    pub unanswered: bool,
}
impl Failed {
    pub fn again(class: FailureClass) -> Self {
        Self { class, detail: "refused before".to_owned(), retry_after_s: None, unanswered: false }
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureClass {
    Reused,
    RateLimited,
    Timeout,
    Connect,
}
impl FailureClass {
    pub fn as_str(self) -> &'static str {
        "permanent.reused"
    }
    pub fn parse(_: &str) -> Option<Self> {
        None
    }
    pub fn is_permanent(self) -> bool {
        self == Self::Reused
    }
    pub fn is_config(self) -> bool {
        false
    }
    pub fn is_egress(self) -> bool {
        false
    }
}
impl Providers {
    pub async fn exchange(&self, _: &Call<'_>) -> Result<Tokens, Failed> {
        Err(Failed::again(FailureClass::Connect))
    }
}
pub async fn pause(_: &impl ConnectionTrait, _: &str, _: &str, _: UtcMillis) -> Result<bool> {
    Ok(false)
}
