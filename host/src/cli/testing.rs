//! What the tests of this folder share.

use std::fs;
use std::path::{Path, PathBuf};

use super::output::{Format, Output};

/// A temporary folder to fill with files.
pub(crate) struct Folder {
    root: PathBuf,
    _dir: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = fs::canonicalize(dir.path()).expect("it exists");
        Self { root, _dir: dir }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn write(&self, relative: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("is below the root")).expect("can be made");
        fs::write(path, contents).expect("can be written");
    }

    /// Writes a cargo package with a cdylib and no dependencies.
    pub(crate) fn write_package(&self, relative: &str, name: &str, code: &str) {
        self.write(
            &format!("{relative}/Cargo.toml"),
            format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
                 [lib]\ncrate-type = [\"cdylib\"]\n"
            ),
        );
        self.write(&format!("{relative}/src/lib.rs"), code);
    }
}

pub(crate) fn quiet_output() -> Output {
    Output::new(Format::Human, 0)
}
