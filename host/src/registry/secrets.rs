//! Secrets of functions, sealed, in the database.

use super::millis::Millis;
use super::secret_key::{SECRET_KEY_VARIABLE, Sealed, SecretKey, SecretValue};
use super::store_error::io_error;
use super::{Registry, RegistryError, VarName, files, now_ms};
use crate::names::FunctionName;
use rusqlite::{OptionalExtension as _, params};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use thiserror::Error;
use zeroize::Zeroizing;

/// Longest secret, in bytes.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Most secrets of a function.
pub const MAX_SECRETS: usize = 100;

/// Secrets by name.
pub type Secrets = BTreeMap<VarName, SecretValue>;

/// What goes wrong with secrets. The texts never hold one.
#[derive(Debug, Error)]
pub enum SecretError {
    /// A key that is none.
    #[error(
        "{origin} holds no key: it must be 32 random bytes in base64 or hexadecimal, as \
         `openssl rand -base64 32` prints them"
    )]
    BadKey {
        /// Where it comes from.
        origin: String,
    },
    /// Secrets are there, but nothing opens them.
    #[error(
        "the key that the secrets are sealed with is gone: bring back {}, or give it in \
         {SECRET_KEY_VARIABLE}",
        .0.display()
    )]
    NoKey(PathBuf),
    /// The key is not the one that sealed it.
    #[error(
        "the secret `{name}` of `{function}` is sealed with another key than this host has: give \
         it that key, in {SECRET_KEY_VARIABLE} or the file `secret.key`; if it is lost, `dunlin \
         secret rm {function} {name}` and set it again"
    )]
    OtherKey {
        /// Whose.
        function: FunctionName,
        /// Which.
        name: VarName,
    },
    /// The key is right, the secret is not what was written.
    #[error(
        "the stored secret `{name}` of `{function}` is damaged: set it again with `dunlin secret \
         set {function} {name}`"
    )]
    Damaged {
        /// Whose.
        function: FunctionName,
        /// Which.
        name: VarName,
    },
    /// A manifest names it, nobody set it.
    #[error(
        "`{function}` needs the secret `{name}`, which is not set: `dunlin secret set {function} \
         {name}`"
    )]
    NotSet {
        /// Whose.
        function: FunctionName,
        /// Which.
        name: VarName,
    },
    /// There is nothing to remove.
    #[error(
        "`{function}` has no secret `{name}`: `dunlin secret ls {function}` lists those it has"
    )]
    Unknown {
        /// Whose.
        function: FunctionName,
        /// Which.
        name: VarName,
    },
    /// Too long.
    #[error("a secret has {MAX_SECRET_BYTES} bytes at most")]
    TooLong,
    /// Too many.
    #[error("a function has {MAX_SECRETS} secrets at most: remove one that it no longer needs")]
    TooMany,
}

/// What may be told of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SecretInfo {
    /// Its name.
    pub name: VarName,
    /// When it was last set, in milliseconds since the Unix epoch.
    pub updated_at_ms: u64,
}

impl Registry {
    /// Sets a secret, whether or not there is such a function yet.
    ///
    /// # Errors
    ///
    /// When secrets are stored that the host's key does not open: those would be
    /// lost, or a second key needed. When the disk or the database fails.
    pub fn set_secret(
        &self,
        function: &FunctionName,
        name: &VarName,
        value: &SecretValue,
    ) -> Result<(), RegistryError> {
        if value.expose().len() > MAX_SECRET_BYTES {
            return Err(SecretError::TooLong.into());
        }
        let all = self.secrets(function)?;
        if all.len() >= MAX_SECRETS && all.iter().all(|it| it.name != *name) {
            return Err(SecretError::TooMany.into());
        }
        let key = self.key_to_seal()?;
        if let Some((function, name)) = self.sealed_with_another(&key)? {
            return Err(SecretError::OtherKey { function, name }.into());
        }
        let Sealed {
            key_id,
            nonce,
            sealed,
        } = key.seal(function, name, value);
        self.database().execute(
            "INSERT INTO secrets VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET key_id = ?3, nonce = ?4, sealed = ?5, updated_at = ?6",
            params![
                function.as_str(),
                name.as_str(),
                key_id,
                nonce,
                sealed,
                Millis(now_ms())
            ],
        )?;
        Ok(())
    }

    /// A function's secrets, by name: not what they are.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn secrets(&self, function: &FunctionName) -> Result<Vec<SecretInfo>, RegistryError> {
        let database = self.database();
        let mut all = database
            .prepare("SELECT name, updated_at FROM secrets WHERE function = ?1 ORDER BY name")?;
        let all = all.query_map([function.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Millis>(1)?.0))
        })?;
        let mut found = Vec::new();
        for row in all {
            let (name, updated_at_ms) = row?;
            // Names are checked before they are stored.
            if let Ok(name) = name.try_into() {
                found.push(SecretInfo {
                    name,
                    updated_at_ms,
                });
            }
        }
        Ok(found)
    }

    /// Forgets a secret; false if there was none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn remove_secret(
        &self,
        function: &FunctionName,
        name: &VarName,
    ) -> Result<bool, RegistryError> {
        let removed = self.database().execute(
            "DELETE FROM secrets WHERE function = ?1 AND name = ?2",
            [function.as_str(), name.as_str()],
        )?;
        Ok(removed > 0)
    }

    /// The secrets of these names, open.
    ///
    /// # Errors
    ///
    /// When one is not set, or does not open.
    pub fn open_secrets(
        &self,
        function: &FunctionName,
        names: &BTreeSet<VarName>,
    ) -> Result<Secrets, RegistryError> {
        let mut open = Secrets::new();
        for name in names {
            let Some(sealed) = self.sealed(function, name)? else {
                let (function, name) = (function.clone(), name.clone());
                return Err(SecretError::NotSet { function, name }.into());
            };
            open.insert(name.clone(), self.open_sealed(function, name, &sealed)?);
        }
        Ok(open)
    }

    /// Why secrets that are stored can't be used; nothing, if all can.
    ///
    /// # Errors
    ///
    /// When the disk or the database fails.
    pub fn closed_secrets(&self) -> Result<Vec<SecretError>, RegistryError> {
        let mut closed = Vec::new();
        for (function, name) in self.all_secrets()? {
            let Some(sealed) = self.sealed(&function, &name)? else {
                continue;
            };
            match self.open_sealed(&function, &name, &sealed) {
                Ok(_) => {}
                // The same for all of them.
                Err(RegistryError::Secret(
                    error @ (SecretError::NoKey(_) | SecretError::BadKey { .. }),
                )) => {
                    return Ok(vec![error]);
                }
                Err(RegistryError::Secret(error)) => closed.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(closed)
    }

    fn open_sealed(
        &self,
        function: &FunctionName,
        name: &VarName,
        sealed: &Sealed,
    ) -> Result<SecretValue, RegistryError> {
        let key = self.key()?;
        let key = key.ok_or_else(|| SecretError::NoKey(self.layout.secret_key()))?;
        let of = || (function.clone(), name.clone());
        key.open(function, name, sealed).ok_or_else(|| {
            let (function, name) = of();
            let error = if sealed.key_id == key.id() {
                SecretError::Damaged { function, name }
            } else {
                SecretError::OtherKey { function, name }
            };
            error.into()
        })
    }

    fn sealed(
        &self,
        function: &FunctionName,
        name: &VarName,
    ) -> Result<Option<Sealed>, RegistryError> {
        let sealed = self.database().query_row(
            "SELECT key_id, nonce, sealed FROM secrets WHERE function = ?1 AND name = ?2",
            [function.as_str(), name.as_str()],
            |row| {
                Ok(Sealed {
                    key_id: row.get(0)?,
                    nonce: row.get(1)?,
                    sealed: row.get(2)?,
                })
            },
        );
        Ok(sealed.optional()?)
    }

    fn all_secrets(&self) -> Result<Vec<(FunctionName, VarName)>, RegistryError> {
        self.names_of_secrets("SELECT function, name FROM secrets WHERE key_id <> ?1", "")
    }

    fn sealed_with_another(
        &self,
        key: &SecretKey,
    ) -> Result<Option<(FunctionName, VarName)>, RegistryError> {
        let others = "SELECT function, name FROM secrets WHERE key_id <> ?1 LIMIT 1";
        Ok(self.names_of_secrets(others, &key.id())?.pop())
    }

    fn names_of_secrets(
        &self,
        query: &str,
        key_id: &str,
    ) -> Result<Vec<(FunctionName, VarName)>, RegistryError> {
        let database = self.database();
        let mut names = database.prepare(query)?;
        let names = names.query_map([key_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let names = names.collect::<Result<Vec<(String, String)>, _>>()?;
        // Names are checked before they are stored.
        let parsed = names.into_iter().filter_map(|(function, name)| {
            Some((function.try_into().ok()?, name.try_into().ok()?))
        });
        Ok(parsed.collect())
    }

    /// The key, if there is one.
    fn key(&self) -> Result<Option<SecretKey>, RegistryError> {
        if let Some(key) = &self.secret_key {
            return Ok(Some(key.clone()));
        }
        let path = self.layout.secret_key();
        match fs::read_to_string(&path) {
            Ok(text) => {
                let origin = format!("the file {}", path.display());
                Ok(Some(SecretKey::parse(&Zeroizing::new(text), &origin)?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", &path)(error)),
        }
    }

    /// The key; made on first use.
    fn key_to_seal(&self) -> Result<SecretKey, RegistryError> {
        if let Some(key) = self.key()? {
            return Ok(key);
        }
        let path = self.layout.secret_key();
        if !self.all_secrets()?.is_empty() {
            return Err(SecretError::NoKey(path).into());
        }
        let key = SecretKey::random();
        files::write_atomically(&path, key.to_text().as_bytes())
            .map_err(io_error("write", &path))?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    struct Fixture {
        _folder: tempfile::TempDir,
        registry: Registry,
        function: FunctionName,
        name: VarName,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        Fixture {
            registry: Registry::open(folder.path()).unwrap(),
            _folder: folder,
            function: "shop".parse().unwrap(),
            name: var("API_KEY"),
        }
    }

    fn var(name: &str) -> VarName {
        name.to_owned().try_into().unwrap()
    }

    impl Fixture {
        fn set(&self, value: &str) -> Result<(), RegistryError> {
            let value = SecretValue::new(value.to_owned());
            self.registry.set_secret(&self.function, &self.name, &value)
        }

        fn get(&self) -> Result<String, RegistryError> {
            let names = BTreeSet::from([self.name.clone()]);
            let open = self.registry.open_secrets(&self.function, &names)?;
            Ok(open[&self.name].expose().to_owned())
        }

        fn key_file(&self) -> PathBuf {
            self.registry.layout.secret_key()
        }
    }

    #[test]
    fn a_secret_is_set_again_and_removed() {
        let it = fixture();
        assert!(matches!(
            it.get(),
            Err(RegistryError::Secret(SecretError::NotSet { .. }))
        ));
        it.set("one").unwrap();
        it.set("two").unwrap();
        assert_eq!(it.get().unwrap(), "two");
        let mode = fs::metadata(it.key_file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let [info] = &it.registry.secrets(&it.function).unwrap()[..] else {
            panic!("there is one");
        };
        assert_eq!(info.name, it.name);
        assert!(it.registry.remove_secret(&it.function, &it.name).unwrap());
        assert!(!it.registry.remove_secret(&it.function, &it.name).unwrap());
    }

    #[test]
    fn without_the_right_key_nothing_is_lost() {
        let mut it = fixture();
        it.set("one").unwrap();
        let key = fs::read_to_string(it.key_file()).unwrap();
        fs::remove_file(it.key_file()).unwrap();
        let no_key = |result| matches!(result, Err(RegistryError::Secret(SecretError::NoKey(_))));
        assert!(no_key(it.get().map(drop)));
        assert!(no_key(it.set("two")));
        assert!(!it.key_file().exists());
        assert_eq!(it.registry.closed_secrets().unwrap().len(), 1);

        it.registry = it.registry.with_secret_key(Some(SecretKey::random()));
        let other = |result| {
            matches!(
                result,
                Err(RegistryError::Secret(SecretError::OtherKey { .. }))
            )
        };
        assert!(other(it.get().map(drop)));
        assert!(other(it.set("two")));
        let name = std::mem::replace(&mut it.name, var("ANOTHER"));
        assert!(other(it.set("two")));
        it.name = name;
        assert_eq!(it.registry.closed_secrets().unwrap().len(), 1);

        let right = SecretKey::parse(&key, "here").unwrap();
        it.registry = it.registry.with_secret_key(Some(right));
        assert_eq!(it.get().unwrap(), "one");
        assert_eq!(it.registry.closed_secrets().unwrap().len(), 0);
    }

    #[test]
    fn a_damaged_secret_is_told_and_set_again() {
        let it = fixture();
        it.set("one").unwrap();
        let damage = "UPDATE secrets SET sealed = zeroblob(length(sealed))";
        it.registry.database().execute(damage, []).unwrap();
        assert!(matches!(
            it.get(),
            Err(RegistryError::Secret(SecretError::Damaged { .. }))
        ));
        assert_eq!(it.registry.closed_secrets().unwrap().len(), 1);
        it.set("two").unwrap();
        assert_eq!(it.get().unwrap(), "two");
    }

    #[test]
    fn secrets_are_bounded() {
        let mut it = fixture();
        let too_long = "x".repeat(MAX_SECRET_BYTES + 1);
        assert!(it.set(&too_long).is_err());
        assert!(it.set(&too_long[1..]).is_ok());
        for number in 1..MAX_SECRETS {
            it.name = var(&format!("S{number}"));
            it.set("x").unwrap();
        }
        it.set("again").unwrap();
        it.name = var("ONE_MORE");
        assert!(matches!(
            it.set("x"),
            Err(RegistryError::Secret(SecretError::TooMany))
        ));
    }
}
