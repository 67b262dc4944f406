//! What happens once in a database's life, and the proof at every later start, in [`super::proof`], that the secrets still belong to it.
//!
//! The order makes every interruption harmless: generated secrets are on the disk before the database counts as
//! initialised, and it becomes so in one transaction, together with its first data key and its first admin. Two
//! processes that begin at the same time are told apart by the primary key of `initialised_at`.

use entity::{UtcMillis, meta, sealing_key};
use sea_orm::{ActiveValue::Set, DatabaseTransaction, EntityTrait, QueryOrder, SqlErr};

use super::proof::{INITIALISED, JWT_SECRET, MASTER_KEY, check, facts, jwt_fingerprint, master_key_fingerprint};
use crate::{
    admin,
    base::{
        clock::Clock,
        commit::Writer,
        db::{Db, StartError},
        error::{Error, Result},
        secret::{MasterKey, Passwords, Sealer},
    },
    config::{Config, secrets},
    providers,
};

const PROVIDERS_SEEDED: &str = "providers_seeded_at";

/// Initialises a new database, or checks that the secrets are those of an old one. Answers the configuration with
/// every secret, and the sealer with the database's data keys.
///
/// # Errors
/// When a secret is missing or another than the database's, or the database fails.
pub(super) async fn prepare(
    mut config: Config,
    db: &Db,
    writer: &Writer,
    clock: &Clock,
) -> Result<(Config, Sealer), StartError> {
    if !facts(db.orm()).await?.contains_key(INITIALISED) {
        generate(&mut config)?;
        initialise(&config, writer, clock.now()).await?;
    }
    check(&config, &facts(db.orm()).await?)?;
    let sealer = open_sealer(&config, db).await?;
    seed_providers(&sealer, writer, clock.now()).await?;
    Ok((config, sealer))
}

/// The sealer of a database that was initialised, for a command beside the server.
///
/// # Errors
/// When the database was not initialised yet, or the master key is not the one it was initialised with.
pub async fn open_sealer(config: &Config, db: &Db) -> Result<Sealer, StartError> {
    let master = MasterKey::parse(config.security.master_key.expose()).map_err(|error| text(&error))?;
    let keys = sealing_key::Entity::find().order_by_asc(sealing_key::Column::Id).all(db.orm()).await;
    let keys: Vec<(i64, String)> =
        keys.map_err(|error| error.to_string())?.into_iter().map(|key| (key.id, key.sealed_key)).collect();
    if keys.is_empty() {
        return Err("the database has not been initialised: start the service once".to_owned());
    }
    Sealer::open(&master, &keys, Some(&config.database)).map_err(|error| text(&error))
}

/// Makes the first providers, once in a database's life: those that an admin deletes do not come back.
async fn seed_providers(sealer: &Sealer, writer: &Writer, now: UtcMillis) -> Result<(), StartError> {
    let sealer = sealer.clone();
    let work = async move |tx: &DatabaseTransaction| {
        if note(tx, PROVIDERS_SEEDED, now.to_string()).await? {
            providers::seed(tx, &sealer, now).await
        } else {
            Ok(())
        }
    };
    writer.write(work).await.map_err(|error| text(&error))
}

/// Generates the secrets that are missing, keeps them in `secrets.yml` and tells the operator, this once.
fn generate(config: &mut Config) -> Result<(), StartError> {
    let missing = secrets::missing(config);
    if missing.is_empty() {
        return Ok(());
    }
    let generated = secrets::generate(&missing).map_err(|error| error.to_string())?;
    let file = secrets::file_for(&config.database);
    secrets::write(&file, &generated).map_err(|error| error.to_string())?;
    eprintln!("First start: generated {} and wrote them to {}.", missing.join(", "), file.display());
    for (name, value) in generated {
        match name {
            "auth.password" => {
                eprintln!("  admin '{}', password: {}", config.auth.username, value.expose());
                config.auth.password = value;
            }
            "auth.api_secret" => {
                eprintln!("  API secret (X-API-Secret): {}", value.expose());
                config.auth.api_secret = value;
            }
            "auth.jwt_secret" => config.auth.jwt_secret = value,
            _ => config.security.master_key = value,
        }
    }
    Ok(())
}

/// Makes the database this configuration's own. Does nothing when another process was first.
async fn initialise(config: &Config, writer: &Writer, now: UtcMillis) -> Result<(), StartError> {
    let password = config.auth.password.expose();
    let password_hash = Passwords::default().hash(password).await.map_err(|error| text(&error))?;
    let data_key = MasterKey::parse(config.security.master_key.expose())
        .and_then(|master| master.new_data_key())
        .map_err(|error| text(&error))?;
    let username = config.auth.username.clone();
    let facts = [
        (MASTER_KEY, master_key_fingerprint(&config.security.master_key)),
        (JWT_SECRET, jwt_fingerprint(&config.auth.jwt_secret)),
    ];
    let work = async move |tx: &DatabaseTransaction| {
        if !note(tx, INITIALISED, now.to_string()).await? {
            return Ok(());
        }
        for (name, value) in &facts {
            note(tx, name, value.clone()).await?;
        }
        let key =
            sealing_key::ActiveModel { sealed_key: Set(data_key.clone()), created_at: Set(now), ..Default::default() };
        sealing_key::Entity::insert(key).exec_without_returning(tx).await?;
        admin::seed_first_admin(tx, &username, &password_hash, now).await?;
        Ok(())
    };
    writer.write(work).await.map_err(|error| text(&error))
}

/// Writes a fact unless there is one already. Answers whether it did.
async fn note(tx: &DatabaseTransaction, name: &str, value: String) -> Result<bool> {
    let fact = meta::ActiveModel { name: Set(name.to_owned()), value: Set(value) };
    match meta::Entity::insert(fact).exec_without_returning(tx).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// An error for the operator, who may see the cause.
fn text(error: &Error) -> String {
    error.cause().map_or_else(|| error.to_string(), |cause| format!("{error} ({cause})"))
}
