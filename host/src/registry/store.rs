//! The embedded store: one data directory, an SQLite database and files.
//!
//! All calls may wait for the disk: make them off the event loops.

use super::files::{self, Layout};
use super::store_error::{RegistryError, io_error};
use super::{Description, Digest, Limits, Manifest, Version};
use crate::names::{FunctionName, VersionId};
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// The schema's steps; `user_version` counts how many a database has taken.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// The truth about what is deployed.
#[derive(Debug)]
pub struct Registry {
    layout: Layout,
    database: Mutex<Connection>,
    maxima: Limits,
    /// Held for as long as the registry lives; the system frees it even after
    /// a crash.
    _lock: File,
}

impl Registry {
    /// Opens a data directory, creating it when there is none.
    ///
    /// # Errors
    ///
    /// When another host uses it, it is of a newer version, or the disk fails.
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
        let mut database = Connection::open(layout.database())?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", "FULL")?;
        database.pragma_update(None, "foreign_keys", true)?;
        migrate(&mut database, data_dir)?;
        Ok(Self {
            layout,
            database: Mutex::new(database),
            maxima: Limits::maxima(),
            _lock: lock,
        })
    }

    /// The same, with these maxima for the limits of every version.
    pub fn with_maxima(self, maxima: Limits) -> Self {
        Self { maxima, ..self }
    }

    /// The most that a version may have of each limit.
    pub fn maxima(&self) -> &Limits {
        &self.maxima
    }

    /// The token that opens the admin API to whoever can read this directory;
    /// made on first use.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn local_token(&self) -> Result<String, RegistryError> {
        let path = self.layout.token();
        match fs::read_to_string(&path) {
            Ok(token) if !token.trim().is_empty() => return Ok(token.trim().to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("read", &path)(error)),
        }
        let token = format!(
            "dunlin_{}{}",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        );
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(token.as_bytes()))
            .map_err(io_error("write", &path))?;
        Ok(token)
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

    /// Where the code that `engine` compiled from a component belongs. The file
    /// is a cache: it may be absent.
    pub fn compiled(&self, digest: &Digest, engine: &str) -> PathBuf {
        self.layout.compiled(digest, engine)
    }

    /// A folder on the same disk, for files on their way into the store.
    pub fn data_dir(&self) -> &Path {
        self.layout.root()
    }

    /// Records a new version and gives it all the function's traffic, in one
    /// transaction.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing has changed.
    pub fn deploy(
        &self,
        component: Digest,
        manifest: Manifest,
        description: Description,
    ) -> Result<Version, RegistryError> {
        let created_at_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            });
        let damaged = |source: serde_json::Error| RegistryError::Damaged {
            version: manifest.name.to_string(),
            source: source.into(),
        };
        let manifest_json = serde_json::to_string(&manifest).map_err(damaged)?;
        let description_json = serde_json::to_string(&description).map_err(damaged)?;

        let mut database = self.database();
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let function = manifest.name.as_str();
        let number: u32 = transaction.query_row(
            "SELECT coalesce(max(number), 0) + 1 FROM versions WHERE function = ?1",
            [function],
            |row| row.get(0),
        )?;
        transaction.execute(
            "INSERT INTO versions VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                function,
                number,
                component.as_str(),
                manifest_json,
                description_json,
                i64::try_from(created_at_ms).unwrap_or(i64::MAX),
            ],
        )?;
        transaction.execute("DELETE FROM deployments WHERE function = ?1", [function])?;
        transaction.execute(
            "INSERT INTO deployments VALUES (?1, ?2, 100)",
            params![function, number],
        )?;
        transaction.commit()?;
        let id = VersionId::new(manifest.name.clone(), number);
        Ok(Version {
            id,
            component,
            limits: manifest.limits.clamped(&self.maxima),
            manifest,
            description,
            created_at_ms,
        })
    }

    /// The version of each function that gets its traffic.
    ///
    /// # Errors
    ///
    /// When the database fails. A damaged record is an error of its own in the
    /// list: it takes no other function down.
    pub fn deployed(&self) -> Result<Vec<Result<Version, RegistryError>>, RegistryError> {
        let database = self.database();
        let mut query = database.prepare(
            "SELECT v.function, v.number, v.component, v.manifest, v.description, v.created_at
             FROM versions v JOIN deployments USING (function, number) ORDER BY v.function",
        )?;
        let rows = query.query_map([], Record::read)?;
        rows.map(|record| Ok(record?.decode(&self.maxima)))
            .collect()
    }

    /// One version, if it is kept.
    ///
    /// # Errors
    ///
    /// When the database fails or the record is damaged.
    pub fn version(&self, id: &VersionId) -> Result<Option<Version>, RegistryError> {
        let record = self
            .database()
            .query_row(
                "SELECT function, number, component, manifest, description, created_at
                 FROM versions WHERE function = ?1 AND number = ?2",
                params![id.function().as_str(), id.number()],
                Record::read,
            )
            .optional()?;
        record.map(|record| record.decode(&self.maxima)).transpose()
    }

    /// Forgets a function and its versions; false if there was none.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing has changed.
    pub fn remove(&self, function: &FunctionName) -> Result<bool, RegistryError> {
        let mut database = self.database();
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute(
            "DELETE FROM deployments WHERE function = ?1",
            [function.as_str()],
        )?;
        let removed = transaction.execute(
            "DELETE FROM versions WHERE function = ?1",
            [function.as_str()],
        )?;
        transaction.commit()?;
        Ok(removed > 0)
    }

    fn database(&self) -> std::sync::MutexGuard<'_, Connection> {
        // A panic between two statements left a transaction that rolled back.
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn migrate(database: &mut Connection, path: &Path) -> Result<(), RegistryError> {
    let known = u32::try_from(MIGRATIONS.len()).expect("there are few migrations");
    let found: u32 = database.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(RegistryError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    for (step, migration) in (1..=known).zip(MIGRATIONS).skip(found as usize) {
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", step)?;
        transaction.commit()?;
    }
    Ok(())
}

/// A row of `versions`, as it lies in the database.
struct Record {
    function: String,
    number: u32,
    component: String,
    manifest: String,
    description: String,
    created_at_ms: i64,
}

impl Record {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            function: row.get(0)?,
            number: row.get(1)?,
            component: row.get(2)?,
            manifest: row.get(3)?,
            description: row.get(4)?,
            created_at_ms: row.get(5)?,
        })
    }

    fn decode(self, maxima: &Limits) -> Result<Version, RegistryError> {
        let decode = || -> Result<Version, Box<dyn std::error::Error + Send + Sync>> {
            let manifest: Manifest = serde_json::from_str(&self.manifest)?;
            Ok(Version {
                id: VersionId::new(self.function.parse()?, self.number),
                component: self.component.parse()?,
                limits: manifest.limits.clamped(maxima),
                manifest,
                description: serde_json::from_str(&self.description)?,
                created_at_ms: u64::try_from(self.created_at_ms)?,
            })
        };
        decode().map_err(|source| RegistryError::Damaged {
            version: format!("{}@{}", self.function, self.number),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Interface;
    use super::*;

    fn deploy(registry: &Registry, name: &str, wasm: &[u8]) -> Version {
        let digest = registry.put_component(wasm).unwrap();
        let manifest = Manifest::named(name.parse().unwrap());
        registry
            .deploy(
                digest,
                manifest,
                Description::of_standard(Interface::WasiHttp02),
            )
            .unwrap()
    }

    #[test]
    fn versions_count_up_and_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        assert_eq!(deploy(&registry, "shop", b"one").id.to_string(), "shop@1");
        assert_eq!(deploy(&registry, "shop", b"two").id.to_string(), "shop@2");
        assert_eq!(deploy(&registry, "blog", b"one").id.to_string(), "blog@1");
        let token = registry.local_token().unwrap();
        drop(registry);

        let registry = Registry::open(folder.path()).unwrap();
        let deployed: Vec<_> = registry
            .deployed()
            .unwrap()
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let ids: Vec<_> = deployed
            .iter()
            .map(|version| version.id.to_string())
            .collect();
        assert_eq!(ids, ["blog@1", "shop@2"]);
        assert!(registry.component(&deployed[1].component).is_some());
        assert!(
            registry
                .version(&"shop@1".parse().unwrap())
                .unwrap()
                .is_some()
        );
        assert!(
            registry
                .version(&"shop@3".parse().unwrap())
                .unwrap()
                .is_none()
        );
        assert_eq!(registry.local_token().unwrap(), token);
        assert!(registry.remove(&"shop".parse().unwrap()).unwrap());
        assert!(!registry.remove(&"shop".parse().unwrap()).unwrap());
    }

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

    #[test]
    fn a_damaged_record_takes_no_other_function_down() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        deploy(&registry, "shop", b"one");
        deploy(&registry, "blog", b"one");
        registry
            .database()
            .execute(
                "UPDATE versions SET manifest = '{' WHERE function = 'blog'",
                [],
            )
            .unwrap();
        let deployed = registry.deployed().unwrap();
        assert!(matches!(deployed[0], Err(RegistryError::Damaged { .. })));
        assert!(deployed[1].is_ok());
    }
}
