//! What goes wrong with the store, and what to do about it.

use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why the store can't do what it was asked.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// Two hosts would overwrite each other.
    #[error(
        "the data directory {} is in use by another host: stop it, or choose another `--data-dir`",
        .0.display()
    )]
    InUse(PathBuf),
    /// A newer Dunlin wrote the database.
    #[error(
        "the data directory {} was written by a newer Dunlin (schema {found}, this one knows \
         {known}): run that version, or choose another `--data-dir`",
        path.display()
    )]
    Newer {
        /// Where.
        path: PathBuf,
        /// The database's schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The database is gone, or was never whole, and something else is not.
    #[error(
        "{} has no versions, but there are components beside it: restore it from a backup, or \
         move the folder `components` away as well to begin anew; nothing was changed",
        .0.display()
    )]
    NoDatabase(PathBuf),
    /// The file system failed.
    #[error("cannot {action} {}{}", path.display(), remedy(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The database is not one any more.
    #[error(
        "the database {} is damaged: restore it from a backup, or move it and the folder \
         `components` away to begin anew; nothing was deleted",
        path.display()
    )]
    Corrupt {
        /// Where.
        path: PathBuf,
        /// What was found.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its disk is full or broken.
    #[error(
        "the registry's database cannot be read or written: see that its disk has room and is well"
    )]
    Disk(#[source] rusqlite::Error),
    /// The database failed otherwise.
    #[error("the registry's database failed")]
    Database(#[source] rusqlite::Error),
    /// A secret can't be set or used.
    #[error(transparent)]
    Secret(#[from] super::SecretError),
    /// A record is not what was written.
    #[error("the registry's record of {version} is damaged: deploy the function again")]
    Damaged {
        /// Whose record.
        version: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl RegistryError {
    /// Whether the data directory has no room left.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_full(source),
            Self::Disk(source) => source.sqlite_error_code() == Some(ErrorCode::DiskFull),
            _ => false,
        }
    }

    /// The same, of a database that lies there.
    pub(super) fn at(self, path: PathBuf) -> Self {
        match self {
            Self::Corrupt { source, .. } => Self::Corrupt { path, source },
            other => other,
        }
    }
}

impl From<rusqlite::Error> for RegistryError {
    fn from(source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt {
                path: "registry.sqlite".into(),
                source: source.into(),
            },
            Some(
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied,
            ) => Self::Disk(source),
            _ => Self::Database(source),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn remedy(error: &io::Error) -> &'static str {
    use io::ErrorKind::{
        AlreadyExists, IsADirectory, NotADirectory, PermissionDenied, ReadOnlyFilesystem,
    };
    match error.kind() {
        _ if is_full(error) => ": free some space on its disk, then try again",
        PermissionDenied | ReadOnlyFilesystem => {
            ": let the host's user read and write there, or choose another `--data-dir`"
        }
        AlreadyExists | NotADirectory | IsADirectory => {
            ": something else is in its place; move it away, or choose another `--data-dir`"
        }
        _ => "",
    }
}

/// Attaches what was tried to an I/O error.
pub fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RegistryError {
    let path = path.to_owned();
    move |source| RegistryError::Io {
        action,
        path,
        source,
    }
}
