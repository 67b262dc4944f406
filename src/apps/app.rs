//! Apps in the database. The writer of table `app`.

use entity::{UtcMillis, app};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::{
    APP_NOT_FOUND,
    dto::{AdminApp, AppPatch, NewApp, Window},
};
use crate::{
    base::{
        error::{Error, FieldError, Result},
        input::{Patch, invalid},
        page::{Page, PageQuery},
    },
    devices::contains,
};

/// The app of that number.
///
/// # Errors
/// 404 when there is none.
pub async fn require(db: &impl ConnectionTrait, id: i64) -> Result<app::Model> {
    app::Entity::find_by_id(id).one(db).await?.ok_or_else(|| APP_NOT_FOUND.error("There is no such app."))
}

/// Registers an app.
///
/// # Errors
/// When the database is out.
pub async fn create(tx: &impl ConnectionTrait, new: NewApp, now: UtcMillis) -> Result<app::Model> {
    let NewApp {
        name,
        developer_name,
        description,
        developer_link,
        homepage_link,
        icon_hash,
        repository_url,
        metadata,
    } = new;
    let row = app::ActiveModel {
        name: Set(name),
        description: Set(description),
        developer_name: Set(developer_name),
        developer_link: Set(developer_link),
        homepage_link: Set(homepage_link),
        icon_hash: Set(icon_hash),
        repository_url: Set(repository_url),
        metadata: Set(metadata.map(|value| value.to_string())),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    Ok(row.insert(tx).await?)
}

/// Changes an app. The result obeys the rules of a new one.
///
/// # Errors
/// 404, or 422 listing the fields.
pub async fn update(tx: &impl ConnectionTrait, id: i64, patch: AppPatch, now: UtcMillis) -> Result<app::Model> {
    let AppPatch {
        name,
        developer_name,
        description,
        developer_link,
        homepage_link,
        icon_hash,
        repository_url,
        metadata,
    } = patch;
    let mut row = require(tx, id).await?.into_active_model();
    set_required(&mut row.name, "name", name)?;
    set_required(&mut row.developer_name, "developer_name", developer_name)?;
    set(&mut row.description, description);
    set(&mut row.developer_link, developer_link);
    set(&mut row.homepage_link, homepage_link);
    set(&mut row.icon_hash, icon_hash);
    set(&mut row.repository_url, repository_url);
    if let Some(value) = metadata.into_change() {
        row.metadata = Set(value.map(|value| value.to_string()));
    }
    row.updated_at = Set(now);
    Ok(row.update(tx).await?)
}

fn set(column: &mut sea_orm::ActiveValue<Option<String>>, patch: Patch<String>) {
    if let Some(value) = patch.into_change() {
        *column = Set(value);
    }
}

fn set_required(column: &mut sea_orm::ActiveValue<String>, field: &str, patch: Patch<String>) -> Result<()> {
    match patch {
        Patch::Absent => {}
        Patch::Value(value) => *column = Set(value.trim().to_owned()),
        Patch::Null => return Err(Error::invalid(vec![FieldError::new(field, "required", "cannot be cleared")])),
    }
    Ok(())
}

impl AppPatch {
    /// Checks the values that are given by the rules of a new app.
    ///
    /// # Errors
    /// 422 listing the fields.
    pub fn check(&self) -> Result<()> {
        use validator::Validate;
        let text =
            |patch: &Patch<String>, absent: &str| patch.value().map_or(absent.to_owned(), |v| v.trim().to_owned());
        let as_new = NewApp {
            name: text(&self.name, "-"),
            developer_name: text(&self.developer_name, "-"),
            description: self.description.value().cloned(),
            developer_link: self.developer_link.value().cloned(),
            homepage_link: self.homepage_link.value().cloned(),
            icon_hash: self.icon_hash.value().cloned(),
            repository_url: self.repository_url.value().cloned(),
            metadata: None,
        };
        as_new.validate().map_err(|errors| invalid(&errors))
    }
}

/// Deletes an app, and its installs with it.
///
/// # Errors
/// 404 when there is none.
pub async fn delete(tx: &impl ConnectionTrait, id: i64) -> Result<()> {
    if app::Entity::delete_by_id(id).exec(tx).await?.rows_affected == 0 {
        return Err(APP_NOT_FOUND.error("There is no such app."));
    }
    Ok(())
}

fn matching(search: Option<&str>) -> Select<app::Entity> {
    let Some(search) = search.filter(|search| !search.is_empty()) else { return app::Entity::find() };
    let pattern = contains(search);
    app::Entity::find().filter(
        Condition::any()
            .add(app::Column::Name.like(pattern.clone()))
            .add(app::Column::Description.like(pattern.clone()))
            .add(app::Column::DeveloperName.like(pattern)),
    )
}

/// Apps by window, newest first, and how many there are.
///
/// # Errors
/// When the database is out.
pub async fn window(db: &impl ConnectionTrait, search: Option<&str>, window: Window) -> Result<(Vec<app::Model>, u64)> {
    let apps = matching(search);
    let total = apps.clone().count(db).await?;
    let rows = apps
        .order_by_desc(app::Column::CreatedAt)
        .order_by_desc(app::Column::Id)
        .offset(window.skip)
        .limit(window.limit)
        .all(db)
        .await?;
    Ok((rows, total))
}

/// Apps by page, newest first.
///
/// # Errors
/// 422 for a bad limit or cursor.
pub async fn list(db: &impl ConnectionTrait, page: &PageQuery, search: Option<&str>) -> Result<Page<AdminApp>> {
    let limit = page.limit()?;
    let mut apps = matching(search);
    let total = apps.clone().count(db).await?;
    if let Some((created, id)) = page.position::<(i64, i64)>()? {
        let created = UtcMillis(created);
        apps = apps
            .filter(app::Column::CreatedAt.lte(created))
            .filter(Condition::any().add(app::Column::CreatedAt.lt(created)).add(app::Column::Id.lt(id)));
    }
    let rows =
        apps.order_by_desc(app::Column::CreatedAt).order_by_desc(app::Column::Id).limit(limit + 1).all(db).await?;
    Ok(Page::cut(rows, limit, Some(total), |row| (row.created_at.0, row.id))?.map(AdminApp::from))
}
