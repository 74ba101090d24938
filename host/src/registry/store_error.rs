//! What goes wrong with the store, and what to do about it.

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
    /// The file system failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The database failed.
    #[error("the registry's database failed")]
    Database(#[from] rusqlite::Error),
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

/// Attaches what was tried to an I/O error.
pub(super) fn io_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> RegistryError {
    let path = path.to_owned();
    move |source| RegistryError::Io {
        action,
        path,
        source,
    }
}
