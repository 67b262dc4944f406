//! A table with a header (RFC 4180). The separator may also be a semicolon or a tabulator.

use csv::StringRecord;

use super::{LONGEST_LINE, Line, MOST_LINES, TOO_LONG, bare, filled, switch, too_many};
use crate::{
    base::{
        error::{Error, Result},
        secret::Secret,
    },
    tokens::{dto::NewAccount, export::undefused},
};

/// The records that are not blank, each with the number of its first line.
///
/// # Errors
/// 422 when there are too many, or no column holds refresh tokens.
pub(super) fn read(text: &str) -> Result<Vec<Line>> {
    let head = text.lines().next().unwrap_or_default();
    let separator = [b',', b';', b'\t'].into_iter().find(|sign| head.as_bytes().contains(sign)).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().flexible(true).delimiter(separator).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|_| no_header())?.clone();
    let columns: Vec<String> = header.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    if !columns.iter().any(|name| is_token(name)) {
        return Err(no_header());
    }
    let (mut lines, mut record, mut place) = (Vec::new(), StringRecord::new(), Place { text, at: 0, line: 1 });
    loop {
        let start = reader.position().byte();
        let read = reader.read_record(&mut record);
        if matches!(read, Ok(false)) {
            return Ok(lines);
        }
        if read.is_ok() && record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if lines.len() == MOST_LINES {
            return Err(too_many());
        }
        let number = place.line_of(record.position().map_or(start, csv::Position::byte));
        let account = match read {
            Err(_) => Err("cannot be read as a line of the table".to_owned()),
            Ok(_) if reader.position().byte() - start > LONGEST_LINE as u64 => Err(TOO_LONG.to_owned()),
            Ok(_) => account(&columns, &record),
        };
        lines.push(Line { number, account });
    }
}

/// Counts lines. The reader does so too, but takes the end of a line that is two signs for two ends.
struct Place<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Place<'_> {
    /// The line of what begins at `byte`, or after the line ends there. To be called in order.
    fn line_of(&mut self, byte: u64) -> usize {
        let bytes = self.text.as_bytes();
        let is_end = |at: &usize| bytes.get(*at).is_some_and(|sign| matches!(sign, b'\r' | b'\n'));
        let from = usize::try_from(byte).unwrap_or(bytes.len());
        let start = from + (from..).take_while(is_end).count();
        let passed = bytes.get(self.at..start).unwrap_or_default();
        self.line += passed.iter().filter(|sign| **sign == b'\n').count();
        self.at = start;
        self.line
    }
}

fn no_header() -> Error {
    Error::invalid_field("content", "header", "must begin with a header that names a column refresh_token")
}

fn is_token(name: &str) -> bool {
    matches!(name, "refresh_token" | "rt")
}

/// Columns of other names are left out.
fn account(columns: &[String], record: &StringRecord) -> Result<NewAccount, String> {
    let mut new = NewAccount::default();
    for (name, cell) in columns.iter().zip(record.iter().map(undefused)) {
        match name.as_str() {
            name if is_token(name) => new.refresh_token = bare(cell),
            "email" => new.email = filled(cell),
            "biz_id" => new.biz_id = filled(cell),
            "memo" => new.memo = filled(cell),
            "user_name" => new.user_name = filled(cell),
            "type" => new.account_type = filled(cell),
            "provider" => new.provider = filled(cell),
            "client_id" => new.client_id = filled(cell),
            "proxy" => new.proxy = filled(cell).map(Secret::new),
            "tag" => new.tag = filled(cell),
            "enabled" => new.enabled = switch(cell)?,
            _ => {}
        }
    }
    Ok(new)
}
