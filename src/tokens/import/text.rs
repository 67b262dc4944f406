//! A refresh token a line: `rt`, `rt=…`, `email----rt`, or `rt,email,biz_id,memo`.

use super::{LONGEST_LINE, Line, MOST_LINES, TOO_LONG, bare, filled, too_many};
use crate::{base::error::Result, tokens::dto::NewAccount};

/// The lines that are not blank.
///
/// # Errors
/// 422 when there are too many.
pub(super) fn read(text: &str) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (nth, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        if lines.len() == MOST_LINES {
            return Err(too_many());
        }
        let account = if text.len() > LONGEST_LINE { Err(TOO_LONG.to_owned()) } else { account(text.trim()) };
        lines.push(Line { number: nth + 1, account });
    }
    Ok(lines)
}

fn account(text: &str) -> Result<NewAccount, String> {
    // A refresh token may hold dashes, but no at sign.
    if let Some((email, token)) = text.split_once("----").filter(|(email, _)| email.contains('@')) {
        return Ok(NewAccount { refresh_token: bare(token), email: filled(email), ..NewAccount::default() });
    }
    if !text.contains(',') && !text.starts_with('"') {
        return Ok(NewAccount { refresh_token: bare(text), ..NewAccount::default() });
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let record = reader.records().next().and_then(std::result::Result::ok);
    let record = record.ok_or_else(|| "cannot be read as rt,email,biz_id,memo".to_owned())?;
    let mut fields = record.iter();
    let mut next = || fields.next().unwrap_or_default();
    let (token, email, biz_id) = (bare(next()), filled(next()), filled(next()));
    // A memo that was not quoted may hold commas.
    let memo = filled(&fields.collect::<Vec<_>>().join(","));
    Ok(NewAccount { refresh_token: token, email, biz_id, memo, ..NewAccount::default() })
}
