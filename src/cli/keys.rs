//! `latchkey rotate-master-key` and `latchkey rotate-data-key`

use std::{
    cell::Cell,
    io::{IsTerminal, stdin},
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::json;

use super::{
    Failure, Global, Outcome,
    database::{self, with_database},
    explained, read_stdin, runtime, say_line,
};
use crate::{
    config::{Loaded, Origin, Secret, secrets, validate},
    server::rotation::{Rotated, rotate_data_key, rotate_master_key, servers_are_stopped},
};

/// Time between two lines of progress.
const PACE: Duration = Duration::from_secs(1);

/// Seals the data keys with a new master key. The service must be stopped.
///
/// Where the present key is in secrets.yml, the new one is put there: one from standard input, or on a terminal, or when
/// there is none, a generated one. Where it comes from elsewhere (environment, configuration file), standard input has
/// to hold the new one, and it is yours to put it there afterwards. The key is 32 bytes, as 64 hex digits or base64.
#[derive(Args)]
pub(super) struct RotateMasterKey {}

/// Makes a new data key and seals everything with it, also while the service runs.
///
/// Can be cut off at any time: the next call goes on. The old key is deleted when nothing needs it any more; until then
/// the exit code is 1, and what is in the way is named.
#[derive(Args)]
pub(super) struct RotateDataKey {
    /// A replica (data/instance_id) that is gone for good: its journal is given up, and no data key is kept for it.
    #[arg(long, value_name = "INSTANCE")]
    forget: Option<String>,
}

impl RotateMasterKey {
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let loaded = global.load_all_for_database()?;
        let is_kept = is_kept(&loaded);
        let given = if stdin().is_terminal() { None } else { Some(read_stdin()?).filter(|text| !text.is_empty()) };
        let key = match given {
            Some(text) => Secret::new(text.trim()),
            None if is_kept => generated()?,
            None => return Err(Failure::Undecided(not_ours(&loaded))),
        };
        check(&loaded, &key)?;
        let Loaded { config, .. } = loaded;
        let file = is_kept.then(|| secrets::file_for(&config.database));
        let lock = servers_are_stopped(&config)?;
        let count = runtime()?.block_on(async {
            let session = database::open(config).await?;
            // A rotation that was cut off may have been ended just now.
            let done = rotate_master_key(&session.config, &session.writer, &key, file.as_deref()).await;
            session.close().await;
            done.map_err(|error| explained(&error))
        })?;
        drop(lock);
        if global.json {
            say_line(format_args!("{:#}", json!({ "data_keys": count, "file": file })));
        } else if let Some(file) = file {
            say_line(format_args!("The new master key is in {}. Make a backup of it now.", file.display()));
        } else {
            say_line(format_args!(
                "The database has the new master key. Put it into the configuration before you start."
            ));
        }
        Ok(())
    }
}

/// Whether `secrets.yml` is where the key is, and nothing outranks it.
fn is_kept(loaded: &Loaded) -> bool {
    matches!(loaded.origins.get(secrets::MASTER_KEY), Some(Origin::Secrets { .. }))
}

fn not_ours(loaded: &Loaded) -> String {
    let origin = loaded.origins.get(secrets::MASTER_KEY).map(ToString::to_string).unwrap_or_default();
    format!(
        "{} comes from: {origin}. The new one cannot be put there, so it has to be yours; nothing was changed. \
         Make one (openssl rand -hex 32), keep it, and give it on standard input.",
        secrets::MASTER_KEY
    )
}

fn generated() -> Result<Secret, Failure> {
    let mut values = secrets::generate(&[secrets::MASTER_KEY]).map_err(|error| error.to_string())?;
    values.remove(secrets::MASTER_KEY).ok_or_else(|| Failure::from("no key was generated".to_owned()))
}

/// What the configuration asks of a master key, before it is one.
fn check(loaded: &Loaded, key: &Secret) -> Outcome {
    if loaded.config.security.master_key.is_empty() {
        return Err(format!("{} is missing: restore it first", secrets::MASTER_KEY).into());
    }
    let mut config = loaded.config.clone();
    config.security.master_key = key.clone();
    let wrong = validate::check(&config, &loaded.origins);
    let wrong = wrong.iter().filter(|error| error.key.as_deref() == Some(secrets::MASTER_KEY));
    let wrong: Vec<String> = wrong.map(|error| format!("the new key {}", error.message)).collect();
    if !wrong.is_empty() {
        return Err(Failure::Failed(wrong));
    }
    if key.key_bytes() == loaded.config.security.master_key.key_bytes() {
        return Err("the new key is the present one; nothing was changed".to_owned().into());
    }
    Ok(())
}

impl RotateDataKey {
    pub(super) fn run(self, global: &Global) -> Outcome {
        let (quiet, said) = (global.json, Cell::new(Instant::now()));
        let progress = |done: u64, all: u64| {
            if !quiet && (said.get().elapsed() >= PACE || done >= all) {
                eprintln!("{done} of {all} boxes");
                said.set(Instant::now());
            }
        };
        let rotated = with_database(global, async |session| {
            rotate_data_key((&session.config, &session.db, &session.writer), self.forget, progress).await
        })?;
        report(global, &rotated)
    }
}

fn report(global: &Global, rotated: &Rotated) -> Outcome {
    let Rotated { key, resumed, replaced, deleted, unopened, held_by } = rotated;
    if global.json {
        say_line(format_args!(
            "{:#}",
            json!({
                "key": key, "resumed": resumed, "replaced": replaced, "deleted": deleted, "unopened": unopened,
                "held_by": held_by,
            })
        ));
    } else {
        let begun = if *resumed { "goes on with the rotation to data key" } else { "data key" };
        say_line(format_args!("{begun} {key}: {replaced} boxes sealed anew, {deleted} old keys deleted"));
    }
    if *deleted > 0 {
        return Ok(());
    }
    let mut lines = vec!["the old data key stays; run this again when what is in the way is gone".to_owned()];
    lines.extend(unopened.iter().map(|place| format!("does not open: {place}")));
    lines.extend(held_by.iter().map(|name| format!("its journal may need the old key: replica {name}")));
    Err(Failure::Failed(lines))
}
