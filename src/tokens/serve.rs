//! The hot read: an account as it is served, without a hop to another thread.

use entity::{UtcMillis, table};
use rusqlite::Row as SqliteRow;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Row as _, mysql::MySqlRow};
use utoipa::ToSchema;

use super::{
    TABLE,
    problems::{ACCESS_TOKEN_EXPIRED, ACCOUNT_DISABLED, ACCOUNT_NOT_FOUND, EMAIL_AMBIGUOUS, NO_ACCESS_TOKEN},
};
use crate::base::{error::Result, sealed::Place, state::State};

/// The columns of a [`Servable`], in its order.
const COLUMNS: &str =
    "id, biz_id, email, user_name, account_type, refresh_token, access_token, access_expires_at, enabled, state";

/// What serving needs of an account; tokens are sealed.
pub(super) struct Servable {
    pub(super) id: i64,
    biz_id: String,
    email: Option<String>,
    user_name: Option<String>,
    account_type: Option<String>,
    refresh_token: String,
    access_token: Option<String>,
    access_expires_at: Option<UtcMillis>,
    enabled: bool,
    state: String,
}

/// An account with its access token.
#[derive(Debug, Serialize, ToSchema)]
pub struct Served {
    /// The account.
    #[schema(example = "team-3")]
    biz_id: String,
    /// As the provider's tokens say.
    #[schema(example = "someone@example.com")]
    email: Option<String>,
    /// The live access token.
    #[schema(example = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln")]
    access_token: String,
    /// Only for secrets with the scope `tokens:reveal`, else null.
    #[schema(example = json!(null))]
    refresh_token: Option<String>,
    /// `free`, `plus`, `pro`, `team`, …
    #[serde(rename = "type")]
    #[schema(example = "plus")]
    account_type: Option<String>,
    /// As the provider's tokens say.
    #[schema(example = "Someone")]
    user_name: Option<String>,
    /// When the access token ends.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-21T12:31:00.000Z")]
    access_expires_at: Option<UtcMillis>,
    /// `new`, `ok`, `failing`, `dead` or `uncertain`.
    #[schema(example = "ok")]
    state: String,
}

/// What an account is looked up by.
#[derive(Clone, Copy)]
enum Key<'a> {
    Id(i64),
    BizId(&'a str),
    Email(&'a str),
}

impl Servable {
    /// # Errors
    /// 404.
    pub(super) async fn by_biz_id(state: &State, biz_id: &str) -> Result<Self> {
        let mut found = find(state, Key::BizId(biz_id)).await?;
        found.pop().ok_or_else(|| ACCOUNT_NOT_FOUND.error("There is no such account."))
    }

    /// # Errors
    /// 404; 409 `EMAIL_AMBIGUOUS` with the accounts' names (a hundred at most).
    pub(super) async fn by_email(state: &State, email: &str) -> Result<Self> {
        let mut found = find(state, Key::Email(email)).await?;
        if found.len() > 1 {
            let biz_ids: Vec<String> = found.into_iter().map(|account| account.biz_id).collect();
            return Err(EMAIL_AMBIGUOUS.error("Several accounts have this e-mail.").with("biz_ids", biz_ids));
        }
        found.pop().ok_or_else(|| ACCOUNT_NOT_FOUND.error("There is no such account."))
    }

    /// # Errors
    /// 404.
    pub(super) async fn reload(state: &State, id: i64) -> Result<Self> {
        let mut found = find(state, Key::Id(id)).await?;
        found.pop().ok_or_else(|| ACCOUNT_NOT_FOUND.error("The account was deleted meanwhile."))
    }

    /// # Errors
    /// 409 `ACCOUNT_DISABLED`.
    pub(super) fn require_enabled(&self) -> Result<()> {
        if self.enabled {
            return Ok(());
        }
        Err(ACCOUNT_DISABLED.error("The account is disabled."))
    }

    /// Whether its access token is good for that many seconds. One whose end is unknown is taken to live.
    pub(super) fn lives(&self, seconds: i64, now: UtcMillis) -> bool {
        self.access_token.is_some() && self.access_expires_at.is_none_or(|end| end > now.plus_seconds(seconds))
    }

    /// The account in clear; its refresh token only for those who may see it.
    ///
    /// # Errors
    /// 409 `ACCOUNT_DISABLED`, `NO_ACCESS_TOKEN`, `ACCESS_TOKEN_EXPIRED`.
    pub(super) fn serve(self, state: &State, reveals: bool) -> Result<Served> {
        self.require_enabled()?;
        let Some(access_token) = &self.access_token else {
            return Err(NO_ACCESS_TOKEN.error("The account was never refreshed."));
        };
        if !self.lives(0, state.clock.now()) {
            return Err(ACCESS_TOKEN_EXPIRED.error("The access token has expired."));
        }
        let open = |column: &'static str, sealed: &str| {
            let place = Place { table: TABLE, id: self.id, column };
            place.unseal(&state.sealer, sealed).map(|secret| secret.expose().to_owned())
        };
        Ok(Served {
            access_token: open("access_token", access_token)?,
            refresh_token: reveals.then(|| open("refresh_token", &self.refresh_token)).transpose()?,
            biz_id: self.biz_id,
            email: self.email,
            account_type: self.account_type,
            user_name: self.user_name,
            access_expires_at: self.access_expires_at,
            state: self.state,
        })
    }
}

/// At most a hundred accounts, in the order of their ids.
async fn find(state: &State, key: Key<'_>) -> Result<Vec<Servable>> {
    let column = match key {
        Key::Id(_) => "id",
        Key::BizId(_) => "biz_id",
        Key::Email(_) => "email",
    };
    let table = table::name(TABLE);
    let sql = format!("SELECT {COLUMNS} FROM {table} WHERE {column} = ? ORDER BY id LIMIT 100");
    if state.db.is_sqlite() {
        return state.db.sqlite_read(|db| {
            let mut query = db.prepare_cached(&sql)?;
            match key {
                Key::Id(id) => query.query_map([id], of_sqlite)?.collect(),
                Key::BizId(text) | Key::Email(text) => query.query_map([text], of_sqlite)?.collect(),
            }
        });
    }
    let rows = state.db.mysql_read(async |own| {
        let query = sqlx::query(AssertSqlSafe(sql.as_str()));
        let query = match key {
            Key::Id(id) => query.bind(id),
            Key::BizId(text) => query.bind(text.as_bytes()),
            Key::Email(text) => query.bind(text),
        };
        query.fetch_all(own).await
    });
    let rows = rows.await?;
    Ok(rows.iter().map(of_mysql).collect::<sqlx::Result<_>>()?)
}

fn of_sqlite(row: &SqliteRow<'_>) -> rusqlite::Result<Servable> {
    Ok(Servable {
        id: row.get(0)?,
        biz_id: row.get(1)?,
        email: row.get(2)?,
        user_name: row.get(3)?,
        account_type: row.get(4)?,
        refresh_token: row.get(5)?,
        access_token: row.get(6)?,
        access_expires_at: row.get::<_, Option<i64>>(7)?.map(UtcMillis),
        enabled: row.get(8)?,
        state: row.get(9)?,
    })
}

fn of_mysql(row: &MySqlRow) -> sqlx::Result<Servable> {
    let biz_id: Vec<u8> = row.try_get(1)?;
    Ok(Servable {
        id: row.try_get(0)?,
        biz_id: String::from_utf8(biz_id).map_err(|error| sqlx::Error::Decode(error.into()))?,
        email: row.try_get(2)?,
        user_name: row.try_get(3)?,
        account_type: row.try_get(4)?,
        refresh_token: row.try_get(5)?,
        access_token: row.try_get(6)?,
        access_expires_at: row.try_get::<Option<i64>, _>(7)?.map(UtcMillis),
        enabled: row.try_get(8)?,
        state: row.try_get(9)?,
    })
}
