//! Wakes open change streams for what other processes did: another replica, the command line.

use std::{collections::HashMap, time::Duration};

use entity::{app_install, device};
use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait};

use crate::base::{error::Result, state::State};

/// How often is looked: what another process changed holds here within a second.
const EVERY: Duration = Duration::from_millis(500);

/// Looks at the devices somebody waits for until the service stops. What this process changes wakes at once, without
/// this.
pub async fn watch(state: State) {
    let mut seen = HashMap::new();
    while state.closing.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        if let Err(error) = look(&state, &mut seen).await {
            log::warn!("cannot look for changes of other processes: {error} {:?}", error.cause());
        }
    }
    state.wakeups.wake_all();
}

/// What can change about a device: its revision, how many installs it has, and the newest of them.
type Sight = (i64, i64, Option<i64>);

async fn look(state: &State, seen: &mut HashMap<i64, Option<Sight>>) -> Result<()> {
    let waited_for = state.wakeups.devices();
    seen.retain(|device_id, _| waited_for.contains(device_id));
    for ids in waited_for.chunks(500) {
        let rows: Vec<(i64, i64, i64, Option<i64>)> = device::Entity::find()
            .select_only()
            .columns([device::Column::Id, device::Column::Revision])
            .column_as(app_install::Column::Id.count(), "installs")
            .column_as(app_install::Column::Id.max(), "newest")
            .join(JoinType::LeftJoin, app_install::Relation::Device.def().rev())
            .filter(device::Column::Id.is_in(ids.iter().copied()))
            .group_by(device::Column::Id)
            .group_by(device::Column::Revision)
            .into_tuple()
            .all(state.db.orm())
            .await?;
        for id in ids {
            let now = rows.iter().find(|row| row.0 == *id).map(|row| (row.1, row.2, row.3));
            if seen.insert(*id, now) != Some(now) {
                state.wakeups.wake(*id);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_a_second_leaves_time_for_the_answer() {
        assert!(EVERY * 2 <= Duration::from_secs(1));
    }
}
