//! Components on disk: one file each, named by the SHA-256 of what is in it.

use crate::failpoint::fail_point;
use crate::names::text_schema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

/// The SHA-256 of a component, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

text_schema!(
    Digest,
    "^[0-9a-f]{64}$",
    "The SHA-256 of a component, in lower-case hexadecimal digits.",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_hash(Sha256::new_with_prefix(bytes))
    }

    /// The digest of all that went into `hash`.
    pub fn from_hash(hash: Sha256) -> Self {
        Self(hex(&hash.finalize()).to_string())
    }

    /// The digest as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a component digest is 64 lower-case hexadecimal digits (SHA-256)")
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

/// Bytes in hexadecimal. They may be secret: the text is wiped when dropped.
pub(super) fn hex(bytes: &[u8]) -> Zeroizing<String> {
    use fmt::Write as _;
    // Room for all: a text that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Writes a file so that it is there whole or not at all, even after a crash:
/// beside its place, synced, renamed, and the folder synced. Only its owner may read it.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path
        .parent()
        .expect("files are written into the data directory");
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    publish(file, path)
}

/// The second half of [`write_atomically`], for a file that was written piece
/// by piece.
pub(super) fn publish(file: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    fail_point!("publish", std::convert::identity);
    file.persist(path).map_err(|error| error.error)?;
    let folder = path
        .parent()
        .expect("files are written into the data directory");
    File::open(folder)?.sync_all()
}

/// The folders of a data directory.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn components(&self) -> PathBuf {
        self.root.join("components")
    }

    /// Whether there is any.
    pub(super) fn has_components(&self) -> bool {
        let entries = fs::read_dir(self.components()).into_iter().flatten();
        let is_component = |path: PathBuf| path.extension().is_some_and(|it| it == "wasm");
        entries.flatten().any(|entry| is_component(entry.path()))
    }

    pub(super) fn component(&self, digest: &Digest) -> PathBuf {
        self.components().join(format!("{digest}.wasm"))
    }

    /// The folder of all machine code.
    pub(super) fn all_compiled(&self) -> PathBuf {
        self.root.join("compiled")
    }

    /// The folder of what `engine` compiled.
    pub(super) fn compiled_by(&self, engine: &str) -> PathBuf {
        self.all_compiled().join(engine)
    }

    /// The engines that ran here, the last one last, one a line.
    pub(super) fn engines(&self) -> PathBuf {
        self.root.join("engines")
    }

    pub(super) fn compiled(&self, digest: &Digest, engine: &str) -> PathBuf {
        self.compiled_by(engine).join(format!("{digest}.cwasm"))
    }

    /// All files that stem from a component, for whatever engine.
    pub(super) fn files_of(&self, digest: &Digest) -> Vec<PathBuf> {
        let engines = fs::read_dir(self.all_compiled()).into_iter().flatten();
        let compiled = engines
            .flatten()
            .map(|engine| engine.path().join(format!("{digest}.cwasm")));
        std::iter::once(self.component(digest))
            .chain(compiled)
            .collect()
    }

    pub(super) fn database(&self) -> PathBuf {
        self.root.join("registry.sqlite")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(super) fn token(&self) -> PathBuf {
        self.root.join("token")
    }

    pub(super) fn secret_key(&self) -> PathBuf {
        self.root.join("secret.key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_spelling() {
        let digest = Digest::of(b"abc");
        assert_eq!(
            digest.as_str(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.as_str().parse::<Digest>().unwrap(), digest);
        assert!(digest.as_str().to_uppercase().parse::<Digest>().is_err());
        assert!("../../etc/passwd".parse::<Digest>().is_err());
    }
}
