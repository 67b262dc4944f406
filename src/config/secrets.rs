//! `secrets.yml`: the secrets that the first start generates.
//!
//! The file lies beside the SQLite file (MySQL: in `./data`), is readable by its owner alone and is replaced as a whole:
//! whoever reads it sees the old one or the new one. The caller decides whether anything may still be generated.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::error::{ConfigError, Origin};
use super::{Config, Secret, load, table};

/// The file's name.
pub const FILE_NAME: &str = "secrets.yml";

/// The key that seals data keys.
pub const MASTER_KEY: &str = "security.master_key";

/// The secrets that are generated when they are missing.
pub const GENERATED: [&str; 4] = ["auth.password", "auth.jwt_secret", "auth.api_secret", MASTER_KEY];

/// Letters and digits without those that look alike (`0 O o`, `1 l I i`).
const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Characters in a generated password: 115 bits.
const PASSWORD_LENGTH: usize = 20;

/// Where the file lies, relative to the working directory: `database_type` and `database` are those of the section.
pub(super) fn location(database_type: &str, database: &str) -> PathBuf {
    let beside = Path::new(database).parent().filter(|_| database_type == "sqlite" && !database.starts_with(':'));
    beside.filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("./data")).join(FILE_NAME)
}

/// Where the file of this database lies, relative to the working directory.
pub fn file_for(database: &super::Database) -> PathBuf {
    let kind = match database.kind {
        super::DatabaseKind::Sqlite => "sqlite",
        super::DatabaseKind::Mysql => "mysql",
    };
    location(kind, &database.database)
}

/// A warning when others than the owner may read or write the file at `path` (relative to `dir`).
pub(super) fn exposed(dir: &Path, path: &Path) -> Option<String> {
    let mode = fs::metadata(dir.join(path)).ok()?.permissions().mode() & 0o777;
    let warning = || format!("{} is open to others than its owner (mode {mode:04o}): chmod 600 it", path.display());
    (mode & 0o077 != 0).then(warning)
}

/// The secrets of [`GENERATED`] that are not set.
pub fn missing(config: &Config) -> Vec<&'static str> {
    let value = |name: &str| match name {
        "auth.password" => &config.auth.password,
        "auth.jwt_secret" => &config.auth.jwt_secret,
        "auth.api_secret" => &config.auth.api_secret,
        _ => &config.security.master_key,
    };
    GENERATED.into_iter().filter(|name| value(name).is_empty()).collect()
}

/// Fresh values from the operating system's randomness for the dotted keys in `missing`: a password of 20 characters
/// that are hard to confuse, for all others 32 bytes as 64 hex digits.
pub fn generate(missing: &[&'static str]) -> Result<BTreeMap<&'static str, Secret>, ConfigError> {
    let value = |name: &&'static str| {
        let value = if *name == "auth.password" { password() } else { hex_key() };
        value.map(|value| (*name, value)).map_err(|_| {
            ConfigError::new(*name, Origin::Default, "cannot be generated: the operating system gave no random bytes")
        })
    };
    missing.iter().map(value).collect()
}

fn hex_key() -> Result<Secret, aws_lc_rs::error::Unspecified> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::fill(&mut *bytes)?;
    let mut text = Zeroizing::new(String::with_capacity(64));
    for byte in bytes.iter() {
        let _ = write!(text, "{byte:02x}"); // into a String: cannot fail
    }
    Ok(Secret::new(text.as_str()))
}

fn password() -> Result<Secret, aws_lc_rs::error::Unspecified> {
    let mut text = Zeroizing::new(String::with_capacity(PASSWORD_LENGTH));
    while text.len() < PASSWORD_LENGTH {
        let mut byte = [0];
        rand::fill(&mut byte)?;
        // Of 64 equally likely numbers those beyond the alphabet are thrown away, so each character is equally likely.
        let [byte] = byte;
        if let Some(letter) = ALPHABET.get(usize::from(byte & 63)) {
            text.push(char::from(*letter));
        }
    }
    Ok(Secret::new(text.as_str()))
}

/// Writes `values` (by dotted key) into the file at `path`, keeping what else is in it, with mode 0600; the folder is
/// made if need be. When this returns, the file is on the disk.
pub fn write(path: &Path, values: &BTreeMap<&'static str, Secret>) -> Result<(), ConfigError> {
    let mut all = if path.exists() { load::secrets_in(path)? } else { BTreeMap::new() };
    all.extend(values.iter().map(|(name, value)| (*name, value.clone())));
    replace(path, &render(&all)).map_err(|error| {
        let origin = Origin::Secrets { file: path.to_owned(), line: 0 };
        ConfigError::general(origin, format!("the file cannot be written: {error}"))
    })
}

/// The master key that a rotation is about to put in the place of the one in `secrets.yml` at `path`, if one was begun.
pub fn next(path: &Path) -> Result<Option<Secret>, ConfigError> {
    let next = next_file(path);
    if !next.exists() {
        return Ok(None);
    }
    Ok(load::secrets_in(&next)?.remove(MASTER_KEY))
}

/// Keeps a master key beside `secrets.yml`, until the database has taken it. When this returns, it is on the disk.
pub fn write_next(path: &Path, master_key: &Secret) -> Result<(), ConfigError> {
    write(&next_file(path), &BTreeMap::from([(MASTER_KEY, master_key.clone())]))
}

/// Puts the master key from beside `secrets.yml` into it.
pub fn adopt_next(path: &Path, master_key: &Secret) -> Result<(), ConfigError> {
    write(path, &BTreeMap::from([(MASTER_KEY, master_key.clone())]))?;
    match fs::remove_file(next_file(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let origin = Origin::Secrets { file: next_file(path), line: 0 };
            Err(ConfigError::general(origin, format!("the file cannot be removed: {error}")))
        }
        _ => Ok(()),
    }
}

fn next_file(path: &Path) -> PathBuf {
    path.with_file_name("secrets.next.yml")
}

fn render(values: &BTreeMap<&'static str, Secret>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::from(
        "# Generated by Latchkey at its first start. Keep it secret, and keep a copy: without master_key\n\
         # the stored credentials cannot be decrypted.\n",
    ));
    let mut current = "";
    for key in table::all() {
        let Some(value) = values.get(key.name) else { continue };
        let (section, leaf) = key.path();
        if section != current {
            text.push_str(section);
            text.push_str(":\n");
            current = section;
        }
        // A JSON string is a double-quoted YAML scalar.
        let quoted = Zeroizing::new(serde_json::Value::from(value.expose()).to_string());
        let _ = writeln!(text, "  {leaf}: {}", quoted.as_str()); // into a String: cannot fail
    }
    text
}

/// Puts `text` in the place of the file at `path`: a new file that nobody else could open, synced, then renamed.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut suffix = [0; 8];
    rand::fill(&mut suffix).map_err(|_| io::Error::other("no random bytes"))?;
    let temporary = folder.join(format!(".{FILE_NAME}.{:016x}", u64::from_ne_bytes(suffix)));
    let written = write_new(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary); // the first error is the one to report
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
