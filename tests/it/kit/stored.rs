//! Everything that a service has stored, to look for what must not be there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sea_orm::{ConnectionTrait, Statement};

use super::Database;

/// A value of a table, as text.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Without prefix.
    pub table: String,
    /// The column.
    pub column: String,
    /// The value.
    pub text: String,
}

impl Stored {
    /// The data key, if it is a sealed box.
    pub fn data_key(&self) -> Option<i64> {
        let (key, sealed) = self.text.split_once('.')?;
        let is_base64 = |letter: char| letter.is_ascii_alphanumeric() || "+/=".contains(letter);
        // Nonce and tag alone are 28 bytes.
        (sealed.len() >= 38 && sealed.chars().all(is_base64)).then(|| key.parse().ok())?
    }
}

impl Database {
    /// Every value of every table that is not null.
    pub async fn everything(&self) -> Vec<Stored> {
        let connection = self.connect().await;
        let columns = match self.name {
            None => {
                "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c \
                 WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'"
            }
            Some(_) => "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()",
        };
        let backend = connection.get_database_backend();
        let rows = connection.query_all_raw(Statement::from_string(backend, columns)).await.expect("the columns");
        let mut stored = Vec::new();
        for row in rows {
            let (table, column): (String, String) =
                (row.try_get_by_index(0).expect("a name"), row.try_get_by_index(1).expect("a name"));
            let kind = if self.name.is_some() { "CHAR" } else { "TEXT" };
            let sql = format!("SELECT CAST(`{column}` AS {kind}) FROM `{table}` WHERE `{column}` IS NOT NULL");
            let values = connection.query_all_raw(Statement::from_string(backend, sql)).await.expect("the values");
            stored.extend(values.iter().map(|value| {
                let text = value.try_get_by_index(0).expect("a text");
                Stored { table: table.clone(), column: column.clone(), text }
            }));
        }
        connection.close().await.expect("closed");
        stored
    }

    /// Every file below the folder of the test with its content.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        collect(&self.folder, &mut found);
        found
    }
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => collect(&path, found),
            false => found.push((path.clone(), fs::read(&path).expect("a file"))),
        }
    }
}

/// Whether the text stands in the bytes.
pub fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
