//! From a component to machine code, in a process of its own: the time and
//! memory that a compiler takes have no bound, a process can be given one.

use super::backtrace::Backtraces;
use super::engine::{self, Engine};
use crate::registry::SECRET_KEY_VARIABLE;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use thiserror::Error;
use tokio::process::Command;
use wasmtime::component::Component;

/// Longest a component may compile.
const MAX_TIME: Duration = Duration::from_secs(120);

/// Most address space that the compiler may use, in bytes.
const MAX_MEMORY: u64 = 4 * 1024 * 1024 * 1024;

/// The hidden subcommand that [`compile_in_child`] runs.
pub const COMPILE_SUBCOMMAND: &str = "compile-component";

/// Why there is no machine code.
#[derive(Debug, Error)]
pub enum CompileError {
    /// Not a component, or not one that this engine runs.
    #[error("the component does not compile: {0}")]
    Refused(String),
    /// The guest's author can do something about it.
    #[error("compiling took more than {} s: split the component", MAX_TIME.as_secs())]
    TooSlow,
    /// The compiler was ended, most likely by its memory limit.
    #[error("compiling used too much memory: make the component smaller")]
    Killed,
    /// The host's own trouble.
    #[error("cannot run the compiler")]
    Io(#[from] io::Error),
}

/// Compiles `component` into `compiled`, in this process. The file appears
/// whole or not at all.
///
/// # Errors
///
/// When the component is not valid or a file can't be read or written.
pub fn compile_to(
    component: &Path,
    compiled: &Path,
    backtraces: Backtraces,
) -> wasmtime::Result<()> {
    let bytes = std::fs::read(component)?;
    let code = engine::compiler(backtraces)?.precompile_component(&bytes)?;
    let folder = compiled.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let file = tempfile::NamedTempFile::new_in(folder)?;
    std::fs::write(file.path(), code)?;
    file.persist(compiled).map_err(|error| error.error)?;
    Ok(())
}

/// Limits this process, which is about to compile.
///
/// # Errors
///
/// When the system refuses.
pub fn limit_this_process() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = Rlimit {
        current: Some(MAX_MEMORY),
        maximum: Some(MAX_MEMORY),
    };
    Ok(setrlimit(Resource::As, limit)?)
}

/// Compiles `component` into `compiled` for `engine`, in a child process with a
/// time and a memory limit.
///
/// # Errors
///
/// When the component is not valid, is too much for the limits, or no process
/// can be started.
pub async fn compile_in_child(
    engine: &Engine,
    component: PathBuf,
    compiled: PathBuf,
) -> Result<(), CompileError> {
    let child = Command::new(std::env::current_exe()?)
        .arg(COMPILE_SUBCOMMAND)
        .args([&component, &compiled])
        .arg(engine.backtraces.as_str())
        // What it needs to know stands on its command line; the rest of the
        // environment may hold keys.
        .env_remove(SECRET_KEY_VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = tokio::time::timeout(MAX_TIME, child.wait_with_output())
        .await
        .map_err(|_| CompileError::TooSlow)??;
    match output.status.code() {
        Some(0) => Ok(()),
        Some(_) => Err(CompileError::Refused(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        )),
        None => Err(CompileError::Killed),
    }
}

/// Maps machine code that [`compile_to`] wrote.
///
/// # Errors
///
/// When the file is damaged or of another engine.
#[expect(unsafe_code, reason = "machine code can only be trusted, not checked")]
pub(super) fn load(engine: &Engine, compiled: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file lies in the data directory, which only this user can
    // write (mode 0700), and was written by `compile_to`; wasmtime itself checks
    // version and settings.
    unsafe { Component::deserialize_file(&engine.wasmtime, compiled) }
}
