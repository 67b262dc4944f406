//! The change log of a device: read in order, resumed by revision.

use entity::{device, kv_change};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{CHANGES_GONE, dto::ChangeView};
use crate::{
    base::error::Result,
    devices::{Grant, install},
};

/// Most changes read at once.
const MOST: u64 = 1000;

/// Changes of the grant's device after `since`, oldest first, and where to go on. Without `since` there are none:
/// the answer only tells the present revision.
///
/// # Errors
/// 401 when the token was revoked, 410 when changes after `since` are no longer kept, or `since` has not happened.
pub async fn since(db: &impl ConnectionTrait, grant: &Grant, since: Option<i64>) -> Result<(Vec<ChangeView>, i64)> {
    let device = device::Entity::find_by_id(grant.device_id).one(db).await?.ok_or_else(install::invalid_token)?;
    if install::existing(db, &[grant.install_id]).await?.is_empty() {
        return Err(install::invalid_token());
    }
    let Some(since) = since else { return Ok((Vec::new(), device.revision)) };
    if since == device.revision {
        return Ok((Vec::new(), since));
    }
    let rows = kv_change::Entity::find()
        .filter(kv_change::Column::DeviceId.eq(grant.device_id))
        .filter(kv_change::Column::Revision.gt(since))
        .order_by_asc(kv_change::Column::Revision)
        .limit(MOST)
        .all(db)
        .await?;
    // Revisions have no holes: if the next one is missing, the log was trimmed beyond it.
    if rows.first().is_none_or(|first| first.revision != since + 1) {
        return Err(CHANGES_GONE.error("The changes after this revision are no longer kept."));
    }
    let last = rows.last().map_or(since, |row| row.revision);
    Ok((rows.into_iter().map(ChangeView::from).collect(), last))
}

impl From<kv_change::Model> for ChangeView {
    fn from(row: kv_change::Model) -> Self {
        Self {
            key: row.key.0,
            action: if row.deleted { "delete" } else { "upsert" },
            revision: row.revision,
            updated_at: row.changed_at,
        }
    }
}
