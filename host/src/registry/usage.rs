//! What the data directory holds, and how much more it may.

use super::RegistryError;
use super::data_dir::Registry;
use super::files::Layout;
use super::store_error::io_error;
use std::fs;
use std::io;
use std::path::Path;

/// What a data directory holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Components.
    pub components: u64,
    /// Machine code of the engine that runs.
    pub compiled: u64,
    /// Machine code of other engines, which nobody reads any more unless their
    /// Dunlin comes back.
    pub stale: u64,
    /// What the file system has left for the host.
    pub free: u64,
}

impl Registry {
    /// Measures the data directory. `engine` is the one that runs.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn usage(&self, engine: &str) -> Result<Usage, RegistryError> {
        let layout = Layout::new(self.data_dir());
        let measure = |folder: &Path| files_in(folder).map_err(io_error("read", folder));
        let compiled = layout.compiled_by(engine);
        let all = layout.all_compiled();
        let mut usage = Usage {
            components: measure(&layout.components())?,
            compiled: measure(&compiled)?,
            stale: 0,
            free: free(self.data_dir()).map_err(io_error("examine", self.data_dir()))?,
        };
        for folder in entries(&all).map_err(io_error("read", &all))? {
            if folder.path() != compiled {
                usage.stale += measure(&folder.path())?;
            }
        }
        Ok(usage)
    }

    /// Makes sure that the data directory takes files.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn check_writable(&self) -> Result<(), RegistryError> {
        let folder = self.data_dir();
        tempfile::NamedTempFile::new_in(folder)
            .map(drop)
            .map_err(io_error("write into", folder))
    }
}

/// What lies in a folder; nothing if it is not there.
pub(super) fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The bytes of all files in a folder, without those in folders below.
fn files_in(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in entries(folder)? {
        match entry.metadata() {
            Ok(file) if file.is_file() => bytes += file.len(),
            Ok(_) => {}
            // An upload that was published or dropped meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

fn free(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_other_engines_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        let empty = registry.usage("now").unwrap();
        assert_eq!((empty.components, empty.compiled, empty.stale), (0, 0, 0));
        registry.check_writable().unwrap();

        let digest = registry.put_component(b"12345").unwrap();
        for (engine, code) in [("now", "1234567"), ("before", "12"), ("long-before", "1")] {
            let file = registry.compiled(&digest, engine);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, code).unwrap();
        }
        let usage = registry.usage("now").unwrap();
        assert_eq!((usage.components, usage.compiled, usage.stale), (5, 7, 3));
        assert!(usage.free > 0);
    }
}
