//! Files: written beside the old one, brought to the disk, and put in its place.
//!
//! Every step goes from the opened folder on and follows no symbolic link, so a path cannot lead out of the folder,
//! whatever is changed meanwhile.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    path::{Component, Path, PathBuf},
    time::Duration,
};

use entity::{refresh_token, sink_link};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, fchmod, fstat, fsync, open, openat, renameat, stat, statat, unlinkat,
};
use serde_json::json;
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    config::{FileFormat, FolderConfig},
    live::Ways,
};
use crate::{base::secret::Secret, outbox::Delivery};

/// Longest time, for folders on other machines.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most folders of a path below the sink's.
const DEEPEST: usize = 8;

/// Whether this is the path of a file below a folder.
///
/// # Errors
/// Why not, in words for a field of a form.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || name.starts_with('/') || name.ends_with('/') || name.contains("//") || !plain {
        return Err("must be the path of a file below the sink's folder, without '..'");
    }
    if name.split('/').any(|part| part == "." || part.len() > 150) || name.split('/').count() > DEEPEST {
        return Err("must have names of at most 150 bytes, and at most 8 of them");
    }
    Ok(())
}

/// Writes the account's file.
pub(super) async fn deliver(
    ways: &Ways,
    config: &FolderConfig,
    (link, account): (&sink_link::Model, &refresh_token::Model),
    access_token: &Secret,
) -> Delivery {
    let content = match config.format {
        FileFormat::Text => access_token.clone(),
        FileFormat::Json => Secret::new(
            json!({
                "access_token": access_token.expose(),
                "biz_id": account.biz_id.as_str(),
                "email": account.email,
                "account_id": account.account_id,
                "version": account.version,
                "expires_at": account.access_expires_at,
            })
            .to_string(),
        ),
    };
    let (own, directory) = (ways.own_folder.clone(), config.directory.clone());
    let (name, part) = (link.channel_id.clone(), format!("latchkey-{}", link.id));
    let written = blocking(move || {
        let place = Place::open(&directory, &name, own)?;
        place.replace(&part, content.expose().as_bytes())
    });
    written.await.err().unwrap_or(Delivery::Delivered)
}

/// That the folder is there, and each of the files could be written, as far as can be told. Changes nothing.
pub(super) async fn look(ways: &Ways, config: &FolderConfig, name: Option<&str>) -> Result<(), Delivery> {
    let (own, directory) = (ways.own_folder.clone(), config.directory.clone());
    let name = name.map(str::to_owned);
    blocking(move || match name {
        Some(name) => Place::open(&directory, &name, own)?.check(),
        None => open_folder(&directory).map(drop),
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Delivery> + Send + 'static,
) -> Result<T, Delivery> {
    match timeout(PATIENCE, spawn_blocking(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err(Delivery::later("something went wrong on our side; the log tells more")),
        Err(_) => Err(Delivery::later("the folder does not answer in time")),
    }
}

fn open_folder(directory: &str) -> Result<OwnedFd, Delivery> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(directory, flags, Mode::empty())
        .map_err(|_| Delivery::later("the sink's folder is not there, or may not be opened"))
}

/// Where a file is to be: its opened folder and its name in it.
struct Place {
    folder: OwnedFd,
    name: String,
}

impl Place {
    fn open(directory: &str, path: &str, own: Option<PathBuf>) -> Result<Self, Delivery> {
        check_name(path).map_err(Delivery::never)?;
        let mut folder = open_folder(directory)?;
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        for part in folders.split('/').filter(|part| !part.is_empty()) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = openat(folder.as_fd(), part, flags, Mode::empty()).map_err(|error| match error {
                rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => {
                    Delivery::never("a part of the path is a symbolic link or a file: nothing was written")
                }
                _ => Delivery::later("a folder of the path is not there, or may not be opened"),
            })?;
        }
        if own.is_some_and(|own| is_same(&folder, &own)) {
            return Err(Delivery::never("the folder holds Latchkey's own data: nothing was written"));
        }
        Ok(Self { folder, name: name.to_owned() })
    }

    /// What stands there must be a file, or nothing.
    fn check(&self) -> Result<(), Delivery> {
        match statat(self.folder.as_fd(), self.name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if FileType::from_raw_mode(there.st_mode) == FileType::RegularFile => Ok(()),
            Ok(_) => Err(Delivery::never("a folder, a symbolic link or a device has that name: nothing was written")),
            Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(_) => Err(Delivery::later("the file may not be looked at")),
        }
    }

    fn replace(&self, part: &str, content: &[u8]) -> Result<(), Delivery> {
        self.check()?;
        let beside = format!(".{}.{part}", self.name);
        let _ = unlinkat(self.folder.as_fd(), beside.as_str(), AtFlags::empty()); // left by a life that ended early
        let written = self.write(&beside, content);
        if written.is_err() {
            let _ = unlinkat(self.folder.as_fd(), beside.as_str(), AtFlags::empty());
        }
        written.map_err(|error| match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::NOSPC.raw_os_error() => Delivery::later("the disk is full"),
            _ => Delivery::later("the file cannot be written"),
        })
    }

    fn write(&self, beside: &str, content: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let mut file = File::from(openat(self.folder.as_fd(), beside, flags, mode)?);
        fchmod(&file, mode)?; // whatever the umask
        file.write_all(content)?;
        file.sync_all()?;
        renameat(self.folder.as_fd(), beside, self.folder.as_fd(), self.name.as_str())?;
        fsync(&self.folder)?;
        Ok(())
    }
}

fn is_same(folder: &OwnedFd, other: &Path) -> bool {
    let other = if other.as_os_str().is_empty() { Path::new(".") } else { other };
    match (fstat(folder), stat(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_the_folder_are_names_of_files() {
        for name in ["token", "a/b/token.json", "…", "..token"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        let (long, deep) = ("x".repeat(151), "a/".repeat(8) + "b");
        for name in ["", "/etc/passwd", "../token", "a/../../b", "a/", "a//b", "./a", "a/./b", ".", "..", &long, &deep]
        {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
