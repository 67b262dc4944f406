//! The boxes in the columns, each replaced only while it is still the one that was read: what anybody writes meanwhile
//! stays.

use std::fmt;

use entity::table;
use sea_orm::{ConnectionTrait, DatabaseTransaction, QueryResult, Statement, Value};

use crate::base::{
    commit::Writer,
    db::Db,
    error::Result,
    sealed::{COLUMNS, Place},
    secret::Sealer,
};

/// Boxes of one transaction.
const STEP: u64 = 100;

/// Number or name of a row.
#[derive(Clone, Debug)]
enum Id {
    Number(i64),
    Name(String),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl From<Id> for Value {
    fn from(id: Id) -> Self {
        match id {
            Id::Number(number) => number.into(),
            Id::Name(name) => name.into(),
        }
    }
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Boxes that were replaced.
    pub(super) replaced: u64,
    /// Where boxes stand that do not open: `provider 4 headers`.
    pub(super) unopened: Vec<String>,
}

/// Replaces every box of an older data key than `key` by one of the newest, and tells `progress` after each step how
/// many of how many are done.
pub(super) async fn seal_anew(
    db: &Db,
    writer: &Writer,
    sealer: &Sealer,
    key: i64,
    progress: &impl Fn(u64, u64),
) -> Result<Done> {
    let (mut done, mut all) = (Done::default(), 0);
    for column in COLUMNS {
        all += count(db.orm(), *column, key).await?;
    }
    for (name, column) in COLUMNS {
        let mut after = None;
        loop {
            let boxes = older(db.orm(), (name, column), key, after.as_ref()).await?;
            let Some((last, _)) = boxes.last() else { break };
            after = Some(last.clone());
            let sealer = sealer.clone();
            let work = async move |tx: &DatabaseTransaction| replace(tx, &sealer, (name, column), &boxes).await;
            let step = writer.write(work).await?;
            done.replaced += step.replaced;
            done.unopened.extend(step.unopened);
            progress(done.replaced, all);
        }
    }
    Ok(done)
}

/// Whether a box of an older data key than `key` stands anywhere.
pub(super) async fn any_older(tx: &impl ConnectionTrait, key: i64) -> Result<bool> {
    for column in COLUMNS {
        if count(tx, *column, key).await? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A column that is being filled in the same transaction is empty until then; one of settings holds JSON besides boxes,
/// which has no text with a digit in front and a dot in it.
fn is_older(column: &str) -> String {
    format!("{column} >= '0' AND {column} < ':' AND {column} LIKE '%.%' AND {column} NOT LIKE ?")
}

/// What rows of a table are told apart by.
fn id_of(table: &str) -> &'static str {
    if table == "setting" { "name" } else { "id" }
}

async fn count(db: &impl ConnectionTrait, (name, column): (&'static str, &str), key: i64) -> Result<u64> {
    let sql = format!("SELECT COUNT(*) FROM {} WHERE {}", table::name(name), is_older(column));
    let counted = statement(db, sql, vec![format!("{key}.%").into()]);
    let row = db.query_one_raw(counted).await?;
    Ok(row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?.unwrap_or_default().unsigned_abs())
}

async fn older(
    db: &impl ConnectionTrait,
    (name, column): (&'static str, &str),
    key: i64,
    after: Option<&Id>,
) -> Result<Vec<(Id, String)>> {
    let (id_of, mut values) = (id_of(name), vec![format!("{key}.%").into()]);
    let mut sql = format!("SELECT {id_of}, {column} FROM {} WHERE {}", table::name(name), is_older(column));
    if let Some(after) = after {
        sql.push_str(&format!(" AND {id_of} > ?"));
        values.push(after.clone().into());
    }
    sql.push_str(&format!(" ORDER BY {id_of} LIMIT {STEP}"));
    let rows = db.query_all_raw(statement(db, sql, values)).await?;
    rows.iter().map(|row| Ok((id(row)?, row.try_get_by_index(1)?))).collect()
}

fn id(row: &QueryResult) -> Result<Id> {
    match row.try_get_by_index(0) {
        Ok(number) => Ok(Id::Number(number)),
        Err(_) => Ok(Id::Name(row.try_get_by_index(0)?)),
    }
}

async fn replace(
    tx: &impl ConnectionTrait,
    sealer: &Sealer,
    (name, column): (&'static str, &str),
    boxes: &[(Id, String)],
) -> Result<Done> {
    let (mut done, sealing) = (Done::default(), sealer.sealing(tx).await?);
    let sql = format!("UPDATE {} SET {column} = ? WHERE {} = ? AND {column} = ?", table::name(name), id_of(name));
    for (id, old) in boxes {
        let place = Place { table: name, id, column };
        let Ok(plain) = place.unseal(sealer, old) else {
            done.unopened.push(format!("{name} {id} {column}"));
            continue;
        };
        let values = vec![place.seal(&sealing, &plain)?.into(), id.clone().into(), old.as_str().into()];
        // None: somebody was faster, and sealed with the newest key.
        done.replaced += tx.execute_raw(statement(tx, sql.clone(), values)).await?.rows_affected();
    }
    Ok(done)
}

fn statement(db: &impl ConnectionTrait, sql: String, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(db.get_database_backend(), sql, values)
}
