//! Accounts with their tokens, to be taken elsewhere: read page by page, so that no number of them fills the memory.

use actix_web::{Error as ActixError, web::Bytes};
use clap::ValueEnum;
use entity::{
    UtcMillis,
    refresh_token::{Column, Entity, Model},
};
use futures_util::{Stream, stream};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::list::condition;
use crate::{
    admin::{Actor, audit},
    base::{
        db::Db,
        error::{Error, Result},
        sealed::Place,
        secret::Sealer,
        state::State,
    },
    tokens::dto::AccountFilter,
};

/// Rows of a page.
const PAGE: u64 = 200;
/// What a cell must not begin with: programs for tables would take it for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The form of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// A refresh token a line.
    Txt,
    /// A list of objects.
    #[default]
    Json,
    /// A table with a header.
    Csv,
}

impl ExportFormat {
    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Txt => "text/plain; charset=utf-8",
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    /// The ending of its file's name.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Txt => "txt",
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }
}

/// The form that is asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// `txt`: a refresh token a line; `csv`: a table; `json`: a list. All of them can be imported.
    #[param(nullable = false, inline, default = "json", example = "json")]
    pub format: Option<ExportFormat>,
}

/// An account as it is exported.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"id": 7, "biz_id": "team-a", "provider": "openai-ios", "email": "ann@example.org", "user_name": "Ann", "type": "plus", "refresh_token": "rt_5f0c2b7d1193", "access_token": null, "access_expires_at": null, "client_id": null, "proxy": null, "tag": "team", "memo": null, "enabled": true, "state": "new", "created_at": "2026-11-21T04:31:00.000Z"}))]
pub struct ExportedAccount {
    id: i64,
    biz_id: String,
    provider: String,
    email: Option<String>,
    user_name: Option<String>,
    #[serde(rename = "type")]
    account_type: Option<String>,
    refresh_token: Option<String>,
    access_token: Option<String>,
    access_expires_at: Option<String>,
    client_id: Option<String>,
    proxy: Option<String>,
    tag: Option<String>,
    memo: Option<String>,
    enabled: bool,
    state: String,
    created_at: String,
}

const HEADER: [&str; 16] = [
    "id",
    "biz_id",
    "provider",
    "email",
    "user_name",
    "type",
    "refresh_token",
    "access_token",
    "access_expires_at",
    "client_id",
    "proxy",
    "tag",
    "memo",
    "enabled",
    "state",
    "created_at",
];

impl ExportedAccount {
    fn new(row: Model, sealer: &Sealer) -> Self {
        let open = |column: &str, sealed: Option<&str>| {
            let place = Place { table: "refresh_token", id: row.id, column };
            let opened = sealed.map(|sealed| place.unseal(sealer, sealed))?;
            // One that does not open must not keep all others from being taken along.
            let opened = opened.inspect_err(|_| log::error!("account {}: its {column} does not open", row.id));
            opened.ok().map(|secret| secret.expose().to_owned())
        };
        Self {
            refresh_token: open("refresh_token", Some(&row.refresh_token)),
            access_token: open("access_token", row.access_token.as_deref()),
            proxy: open("proxy", row.proxy.as_deref()),
            id: row.id,
            biz_id: row.biz_id.0,
            provider: row.provider,
            email: row.email,
            user_name: row.user_name,
            account_type: row.account_type,
            access_expires_at: row.access_expires_at.map(|time| time.to_string()),
            client_id: row.client_id,
            tag: row.tag,
            memo: row.memo,
            enabled: row.enabled,
            state: row.state,
            created_at: row.created_at.to_string(),
        }
    }

    fn cells(self) -> [String; 16] {
        let text = Option::unwrap_or_default;
        [
            self.id.to_string(),
            self.biz_id,
            self.provider,
            text(self.email),
            text(self.user_name),
            text(self.account_type),
            text(self.refresh_token),
            text(self.access_token),
            text(self.access_expires_at),
            text(self.client_id),
            text(self.proxy),
            text(self.tag),
            text(self.memo),
            self.enabled.to_string(),
            self.state,
            self.created_at,
        ]
        .map(defused)
    }
}

/// A cell that no program takes for a formula.
fn defused(cell: String) -> String {
    if is_formula(&cell) { format!("'{cell}") } else { cell }
}

/// The cell as it was before it was defused.
#[must_use]
pub fn undefused(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(cell)
}

/// One that was defused before counts too, so that each defusing can be undone.
fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(FORMULA)
}

/// Where accounts are read from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The database.
    pub db: Db,
    /// What their tokens are unsealed with.
    pub sealer: Sealer,
    /// The time, for filters that ask for it.
    pub now: UtcMillis,
}

impl From<&State> for Source {
    fn from(state: &State) -> Self {
        Self { db: state.db.clone(), sealer: state.sealer.clone(), now: state.clock.now() }
    }
}

/// Writes down that accounts are taken out: to be committed before the first of them is.
///
/// # Errors
/// When the database fails.
pub async fn note_export(tx: &impl ConnectionTrait, actor: &Actor, format: ExportFormat, now: UtcMillis) -> Result<()> {
    audit::record(tx, actor, "export", "refresh_token", "*", json!({ "format": format }), now).await
}

/// Where an export has got to.
struct Exporting {
    source: Source,
    filter: AccountFilter,
    format: ExportFormat,
    /// The last number that was written; `None` before the beginning.
    after: Option<i64>,
    is_over: bool,
}

/// The accounts that fit, by number.
pub fn export(
    source: Source,
    filter: AccountFilter,
    format: ExportFormat,
) -> impl Stream<Item = std::result::Result<Bytes, ActixError>> {
    let start = Exporting { source, filter, format, after: None, is_over: false };
    stream::try_unfold(start, async |mut exporting| {
        if exporting.is_over {
            return Ok(None);
        }
        let piece = exporting.next().await.inspect_err(|error| log::error!("an export was cut off: {error}"))?;
        Ok(Some((Bytes::from(piece), exporting)))
    })
}

impl Exporting {
    /// The next piece: with the first one the beginning, with the last one the end.
    async fn next(&mut self) -> Result<Vec<u8>> {
        let first = self.after.is_none();
        let rows = page(&self.source, &self.filter, self.after.unwrap_or(0)).await?;
        self.after = Some(rows.last().map_or(i64::MAX, |row| row.id));
        self.is_over = (rows.len() as u64) < PAGE;
        let accounts = rows.into_iter().map(|row| ExportedAccount::new(row, &self.source.sealer));
        match self.format {
            ExportFormat::Txt => Ok(accounts
                .filter_map(|one| one.refresh_token)
                .flat_map(|token| format!("{token}\n").into_bytes())
                .collect()),
            ExportFormat::Json => list(accounts, first, self.is_over),
            ExportFormat::Csv => csv(accounts, first),
        }
    }
}

async fn page(source: &Source, filter: &AccountFilter, after: i64) -> Result<Vec<Model>> {
    let db = source.db.orm();
    let fitting = condition(filter, db.get_database_backend(), source.now);
    let rows = Entity::find().filter(Condition::all().add(fitting).add(Column::Id.gt(after)));
    Ok(rows.order_by_asc(Column::Id).limit(PAGE).all(db).await?)
}

fn list(accounts: impl Iterator<Item = ExportedAccount>, first: bool, last: bool) -> Result<Vec<u8>> {
    let mut piece = if first { b"[".to_vec() } else { Vec::new() };
    for (nth, account) in accounts.enumerate() {
        piece.extend_from_slice(if first && nth == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut piece, &account).map_err(Error::internal)?;
    }
    if last {
        piece.extend_from_slice(b"\n]\n");
    }
    Ok(piece)
}

fn csv(accounts: impl Iterator<Item = ExportedAccount>, first: bool) -> Result<Vec<u8>> {
    let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if first {
        table.write_record(HEADER).map_err(Error::internal)?;
    }
    for account in accounts {
        table.write_record(account.cells()).map_err(Error::internal)?;
    }
    table.into_inner().map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_begins_like_a_formula_and_every_one_comes_back_as_it_was() {
        for cell in ["=1+1", "+1", "-rt", "@x", "\tx", "\rx", "plain", "", "'quoted", "a=b", "'=1", "''-1"] {
            let written = defused(cell.to_owned());
            assert!(!written.starts_with(FORMULA), "{cell}");
            assert_eq!(undefused(&written), cell);
        }
    }
}
