//! A host's data directory: components and machine code in files, all else in a
//! database.
//!
//! All calls may wait for the disk: make them off the event loops.

use super::database::Database;
use super::files::{self, Layout};
use super::sqlite_store::SqliteStore;
use super::store_error::{RegistryError, io_error};
use super::{Digest, Limits, SecretKey, Store};
use crate::failpoint::fail_point;
use rusqlite::Connection;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};

/// The truth about what is deployed.
#[derive(Debug)]
pub struct Registry {
    pub(super) layout: Layout,
    pub(super) database: Arc<Database>,
    store: Box<dyn Store>,
    maxima: Limits,
    /// What secrets are sealed with; none: what is in the file `secret.key`.
    pub(super) secret_key: Option<SecretKey>,
    /// Held for as long as the registry lives; the system frees it even after
    /// a crash.
    _lock: File,
}

impl Registry {
    /// Opens a data directory, creating it when there is none.
    ///
    /// # Errors
    ///
    /// When another host uses it, it is of a newer version or damaged, or the
    /// disk fails. What is there stays there.
    pub fn open(data_dir: &Path) -> Result<Self, RegistryError> {
        let layout = Layout::new(data_dir);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir)
            .map_err(io_error("create", data_dir))?;
        let lock_path = layout.lock();
        let lock = File::create(&lock_path).map_err(io_error("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RegistryError::InUse(data_dir.to_owned())),
            Err(TryLockError::Error(source)) => {
                return Err(io_error("lock", &lock_path)(source));
            }
        }
        let database = Database::open(&layout).map_err(|error| error.at(layout.database()))?;
        let (database, maxima) = (Arc::new(database), Limits::maxima());
        Ok(Self {
            layout,
            store: Box::new(SqliteStore {
                database: database.clone(),
                maxima: maxima.clone(),
            }),
            database,
            maxima,
            secret_key: None,
            _lock: lock,
        })
    }

    /// The same, with these maxima for the limits of every version.
    pub fn with_maxima(self, maxima: Limits) -> Self {
        let store = Box::new(SqliteStore {
            database: self.database.clone(),
            maxima: maxima.clone(),
        });
        Self {
            store,
            maxima,
            ..self
        }
    }

    /// Where versions and deployments are kept.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The same, with this key for secrets rather than the one in its file.
    pub fn with_secret_key(self, secret_key: Option<SecretKey>) -> Self {
        Self { secret_key, ..self }
    }

    /// The most that a version may have of each limit.
    pub fn maxima(&self) -> &Limits {
        &self.maxima
    }

    /// Keeps a component; returns its digest.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn put_component(&self, bytes: &[u8]) -> Result<Digest, RegistryError> {
        let digest = Digest::of(bytes);
        let path = self.layout.component(&digest);
        if !path.exists() {
            files::write_atomically(&path, bytes).map_err(io_error("write", &path))?;
        }
        Ok(digest)
    }

    /// An empty file, to be filled with a component and handed to
    /// [`Self::publish_component`]. Dropped, it is gone.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn new_upload(&self) -> Result<tempfile::NamedTempFile, RegistryError> {
        let folder = self.layout.components();
        fs::create_dir_all(&folder)
            .and_then(|()| tempfile::NamedTempFile::new_in(&folder))
            .map_err(io_error("write into", &folder))
    }

    /// Keeps the component in `upload`, whose bytes have this digest.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn publish_component(
        &self,
        upload: tempfile::NamedTempFile,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        let path = self.layout.component(digest);
        files::publish(upload, &path).map_err(io_error("write", &path))
    }

    /// Where a component lies, if it is kept.
    pub fn component(&self, digest: &Digest) -> Option<PathBuf> {
        Some(self.layout.component(digest)).filter(|path| path.exists())
    }

    /// The first 8 bytes of a component's file, which tell what it is; zeros
    /// for what is not there.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn preamble(&self, component: &Path) -> Result<[u8; 8], RegistryError> {
        let mut start = [0; 8];
        let mut file = File::open(component).map_err(io_error("open", component))?;
        match file.read_exact(&mut start) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                Err(io_error("read", component)(error))
            }
            _ => Ok(start),
        }
    }

    /// Deletes components, and what was compiled from them, unless a version
    /// was made from them.
    ///
    /// # Errors
    ///
    /// When the disk or the database fails.
    pub fn forget_unused(&self, components: &[Digest]) -> Result<(), RegistryError> {
        for component in components {
            if self.store.is_used(component)? {
                continue;
            }
            fail_point!(
                "forget",
                io_error("remove", &self.layout.component(component))
            );
            for path in self.layout.files_of(component) {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(io_error("remove", &path)(error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Where the code that `engine` compiled from a component belongs. The file
    /// is a cache: it may be absent.
    pub fn compiled(&self, digest: &Digest, engine: &str) -> PathBuf {
        self.layout.compiled(digest, engine)
    }

    /// A folder on the same disk, for files on their way into the store.
    pub fn data_dir(&self) -> &Path {
        self.layout.root()
    }

    pub(super) fn database(&self) -> MutexGuard<'_, Connection> {
        self.database.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_has_one_host() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Registry::open(folder.path()).unwrap();
        assert!(matches!(
            Registry::open(folder.path()),
            Err(RegistryError::InUse(_))
        ));
    }

    #[test]
    fn a_newer_database_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        drop(Registry::open(folder.path()).unwrap());
        Connection::open(folder.path().join("registry.sqlite"))
            .unwrap()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        assert!(matches!(
            Registry::open(folder.path()),
            Err(RegistryError::Newer { .. })
        ));
    }
}
