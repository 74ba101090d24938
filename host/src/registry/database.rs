//! The database of a data directory (SQLite).

use super::RegistryError;
use super::files::Layout;
use rusqlite::{Connection, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The schema's steps; `user_version` counts how many a database has taken.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
];

/// One connection, which all take in turn.
#[derive(Debug)]
pub(super) struct Database {
    connection: Mutex<Connection>,
    /// The data directory, for messages.
    pub(super) path: PathBuf,
}

impl Database {
    /// Opens it and brings it to this Dunlin's schema, if it is whole.
    ///
    /// # Errors
    ///
    /// When it is damaged or of a newer Dunlin, or the disk fails.
    pub(super) fn open(layout: &Layout) -> Result<Self, RegistryError> {
        Ok(Self {
            connection: Mutex::new(open(layout)?),
            path: layout.root().to_owned(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic between two statements left a transaction that rolled back.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(layout: &Layout) -> Result<Connection, RegistryError> {
    let mut database = Connection::open(layout.database())?;
    let found: u32 = database.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found == 0 && layout.has_components() {
        return Err(RegistryError::NoDatabase(layout.database()));
    }
    let check: String = database.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if check != "ok" {
        return Err(RegistryError::Corrupt {
            path: layout.database(),
            source: check.into(),
        });
    }
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.pragma_update(None, "foreign_keys", true)?;
    migrate(&mut database, layout.root())?;
    Ok(database)
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
