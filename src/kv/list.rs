//! Lists of keys. First and cursor pages cost by the page, whatever else the store holds.

use entity::{ByteText, UtcMillis, device, kv_store};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Select, Value,
};
use serde::{Deserialize, Serialize};

use super::{
    KEY_NOT_FOUND,
    dto::{CurrentPage, KeyList, KeyNames, KeyView, ListQuery},
    key::Key,
};
use crate::{
    base::{
        error::{Error, Result},
        page::{decode_cursor, encode_cursor},
    },
    devices::install::invalid_token,
};

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SortBy {
    Key,
    CreatedAt,
    UpdatedAt,
    Size,
}

/// A checked [`ListQuery`].
#[derive(Debug)]
pub struct Listing {
    sort_by: SortBy,
    descending: bool,
    limit: u64,
    skip: u64,
    prefix: String,
    after: Option<Position>,
}

/// The last row of a page: its sort value and key, and what the list was sorted by.
#[derive(Debug, Serialize, Deserialize)]
struct Position(String, bool, i64, String);

impl SortBy {
    fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::CreatedAt => "createdAt",
            Self::UpdatedAt => "updatedAt",
            Self::Size => "size",
        }
    }

    fn column(self) -> kv_store::Column {
        match self {
            Self::Key => kv_store::Column::Key,
            Self::CreatedAt => kv_store::Column::CreatedAt,
            Self::UpdatedAt => kv_store::Column::UpdatedAt,
            Self::Size => kv_store::Column::Size,
        }
    }

    fn of(self, item: &KeyView) -> i64 {
        match self {
            Self::Key => 0,
            Self::CreatedAt => item.metadata.created_at.0,
            Self::UpdatedAt => item.metadata.updated_at.0,
            Self::Size => item.metadata.size,
        }
    }
}

impl Listing {
    /// Checks what was asked for.
    ///
    /// # Errors
    /// 400 naming the parameter.
    pub fn parse(query: &ListQuery) -> Result<Self> {
        let sort_by = match query.sort_by.as_deref() {
            None | Some("key") => SortBy::Key,
            Some("createdAt") => SortBy::CreatedAt,
            Some("updatedAt") => SortBy::UpdatedAt,
            Some("size") => SortBy::Size,
            Some(_) => return Err(Error::malformed("'sortBy' must be key, createdAt, updatedAt or size.")),
        };
        let descending = match query.sort_dir.as_deref() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(Error::malformed("'sortDir' must be asc or desc.")),
        };
        let limit = number("limit", query.limit.as_deref(), 100, 1..=1000)?;
        let skip = number("skip", query.skip.as_deref(), 0, 0..=i64::MAX.unsigned_abs())?;
        let bad_cursor = || Error::malformed("'cursor' is not one of this list.");
        let after = match query.cursor.as_deref() {
            None => None,
            Some(cursor) => Some(decode_cursor::<Position>(cursor).ok_or_else(bad_cursor)?),
        };
        if after.as_ref().is_some_and(|position| position.0 != sort_by.name() || position.1 != descending) {
            return Err(bad_cursor());
        }
        let prefix = query.prefix.clone().unwrap_or_default();
        Ok(Self { sort_by, descending, limit, skip: if after.is_some() { 0 } else { skip }, prefix, after })
    }

    /// The keys with what is known of them.
    ///
    /// # Errors
    /// When the database is out.
    pub async fn items(&self, db: &impl ConnectionTrait, device_id: i64, now: UtcMillis) -> Result<KeyList> {
        let (items, more) = self.page(db, device_id, now).await?;
        let total_rows = self.total(db, device_id, now).await?;
        let next_cursor = self.next_cursor(items.last(), more)?;
        let load_more = next_cursor.as_deref().map(|cursor| self.load_more("/kv", cursor));
        Ok(KeyList { items, total_rows, load_more, next_cursor })
    }

    /// The keys alone.
    ///
    /// # Errors
    /// When the database is out.
    pub async fn names(&self, db: &impl ConnectionTrait, device_id: i64, now: UtcMillis) -> Result<KeyNames> {
        let (items, more) = self.page(db, device_id, now).await?;
        let total_rows = self.total(db, device_id, now).await?;
        let next_cursor = self.next_cursor(items.last(), more)?;
        let count = u64::try_from(items.len()).unwrap_or_default();
        Ok(KeyNames {
            keys: items.into_iter().map(|item| item.key).collect(),
            total_rows,
            current_page: CurrentPage { limit: self.limit, skip: self.skip, count },
            load_more: next_cursor.as_deref().map(|cursor| self.load_more("/kv/_keys", cursor)),
            next_cursor,
        })
    }

    async fn page(&self, db: &impl ConnectionTrait, device_id: i64, now: UtcMillis) -> Result<(Vec<KeyView>, bool)> {
        let order = if self.descending { Order::Desc } else { Order::Asc };
        let mut rows = self.after(self.matching(device_id, now));
        if self.sort_by != SortBy::Key {
            rows = rows.order_by(self.sort_by.column(), order.clone());
        }
        let rows: Vec<Listed> = rows
            .order_by(kv_store::Column::Key, order)
            .offset(self.skip)
            .limit(self.limit + 1)
            .select_only()
            .columns(LISTED)
            .into_tuple()
            .all(db)
            .await?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        Ok((rows.into_iter().take(limit).map(|row| view(device_id, row)).collect(), more))
    }

    /// Live keys under the prefix.
    fn matching(&self, device_id: i64, now: UtcMillis) -> Select<kv_store::Entity> {
        let rows = live(device_id, now);
        if self.prefix.is_empty() {
            return rows;
        }
        // No key is longer than 191 characters and no character sorts after U+10FFFF.
        let last = format!("{}{}", self.prefix, "\u{10FFFF}".repeat(191));
        rows.filter(kv_store::Column::Key.gte(ByteText::from(self.prefix.as_str())))
            .filter(kv_store::Column::Key.lte(ByteText::from(last)))
    }

    /// What follows the cursor. The first condition is implied by the second, but is the one an index can use.
    fn after(&self, rows: Select<kv_store::Entity>) -> Select<kv_store::Entity> {
        let Some(Position(_, _, value, key)) = &self.after else { return rows };
        let (sort, key) = (self.sort_by.column(), ByteText::from(key.as_str()));
        let beyond_key = if self.descending { kv_store::Column::Key.lt(key) } else { kv_store::Column::Key.gt(key) };
        if self.sort_by == SortBy::Key {
            return rows.filter(beyond_key);
        }
        let value = Value::from(*value);
        let (from, beyond) = if self.descending {
            (sort.lte(value.clone()), sort.lt(value))
        } else {
            (sort.gte(value.clone()), sort.gt(value))
        };
        rows.filter(from).filter(Condition::any().add(beyond).add(beyond_key))
    }

    async fn total(&self, db: &impl ConnectionTrait, device_id: i64, now: UtcMillis) -> Result<u64> {
        if !self.prefix.is_empty() {
            return Ok(self.matching(device_id, now).count(db).await?);
        }
        let device = device::Entity::find_by_id(device_id).one(db).await?.ok_or_else(invalid_token)?;
        let expired = kv_store::Entity::find()
            .filter(kv_store::Column::DeviceId.eq(device_id))
            .filter(kv_store::Column::ExpiresAt.lte(now))
            .count(db)
            .await?;
        Ok(u64::try_from(device.key_count).unwrap_or_default().saturating_sub(expired))
    }

    fn next_cursor(&self, last: Option<&KeyView>, more: bool) -> Result<Option<String>> {
        let Some(last) = last.filter(|_| more) else { return Ok(None) };
        let position =
            Position(self.sort_by.name().to_owned(), self.descending, self.sort_by.of(last), last.key.clone());
        encode_cursor(&position).map(Some)
    }

    /// The next page, asked for in the way this one was.
    fn load_more(&self, path: &str, cursor: &str) -> String {
        let Self { sort_by, descending, limit, skip, prefix, after } = self;
        let dir = if *descending { "desc" } else { "asc" };
        let mut next = format!("{path}?sortBy={}&sortDir={dir}&limit={limit}", sort_by.name());
        match after {
            Some(_) => next.push_str(&format!("&cursor={cursor}")),
            None => next.push_str(&format!("&skip={}", skip + limit)),
        }
        if !prefix.is_empty() {
            next.push_str(&format!("&prefix={}", utf8_percent_encode(prefix, NON_ALPHANUMERIC)));
        }
        next
    }
}

/// Columns of a list: all but the value.
const LISTED: [kv_store::Column; 8] = [
    kv_store::Column::Key,
    kv_store::Column::Size,
    kv_store::Column::Revision,
    kv_store::Column::ExpiresAt,
    kv_store::Column::CreatorIp,
    kv_store::Column::UpdaterIp,
    kv_store::Column::CreatedAt,
    kv_store::Column::UpdatedAt,
];

type Listed = (ByteText, i64, i64, Option<UtcMillis>, String, String, UtcMillis, UtcMillis);

fn view(device_id: i64, row: Listed) -> KeyView {
    let (key, size, revision, expires_at, creator_ip, updater_ip, created_at, updated_at) = row;
    let metadata = super::dto::Metadata { creator_ip, updater_ip, created_at, updated_at, size, revision, expires_at };
    KeyView { device_id, key: key.0, metadata }
}

fn live(device_id: i64, now: UtcMillis) -> Select<kv_store::Entity> {
    kv_store::Entity::find()
        .filter(kv_store::Column::DeviceId.eq(device_id))
        .filter(Condition::any().add(kv_store::Column::ExpiresAt.is_null()).add(kv_store::Column::ExpiresAt.gt(now)))
}

/// What is known of one key.
///
/// # Errors
/// 404 when it is absent.
pub async fn metadata(db: &impl ConnectionTrait, device_id: i64, key: &Key, now: UtcMillis) -> Result<KeyView> {
    let row: Option<Listed> = live(device_id, now)
        .filter(kv_store::Column::Key.eq(ByteText::from(key.as_str())))
        .select_only()
        .columns(LISTED)
        .into_tuple()
        .one(db)
        .await?;
    let row = row.ok_or_else(|| KEY_NOT_FOUND.error("There is no such key."))?;
    Ok(view(device_id, row))
}

/// Reads a number out of a query parameter.
///
/// # Errors
/// 400 naming the parameter.
pub fn number(name: &str, text: Option<&str>, default: u64, range: std::ops::RangeInclusive<u64>) -> Result<u64> {
    match text.map(str::parse::<u64>) {
        None => Ok(default),
        Some(Ok(number)) if range.contains(&number) => Ok(number),
        Some(_) => Err(Error::malformed(format!("'{name}' must be a number of {} to {}.", range.start(), range.end()))),
    }
}
