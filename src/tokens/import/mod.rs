//! Many accounts at once: read line by line, stored some hundred at a time. A bad line stops nothing.

mod list;
mod table;
mod text;

use std::collections::{HashMap, HashSet};

use entity::UtcMillis;
use sea_orm::DatabaseTransaction;
use serde_json::json;

use super::{
    account::{self, CHUNK, Clash},
    dto::{
        AccountImport, Draft, ImportDefaults, ImportDone, ImportFormat, ImportResult, ImportStatus, NewAccount,
        token_hash,
    },
    runner::KIND,
};
use crate::{
    admin::{Actor, audit},
    base::{
        commit::Writer,
        error::{Error, FieldError, Result},
        http_client::HttpClient,
        secret::{Sealer, Secret},
    },
    scheduler,
};

/// Most lines of an import.
pub const MOST_LINES: usize = 10_000;
/// Longest line, in bytes.
const LONGEST_LINE: usize = 16 * 1024;
const TOO_LONG: &str = "is longer than 16 KiB";

/// A line that is not blank: its number from 1, and what it says, or why that cannot be read.
#[derive(Debug)]
pub struct Line {
    number: usize,
    account: Result<NewAccount, String>,
}

/// What an import works with.
#[derive(Clone, Debug)]
pub struct Importer {
    /// Stores the accounts.
    pub writer: Writer,
    /// Seals their tokens.
    pub sealer: Sealer,
    /// Knows which proxies may be called.
    pub http: HttpClient,
    /// Who imports.
    pub actor: Actor,
}

impl Importer {
    /// Imports, and answers what came of each line.
    ///
    /// # Errors
    /// 422 for more than [`MOST_LINES`] lines, a content that is not of the format at all, or defaults that cannot be.
    pub async fn run(self, import: &AccountImport, now: UtcMillis) -> Result<ImportDone> {
        self.check(&import.defaults).await?;
        let lines = read(import)?;
        let (mut results, drafts) = self.drafts(lines, &import.defaults);
        let mut task_id = None;
        for chunk in drafts.chunks(CHUNK) {
            let (outcomes, task) = self.store(chunk.to_vec(), import.refresh, task_id, now).await?;
            task_id = task;
            for ((nth, _), outcome) in chunk.iter().zip(outcomes) {
                let Some(result) = results.get_mut(*nth) else { continue };
                settle(result, outcome);
            }
        }
        let count = |status| results.iter().filter(|result| result.status == status).count();
        let (created, duplicate) = (count(ImportStatus::Created), count(ImportStatus::Duplicate));
        Ok(ImportDone { created, duplicate, invalid: count(ImportStatus::Invalid), results, task_id })
    }

    /// Refuses defaults that no line could be stored with.
    async fn check(&self, defaults: &ImportDefaults) -> Result<()> {
        let probe = defaults.fill(NewAccount { refresh_token: Secret::new("x"), ..NewAccount::default() });
        let below = |error: FieldError| FieldError { field: format!("defaults.{}", error.field), ..error };
        probe.checked(&self.http).map_err(|wrong| Error::invalid(wrong.into_iter().map(below).collect()))?;
        let Some(name) = defaults.provider.clone() else { return Ok(()) };
        let known = self.writer.write(async move |tx: &DatabaseTransaction| {
            let name = name.trim();
            Ok(account::providers(tx, HashSet::from([name])).await?.contains(name) || name.is_empty())
        });
        if known.await? { Ok(()) } else { Err(account::unknown_provider("defaults.provider")) }
    }

    /// A result for each line, in order, and what is to be stored, each with the place of its result.
    fn drafts(&self, lines: Vec<Line>, defaults: &ImportDefaults) -> (Vec<ImportResult>, Vec<(usize, Draft)>) {
        let (mut results, mut drafts) = (Vec::with_capacity(lines.len()), Vec::with_capacity(lines.len()));
        let (mut tokens, mut names) = (HashMap::new(), HashMap::new());
        for (nth, Line { number, account }) in lines.into_iter().enumerate() {
            let mut result = ImportResult { line: number, status: ImportStatus::Invalid, reason: None, id: None };
            let draft =
                account.and_then(|account| defaults.fill(account).checked(&self.http).map_err(|e| in_words(&e)));
            match draft {
                Err(reason) => result.reason = Some(reason),
                Ok(draft) => {
                    if let Some(first) = tokens.get(&token_hash(&draft.refresh_token)) {
                        result.status = ImportStatus::Duplicate;
                        result.reason = Some(format!("line {first} has the same refresh token"));
                    } else if let Some(first) = names.get(&draft.biz_id) {
                        result.reason = Some(format!("line {first} has the same biz_id"));
                    } else {
                        tokens.insert(token_hash(&draft.refresh_token), number);
                        names.insert(draft.biz_id.clone(), number);
                        drafts.push((nth, draft));
                    }
                }
            }
            results.push(result);
        }
        (results, drafts)
    }

    /// Stores accounts, and with `refresh` has them refreshed for the first time: by the task of those before them, or a
    /// new one. That is one transaction, or a crash would leave accounts that nobody ever refreshes.
    async fn store(
        &self,
        drafts: Vec<(usize, Draft)>,
        refresh: bool,
        task: Option<String>,
        now: UtcMillis,
    ) -> Result<(Vec<Result<i64, Clash>>, Option<String>)> {
        let drafts: Vec<Draft> = drafts.into_iter().map(|(_, draft)| draft).collect();
        let (sealer, actor) = (self.sealer.clone(), self.actor.clone());
        let work = async move |tx: &DatabaseTransaction| {
            let outcomes = account::insert(tx, &sealer, &drafts, "imported", now).await?;
            let ids: Vec<i64> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok().copied()).collect();
            if ids.is_empty() {
                return Ok((outcomes, task.clone()));
            }
            audit::record(tx, &actor, "import", "refresh_token", "*", json!({ "ids": ids }), now).await?;
            if !refresh {
                return Ok((outcomes, None));
            }
            let task = match &task {
                Some(task) => scheduler::add_items(tx, task, &ids, now).await.map(|()| task.clone())?,
                None => scheduler::begin_items(tx, KIND, &ids, now).await?.id,
            };
            let changes = json!({ "task_id": task, "ids": ids });
            audit::record(tx, &actor, "batch_refresh", "refresh_token", "*", changes, now).await?;
            Ok((outcomes, Some(task)))
        };
        self.writer.write(work).await
    }
}

fn settle(result: &mut ImportResult, outcome: Result<i64, Clash>) {
    match outcome {
        Ok(id) => (result.status, result.id) = (ImportStatus::Created, Some(id)),
        Err(Clash::Token { id, biz_id }) => {
            result.status = ImportStatus::Duplicate;
            result.reason = Some(format!("account {id} ('{biz_id}') has the same refresh token"));
        }
        Err(Clash::Spent { id, biz_id }) => {
            result.status = ImportStatus::Duplicate;
            result.reason =
                Some(format!("account {id} ('{biz_id}') has used this refresh token and holds a newer one"));
        }
        Err(Clash::BizId { id, .. }) => result.reason = Some(format!("account {id} has the same biz_id")),
        Err(Clash::Provider) => result.reason = Some("there is no such provider".to_owned()),
    }
}

fn in_words(wrong: &[FieldError]) -> String {
    wrong.iter().map(|error| format!("{} {}", error.field, error.message)).collect::<Vec<_>>().join("; ")
}

/// The lines of an import.
fn read(import: &AccountImport) -> Result<Vec<Line>> {
    if import.format == ImportFormat::Json {
        return list::read(&import.content.json());
    }
    let text = import.content.text();
    let text = text.ok_or_else(|| Error::invalid_field("content", "type", "must be a string of Unicode text"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if import.format == ImportFormat::Csv { table::read(text) } else { text::read(text) }
}

fn too_many() -> Error {
    Error::invalid_field("content", "length", format!("must hold up to {MOST_LINES} lines"))
}

/// The token, whatever is written before it: `rt=`, `refresh_token=`.
fn bare(token: &str) -> Secret {
    let token = token.trim();
    let prefix = ["rt", "refresh_token"].into_iter().find_map(|name| {
        let rest = token
            .get(name.len()..)
            .filter(|_| token.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))?;
        rest.trim_start().strip_prefix('=')
    });
    Secret::new(prefix.unwrap_or(token).trim())
}

/// A text, unless it is blank.
fn filled(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A switch as people write it.
fn switch(text: &str) -> Result<Option<bool>, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "true" | "1" | "yes" => Ok(Some(true)),
        "false" | "0" | "no" => Ok(Some(false)),
        _ => Err("enabled must be true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests;
