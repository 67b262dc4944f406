//! What an admin sees and changes of the jobs.

use entity::{UtcMillis, job::Model, lease};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::{
    Scheduler,
    dto::{JobPatch, JobView},
    jobs,
    live::Place,
};
use crate::{
    admin::{Actor, audit},
    base::{
        error::Result,
        page::{Page, PageQuery},
    },
};

impl Scheduler {
    /// The jobs by name.
    ///
    /// # Errors
    /// 422 for a bad limit or cursor.
    pub(super) async fn list(&self, page: &PageQuery) -> Result<Page<JobView>> {
        let (limit, after) = (page.limit()?, page.position::<String>()?);
        let all = self.views(self.inner().state.db.orm(), self.now()).await?;
        let total = all.len() as u64;
        let rest = all.into_iter().filter(|job| after.as_ref().is_none_or(|after| job.name > *after)).collect();
        Page::cut(rest, limit, Some(total), |job| job.name.clone())
    }

    async fn views(&self, db: &impl ConnectionTrait, now: UtcMillis) -> Result<Vec<JobView>> {
        let places = &self.inner().places;
        let rows = jobs::rows(db, places.iter().map(|place| place.job.name)).await?;
        let held = lease::Entity::find()
            .filter(lease::Column::Name.is_in(places.iter().map(|place| place.job.lease_name())))
            .filter(lease::Column::ExpiresAt.gt(now))
            .all(db)
            .await?;
        let view = |row: &Model| {
            let place = places.iter().find(|place| place.job.name == row.name)?;
            let lease = held.iter().find(|lease| lease.name == place.job.lease_name());
            Some(view(place, row, lease))
        };
        let mut views: Vec<JobView> = rows.iter().filter_map(view).collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(views)
    }

    /// Changes a job and answers what it is then. Holds on every replica from the next tick on.
    ///
    /// # Errors
    /// 404 for an unknown name, 422 for a schedule that is none.
    pub(super) async fn change(&self, actor: Actor, name: &str, patch: JobPatch) -> Result<JobView> {
        let (own, now, zone) = (self.place(name)?.clone(), self.now(), self.zone());
        let place = own.clone();
        let row = self.inner().state.writer.write(async move |tx| {
            let old = jobs::locked(tx, &place.job, now, zone).await?;
            let new = jobs::change(tx, &place.job, &patch.schedule, &patch.enabled, now, zone).await?;
            let changes = audit::Changes::default().field("schedule", &old.schedule, &new.schedule).field(
                "enabled",
                &old.enabled,
                &new.enabled,
            );
            audit::record(tx, &actor, "update", "job", place.job.name, changes, now).await?;
            Ok(new)
        });
        let row = row.await?;
        let lease = lease::Entity::find_by_id(own.job.lease_name())
            .filter(lease::Column::ExpiresAt.gt(now))
            .one(self.inner().state.db.orm())
            .await?;
        Ok(view(&own, &row, lease.as_ref()))
    }
}

/// The job as this replica knows it: it runs here, or somebody else holds its lease.
fn view(place: &Place, row: &Model, lease: Option<&lease::Model>) -> JobView {
    let kept = place.kept();
    let elsewhere = lease.is_some_and(|lease| kept.as_ref().is_none_or(|kept| kept.fence.0 != lease.fence));
    let next = kept.filter(|kept| kept.seen == row.updated_at).map(|kept| kept.next).or(row.next_run_at);
    JobView::new(&place.job, row, place.is_busy() || elsewhere, next)
}
