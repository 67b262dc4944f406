//! Devices as admins see them: searched, counted, paged.

use entity::{UtcMillis, app_install, device};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::{Expr, LikeExpr},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::dto::AdminDevice;
use crate::base::{
    error::Result,
    page::{Page, PageQuery},
};

/// Which devices.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeviceQuery {
    /// Part of the uuid or the name.
    #[param(nullable = false, example = "classroom")]
    pub search: Option<String>,
}

/// A page of devices, newest first.
///
/// # Errors
/// 422 for a bad limit or cursor.
pub async fn list(db: &impl ConnectionTrait, page: &PageQuery, query: &DeviceQuery) -> Result<Page<AdminDevice>> {
    let limit = page.limit()?;
    let mut devices = device::Entity::find();
    if let Some(search) = query.search.as_deref().filter(|search| !search.is_empty()) {
        let pattern = contains(search);
        let uuid = uuid_as_text(db.get_database_backend());
        devices =
            devices.filter(Condition::any().add(uuid.like(pattern.clone())).add(device::Column::Name.like(pattern)));
    }
    let total = devices.clone().count(db).await?;
    if let Some((created, id)) = page.position::<(i64, i64)>()? {
        let created = UtcMillis(created);
        devices = devices
            .filter(device::Column::CreatedAt.lte(created))
            .filter(Condition::any().add(device::Column::CreatedAt.lt(created)).add(device::Column::Id.lt(id)));
    }
    let rows = devices
        .order_by_desc(device::Column::CreatedAt)
        .order_by_desc(device::Column::Id)
        .limit(limit + 1)
        .all(db)
        .await?;
    let page = Page::cut(rows, limit, Some(total), |row| (row.created_at.0, row.id))?;
    let ids = page.items.iter().map(|row| row.id);
    let counts: Vec<(i64, i64)> = app_install::Entity::find()
        .select_only()
        .column(app_install::Column::DeviceId)
        .column_as(app_install::Column::Id.count(), "installs")
        .filter(app_install::Column::DeviceId.is_in(ids))
        .group_by(app_install::Column::DeviceId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(page.map(|row| {
        let installs = counts.iter().find(|(id, _)| *id == row.id).map_or(0, |(_, count)| *count);
        AdminDevice::new(row, installs)
    }))
}

/// One device with its counts.
///
/// # Errors
/// When the database is out.
pub async fn describe(db: &impl ConnectionTrait, row: device::Model) -> Result<AdminDevice> {
    let installs = app_install::Entity::find().filter(app_install::Column::DeviceId.eq(row.id)).count(db).await?;
    Ok(AdminDevice::new(row, i64::try_from(installs).unwrap_or(i64::MAX)))
}

/// The uuid for a search, which looks past upper and lower case: on MySQL the column itself is bytes.
fn uuid_as_text(backend: DbBackend) -> Expr {
    let uuid = Expr::col((device::Entity, device::Column::Uuid));
    match backend {
        DbBackend::MySql => Expr::cust_with_expr("CONVERT(? USING utf8mb4) COLLATE utf8mb4_unicode_ci", uuid),
        _ => uuid,
    }
}

/// A LIKE pattern for texts that contain `part`, whatever signs are in it.
#[must_use]
pub fn contains(part: &str) -> LikeExpr {
    let escaped = part.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    LikeExpr::new(format!("%{escaped}%")).escape('!')
}
