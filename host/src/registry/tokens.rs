//! Tokens that open the admin API. Only their SHA-256 is kept.

use super::millis::Millis;
use super::store_error::io_error;
use super::{Digest, Registry, RegistryError, files, now_ms};
use rusqlite::{OptionalExtension as _, Row, TransactionBehavior, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io;
use std::str::FromStr;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// How exactly the last use of a token is known, in milliseconds: writing down
/// each would make every request wait for the disk.
const USED_STEP_MS: u64 = 60_000;

/// The name of the token in the file `token`.
const LOCAL: &str = "local";

/// What a token may do; each scope includes those before it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// See everything that is no secret.
    Read,
    /// Change what is deployed, and set secrets.
    Deploy,
    /// Make and remove tokens, and read who did what.
    Admin,
}

impl Scope {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Deploy => "deploy",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Read, Self::Deploy, Self::Admin];
        let found = all.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or("a scope is `read`, `deploy` or `admin`")
    }
}

/// What a token is called, for people: 1 to 64 of `a-z`, `A-Z`, `0-9`, `.`,
/// `_`, `-`, `@`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenName(String);

crate::names::text_schema!(
    TokenName,
    "^[A-Za-z0-9._@-]{1,64}$",
    "1 to 64 of `a-z`, `A-Z`, `0-9`, `.`, `_`, `-`, `@`.",
    "ci"
);

impl FromStr for TokenName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(valid) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a token's name is 1 to 64 of `a-z`, `A-Z`, `0-9`, `.`, `_`, `-`, `@`")
        }
    }
}

impl TryFrom<String> for TokenName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TokenName> for String {
    fn from(name: TokenName) -> Self {
        name.0
    }
}

/// What is known of a token. Not the token.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Token {
    /// Never given twice.
    pub id: u32,
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// From when on it opens nothing; none: it opens for ever.
    pub expires_at_ms: Option<u64>,
    /// When it last opened something, to the minute.
    pub used_at_ms: Option<u64>,
}

impl Token {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let scope: String = row.get("scope")?;
        let scope = scope.parse::<Scope>().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
        })?;
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            scope,
            created_at_ms: row.get::<_, Millis>("created_at")?.0,
            expires_at_ms: row.get::<_, Option<Millis>>("expires_at")?.map(|it| it.0),
            used_at_ms: row.get::<_, Option<Millis>>("used_at")?.map(|it| it.0),
        })
    }
}

/// The token in the file `token`, by which the host's own user gets in.
pub enum LocalToken {
    /// It was there.
    Kept,
    /// It was made just now.
    Made(Zeroizing<String>),
    /// The file holds one that was removed.
    Revoked,
}

impl Registry {
    /// Sees to it that whoever can read the data directory has a token with the
    /// scope admin. Without its file, a new one is made, and the old one opens
    /// nothing any more. One that was removed stays so.
    ///
    /// # Errors
    ///
    /// When the disk or the database fails.
    pub fn local_token(&self) -> Result<LocalToken, RegistryError> {
        let path = self.layout.token();
        let kept = match fs::read_to_string(&path) {
            Ok(token) => Zeroizing::new(token),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Zeroizing::default(),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        let kept = kept.trim();
        if !kept.is_empty() {
            if self.find_token(kept.as_bytes())?.is_some() {
                return Ok(LocalToken::Kept);
            }
            // Before there were tokens in the database, there was this one.
            let made_ever: bool = self.database().query_row(
                "SELECT exists(SELECT 1 FROM sqlite_sequence WHERE name = 'tokens')",
                [],
                |row| row.get(0),
            )?;
            if made_ever {
                return Ok(LocalToken::Revoked);
            }
            self.insert_local(kept)?;
            return Ok(LocalToken::Kept);
        }
        // First the record: a crash in between costs another token, not access.
        let token = new_token();
        self.insert_local(&token)?;
        files::write_atomically(&path, token.as_bytes()).map_err(io_error("write", &path))?;
        Ok(LocalToken::Made(token))
    }

    fn insert_local(&self, token: &str) -> Result<(), RegistryError> {
        let mut database = self.database();
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("DELETE FROM tokens WHERE is_local = 1", [])?;
        transaction.execute(
            "INSERT INTO tokens (name, hash, scope, is_local, created_at)
             VALUES (?1, ?2, ?3, 1, ?4)",
            params![
                LOCAL,
                Digest::of(token.as_bytes()).as_str(),
                Scope::Admin.as_str(),
                Millis(now_ms())
            ],
        )?;
        Ok(transaction.commit()?)
    }

    /// Makes a token; it is told now and never again.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn create_token(
        &self,
        name: &TokenName,
        scope: Scope,
        lives: Option<Duration>,
    ) -> Result<(Zeroizing<String>, Token), RegistryError> {
        let text = new_token();
        let now = now_ms();
        let lives = lives.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
        let expires_at = lives.map(|it| Millis(now.saturating_add(it)));
        let database = self.database();
        let token = database.query_row(
            "INSERT INTO tokens (name, hash, scope, is_local, created_at, expires_at)
             VALUES (?1, ?2, ?3, 0, ?4, ?5) RETURNING *",
            params![
                name.0,
                Digest::of(text.as_bytes()).as_str(),
                scope.as_str(),
                Millis(now),
                expires_at
            ],
            Token::read,
        )?;
        Ok((text, token))
    }

    /// All tokens, the oldest first; also those that have expired.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn tokens(&self) -> Result<Vec<Token>, RegistryError> {
        let database = self.database();
        let mut all = database.prepare("SELECT * FROM tokens ORDER BY id")?;
        let all = all.query_map([], Token::read)?;
        Ok(all.collect::<Result<_, _>>()?)
    }

    /// Forgets a token, which opens nothing from now on.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn remove_token(&self, id: u32) -> Result<Option<Token>, RegistryError> {
        let removed = self.database().query_row(
            "DELETE FROM tokens WHERE id = ?1 RETURNING *",
            [id],
            Token::read,
        );
        Ok(removed.optional()?)
    }

    /// The token that `text` is, unless it has expired; notes that it was used.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn token(&self, text: &[u8]) -> Result<Option<Token>, RegistryError> {
        let now = now_ms();
        let found = self.find_token(text)?;
        let found = found.filter(|it| it.expires_at_ms.is_none_or(|end| now < end));
        if let Some(token) = &found
            && token
                .used_at_ms
                .is_none_or(|it| now.abs_diff(it) >= USED_STEP_MS)
        {
            self.database().execute(
                "UPDATE tokens SET used_at = ?2 WHERE id = ?1",
                params![token.id, Millis(now)],
            )?;
        }
        Ok(found)
    }

    /// Whether this token may deploy.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn opens(&self, token: &[u8]) -> Result<bool, RegistryError> {
        Ok(self
            .token(token)?
            .is_some_and(|it| it.scope >= Scope::Deploy))
    }

    /// Looked up by its hash, of which nobody can choose a part; then compared
    /// in a time that says nothing.
    fn find_token(&self, text: &[u8]) -> Result<Option<Token>, RegistryError> {
        let hash = Digest::of(text);
        let found = self.database().query_row(
            "SELECT * FROM tokens WHERE hash = ?1",
            [hash.as_str()],
            |row| Ok((row.get::<_, String>("hash")?, Token::read(row)?)),
        );
        let same = |kept: &str| bool::from(kept.as_bytes().ct_eq(hash.as_str().as_bytes()));
        let found = found.optional()?;
        Ok(found.and_then(|(kept, token)| same(&kept).then_some(token)))
    }
}

/// 32 random bytes, recognisable as what they are.
fn new_token() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).expect("the system has random bytes");
    Zeroizing::new(format!("dunlin_{}", &*files::hex(&*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> (tempfile::TempDir, Registry) {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        (folder, registry)
    }

    fn file(registry: &Registry) -> String {
        fs::read_to_string(registry.layout.token()).unwrap()
    }

    #[test]
    fn the_local_token_is_made_once() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, registry) = registry();
        let LocalToken::Made(made) = registry.local_token().unwrap() else {
            panic!("there was none");
        };
        assert_eq!(file(&registry), *made);
        let mode = fs::metadata(registry.layout.token()).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        assert!(matches!(registry.local_token().unwrap(), LocalToken::Kept));
        let token = registry.token(made.as_bytes()).unwrap().unwrap();
        assert_eq!((token.scope, &*token.name), (Scope::Admin, LOCAL));
    }

    #[test]
    fn without_its_file_the_local_token_is_replaced() {
        let (_folder, registry) = registry();
        registry.local_token().unwrap();
        let old = file(&registry);
        fs::remove_file(registry.layout.token()).unwrap();
        assert!(matches!(
            registry.local_token().unwrap(),
            LocalToken::Made(_)
        ));
        assert!(registry.token(old.as_bytes()).unwrap().is_none());
        assert!(registry.opens(file(&registry).as_bytes()).unwrap());
        assert_eq!(registry.tokens().unwrap().len(), 1);
    }

    #[test]
    fn a_local_token_that_was_removed_stays_so() {
        let (_folder, registry) = registry();
        registry.local_token().unwrap();
        let id = registry.tokens().unwrap()[0].id;
        assert!(registry.remove_token(id).unwrap().is_some());
        assert!(registry.remove_token(id).unwrap().is_none());
        assert!(matches!(
            registry.local_token().unwrap(),
            LocalToken::Revoked
        ));
        assert!(!registry.opens(file(&registry).as_bytes()).unwrap());
    }

    #[test]
    fn a_token_of_older_hosts_is_taken_over() {
        let (_folder, registry) = registry();
        fs::write(registry.layout.token(), "dunlin_old\n").unwrap();
        assert!(matches!(registry.local_token().unwrap(), LocalToken::Kept));
        assert!(registry.opens(b"dunlin_old").unwrap());
    }

    #[test]
    fn a_token_opens_what_its_scope_says_until_it_expires() {
        let (_folder, registry) = registry();
        let name: TokenName = "ci".parse().unwrap();
        let hour = Duration::from_secs(3600);
        for (scope, opens) in [(Scope::Read, false), (Scope::Deploy, true)] {
            let (text, _) = registry.create_token(&name, scope, Some(hour)).unwrap();
            assert_eq!(registry.opens(text.as_bytes()).unwrap(), opens);
        }
        let (text, token) = registry
            .create_token(&name, Scope::Admin, Some(Duration::ZERO))
            .unwrap();
        assert!(registry.token(text.as_bytes()).unwrap().is_none());
        assert!(
            registry
                .tokens()
                .unwrap()
                .iter()
                .any(|it| it.id == token.id)
        );
        let for_ever = Some(Duration::MAX);
        let (text, _) = registry.create_token(&name, Scope::Read, for_ever).unwrap();
        let found = registry.token(text.as_bytes()).unwrap().unwrap();
        assert_eq!(found.used_at_ms, None);
        let again = registry.token(text.as_bytes()).unwrap().unwrap();
        assert!(again.used_at_ms.is_some());
    }

    #[test]
    fn scopes_are_ordered() {
        assert!(Scope::Read < Scope::Deploy && Scope::Deploy < Scope::Admin);
        assert!("root".parse::<Scope>().is_err());
        assert!("a b".parse::<TokenName>().is_err());
        assert!("\u{1b}[31m".parse::<TokenName>().is_err());
    }
}
