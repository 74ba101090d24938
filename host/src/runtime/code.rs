//! Machine code of components: a cache on disk, in which nothing is trusted
//! that is not whole. What is missing or damaged is compiled.

use super::compile::{CompileError, compile_in_child};
use super::engine::Engine;
use crate::failpoint::fail_point;
use crate::registry::{Digest, Registry};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;
use wasmtime::component::Component;

/// What stands behind the machine code in its file, followed by its SHA-256.
/// The digit is the format's number.
pub(super) const SEAL: &[u8; 8] = b"dunlin-1";

/// The seal with the digest.
const SEAL_LEN: u64 = SEAL.len() as u64 + 32;

/// Why a component can't run.
#[derive(Debug, Error)]
pub enum CodeError {
    /// It was never sent, or is gone.
    #[error("the host has no component {0}: send it again")]
    Missing(Digest),
    /// It can't be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// What was compiled a moment ago can't be used.
    #[error("the machine code cannot be loaded: {0}")]
    Load(String),
}

/// A component's machine code, mapped into memory.
#[derive(Clone)]
pub struct Code(pub(super) Component);

impl Code {
    /// The machine code of the component with this digest: as it was compiled
    /// before, or compiled now.
    ///
    /// # Errors
    ///
    /// When there is no such component, or it can't be compiled.
    pub async fn of(
        digest: &Digest,
        engine: &Arc<Engine>,
        registry: &Registry,
    ) -> Result<Self, CodeError> {
        let compiled = registry.compiled(digest, &engine.fingerprint());
        match load(engine, &compiled).await {
            Ok(code) => return Ok(code),
            Err(Unusable::Absent) => {}
            Err(Unusable::Damaged(why)) => tracing::warn!(
                target: "dunlin",
                "the machine code of component {digest} is compiled anew, it was damaged: {why}"
            ),
        }
        let component = registry
            .component(digest)
            .ok_or_else(|| CodeError::Missing(digest.clone()))?;
        let result = compile_in_child(engine, component, digest, &compiled).await;
        if let Err(CompileError::Damaged) = result {
            registry.set_aside(digest);
        }
        result?;
        load(engine, &compiled)
            .await
            .map_err(|unusable| CodeError::Load(unusable.to_string()))
    }
}

/// Why a file of machine code is not used.
#[derive(Debug, Error)]
enum Unusable {
    #[error("it is not there")]
    Absent,
    #[error("{0}")]
    Damaged(String),
}

async fn load(engine: &Arc<Engine>, compiled: &Path) -> Result<Code, Unusable> {
    let (engine, compiled) = (engine.clone(), compiled.to_owned());
    tokio::task::spawn_blocking(move || read(&engine, &compiled))
        .await
        .unwrap_or_else(|error| Err(Unusable::Damaged(error.to_string())))
}

/// Maps a file that [`write`] wrote, if it is as it was written.
#[expect(unsafe_code, reason = "machine code can only be trusted, not checked")]
fn read(engine: &Engine, compiled: &Path) -> Result<Code, Unusable> {
    let damaged = |why: &dyn std::fmt::Display| Unusable::Damaged(why.to_string());
    let mut file = match File::open(compiled) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Unusable::Absent),
        Err(error) => return Err(damaged(&error)),
    };
    if !is_sealed(&mut file).map_err(|error| damaged(&error))? {
        return Err(damaged(&"its checksum is wrong"));
    }
    // SAFETY: the file lies in the data directory, which only this user can
    // write (mode 0700). The seal says that it is what the compiler wrote,
    // whole; files there are replaced, never written again. wasmtime itself
    // checks version and settings.
    let component = unsafe { Component::deserialize_file(&engine.wasmtime, compiled) };
    component
        .map(Code)
        .map_err(|error| damaged(&format!("{error:#}")))
}

/// Writes machine code with its seal: whole, or not at all.
///
/// It is not synced, which would take longer than all the rest: after a crash
/// of the machine, the seal tells whether everything arrived.
///
/// # Errors
///
/// When the disk fails.
pub(super) fn write(compiled: &Path, machine_code: &[u8]) -> io::Result<()> {
    let folder = compiled.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(machine_code)?;
    file.write_all(SEAL)?;
    file.write_all(&Sha256::digest(machine_code))?;
    fail_point!("machine-code", std::convert::identity);
    file.persist(compiled).map_err(|error| error.error)?;
    Ok(())
}

/// Whether a file ends with the seal of all that comes before.
fn is_sealed(file: &mut File) -> io::Result<bool> {
    let Some(len) = file.metadata()?.len().checked_sub(SEAL_LEN) else {
        return Ok(false);
    };
    let mut hash = Sha256::new();
    let mut code = (&*file).take(len);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match code.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    let mut seal = Vec::new();
    file.seek(SeekFrom::Start(len))?;
    file.take(SEAL_LEN).read_to_end(&mut seal)?;
    Ok(seal.strip_prefix(SEAL) == Some(&hash.finalize()[..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every single damage is found: a byte anywhere, a missing end, more of it.
    #[test]
    fn what_is_not_as_it_was_written_is_not_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine/code");
        write(&path, b"machine code").unwrap();
        let whole = fs::read(&path).unwrap();
        let sealed = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            is_sealed(&mut File::open(&path).unwrap()).unwrap()
        };
        assert!(sealed(&whole));
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert!(!sealed(&damaged), "byte {at}");
            assert!(!sealed(&whole[..at]), "{at} bytes");
        }
        assert!(!sealed(&[&whole[..], b"x"].concat()));
        assert!(!sealed(&vec![0; whole.len()]));
    }
}
