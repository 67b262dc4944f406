//! Placeholder of another branch.
#![expect(missing_docs, reason = "replaced at the merge")]
use crate::base::error::Result;
use entity::UtcMillis;
use sea_orm::ConnectionTrait;
pub enum EventKind {
    TokenDead,
    TokenFailing,
    TokenRecovered,
    TokenRefreshed,
    ProviderPaused,
}
pub struct Event {
    pub kind: EventKind,
    pub subject: String,
    pub cause: String,
    pub params: serde_json::Value,
}
pub async fn tell(_: &impl ConnectionTrait, _: &Event, _: UtcMillis) -> Result<()> {
    Ok(())
}
