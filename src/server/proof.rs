//! The proof that the secrets of the configuration are those of the database, before anything is written.

use std::{collections::BTreeMap, path::Path};

use entity::{meta, table};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement};
use zeroize::Zeroizing;

use crate::{
    base::{
        db::{StartError, open_readers},
        secret::sha256_hex,
        state::State,
    },
    config::{Config, DatabaseKind, Secret, secrets},
};

pub(super) const INITIALISED: &str = "initialised_at";
pub(super) const MASTER_KEY: &str = "master_key_fingerprint";
pub(super) const JWT_SECRET: &str = "jwt_secret_fingerprint";

/// Facts that the database holds about itself, by name.
pub(super) type Facts = BTreeMap<String, String>;

/// Refuses a command's master key when it is not the database's. A command that needs none may go without. To be called
/// before migrations. A new key that `rotate-master-key` left beside `secrets.yml` when it was cut off is taken over.
///
/// # Errors
/// When the key is another one, or the database cannot be reached.
pub async fn prove_master_key(config: &mut Config) -> Result<(), StartError> {
    let Some(facts) = look(config).await? else { return Ok(()) };
    adopt(config, &facts);
    if config.security.master_key.is_empty() { Ok(()) } else { prove(config, &facts, MASTER_KEY) }
}

/// The same for the start of a server, which needs every secret.
///
/// # Errors
/// When a secret is missing or another than the database's, or the database cannot be reached.
pub(super) async fn prove_all(config: &mut Config) -> Result<(), StartError> {
    let Some(facts) = look(config).await? else { return Ok(()) };
    adopt(config, &facts);
    check(config, &facts)
}

/// Once more, when no other process can change the master key any longer.
///
/// # Errors
/// When it was changed since this process began.
pub(super) async fn prove_still(state: &State) -> Result<(), StartError> {
    check(&state.config, &facts(state.db.orm()).await?)
}

/// The facts of a database that was initialised; none when it is new.
async fn look(config: &Config) -> Result<Option<Facts>, StartError> {
    if config.database.kind == DatabaseKind::Sqlite && !Path::new(&config.database.database).exists() {
        return Ok(None);
    }
    let database = open_readers(&config.database).await?;
    let facts = match has_facts(&database).await {
        Ok(true) => facts(&database).await.map(Some),
        Ok(false) => Ok(None),
        Err(error) => Err(error.to_string()),
    };
    let _ = database.close().await;
    Ok(facts?.filter(|facts| facts.contains_key(INITIALISED)))
}

async fn has_facts(database: &impl ConnectionTrait) -> Result<bool, sea_orm::DbErr> {
    let backend = database.get_database_backend();
    let tables = match backend {
        DbBackend::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
        _ => "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?",
    };
    let named = Statement::from_sql_and_values(backend, tables, [table::name("meta").into()]);
    Ok(database.query_one_raw(named).await?.is_some())
}

pub(super) async fn facts(database: &impl ConnectionTrait) -> Result<Facts, StartError> {
    let rows = meta::Entity::find().all(database).await;
    Ok(rows.map_err(|error| error.to_string())?.into_iter().map(|row| (row.name, row.value)).collect())
}

/// Refuses a missing secret and one that is not the database's. The password may be missing: it was only for the first
/// admin.
pub(super) fn check(config: &Config, facts: &Facts) -> Result<(), StartError> {
    if let Some(name) = secrets::missing(config).into_iter().find(|name| *name != "auth.password") {
        return Err(format!(
            "{name} is missing. The database has been initialised, so nothing is generated: \
             restore the value, or secrets.yml, from your backup."
        ));
    }
    prove(config, facts, MASTER_KEY)?;
    prove(config, facts, JWT_SECRET)
}

fn prove(config: &Config, facts: &Facts, fact: &str) -> Result<(), StartError> {
    let (name, fingerprint) = match fact {
        MASTER_KEY => ("security.master_key", master_key_fingerprint(&config.security.master_key)),
        _ => ("auth.jwt_secret", jwt_fingerprint(&config.auth.jwt_secret)),
    };
    if facts.get(fact) == Some(&fingerprint) {
        return Ok(());
    }
    Err(format!("{name} is not the one this database belongs to: restore that one."))
}

/// Ends a rotation of the master key that was cut off after the database had the new one.
fn adopt(config: &mut Config, facts: &Facts) {
    let file = secrets::file_for(&config.database);
    let Ok(Some(next)) = secrets::next(&file) else { return };
    if facts.get(MASTER_KEY) != Some(&master_key_fingerprint(&next)) {
        return; // it was cut off before that: the old key is still the one
    }
    if let Err(error) = secrets::adopt_next(&file, &next) {
        eprintln!("latchkey: warning: the new master key is not in {} yet: {error}", file.display());
    }
    config.security.master_key = next;
}

/// Of the key's bytes, so that the same key in hex and in base64 counts as the same.
pub(super) fn master_key_fingerprint(key: &Secret) -> String {
    let bytes = key.key_bytes();
    fingerprint("master_key", bytes.as_ref().map_or(&[], |bytes| bytes.as_slice()))
}

pub(super) fn jwt_fingerprint(secret: &Secret) -> String {
    fingerprint("jwt_secret", secret.expose().as_bytes())
}

fn fingerprint(name: &str, secret: &[u8]) -> String {
    let mut input = Zeroizing::new(format!("latchkey fingerprint of {name}\0").into_bytes());
    input.extend_from_slice(secret);
    sha256_hex(&input)
}
