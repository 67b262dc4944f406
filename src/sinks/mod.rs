//! Placeholder of another branch.
#![expect(missing_docs, reason = "replaced at the merge")]
use crate::base::error::Result;
use entity::UtcMillis;
use sea_orm::ConnectionTrait;
pub async fn push(_: &impl ConnectionTrait, _: i64, _: i64, _: UtcMillis) -> Result<()> {
    Ok(())
}
pub async fn widest_sync_delay(_: &impl ConnectionTrait, _: i64) -> Result<i64> {
    Ok(0)
}
