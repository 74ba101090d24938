//! From a component to machine code, in a process of its own: the time and
//! memory that a compiler takes have no bound, a process can be given one.

use super::backtrace::Backtraces;
use super::code;
use super::engine::{self, Engine};
use crate::registry::{Digest, SECRET_KEY_VARIABLE};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::Duration;
use thiserror::Error;
use tokio::process::Command;

/// Longest a component may compile.
const MAX_TIME: Duration = Duration::from_secs(120);

/// Most address space that the compiler may use, in bytes.
const MAX_MEMORY: u64 = 4 * 1024 * 1024 * 1024;

/// The hidden subcommand that `compile_in_child` runs.
pub const COMPILE_SUBCOMMAND: &str = "compile-component";

/// How the child says that a component on disk is not what was sent.
const EXIT_DAMAGED: u8 = 3;

/// How it says that a file can't be read or written.
const EXIT_IO: u8 = 4;

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
    /// The component's file is not what was sent.
    #[error("the component was damaged on the host's disk: send it again")]
    Damaged,
    /// The machine code can't be kept.
    #[error("the machine code cannot be written: {0}; free some space in the data directory")]
    Disk(String),
    /// The host's own trouble.
    #[error("cannot run the compiler")]
    Io(#[from] io::Error),
}

/// What the child does: compiles `component`, whose digest this is, into
/// `compiled`. The file appears whole or not at all.
///
/// # Errors
///
/// What to tell the parent, and the exit code that says of which kind it is.
pub fn compile_as_child(
    component: &Path,
    digest: &Digest,
    compiled: &Path,
    backtraces: Backtraces,
) -> Result<(), (u8, String)> {
    let at_io = |error: io::Error| (EXIT_IO, error.to_string());
    limit_this_process().map_err(at_io)?;
    end_with_parent().map_err(at_io)?;
    let bytes = fs::read(component).map_err(at_io)?;
    if Digest::of(&bytes) != *digest {
        return Err((EXIT_DAMAGED, String::new()));
    }
    let machine_code = engine::compiler(backtraces)
        .and_then(|engine| engine.precompile_component(&bytes))
        .map_err(|error| (1, format!("{error:#}")))?;
    code::write(compiled, &machine_code).map_err(at_io)
}

/// Limits this process, which is about to compile.
fn limit_this_process() -> io::Result<()> {
    let limit = Rlimit {
        current: Some(MAX_MEMORY),
        maximum: Some(MAX_MEMORY),
    };
    Ok(setrlimit(Resource::As, limit)?)
}

/// Ends this process when its parent ends, however that comes about: the
/// parent holds the other end of standard input and never writes.
fn end_with_parent() -> io::Result<()> {
    let wait = || {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(EXIT_IO.into())
    };
    thread::Builder::new().spawn(wait).map(drop)
}

/// Compiles `component`, whose digest this is, into `compiled` for `engine`, in
/// a child process with a time and a memory limit. The child ends when the
/// future is dropped, and when this process ends.
///
/// # Errors
///
/// When the component is not valid, is too much for the limits, or the host
/// can't.
pub(super) async fn compile_in_child(
    engine: &Engine,
    component: PathBuf,
    digest: &Digest,
    compiled: &Path,
) -> Result<(), CompileError> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(COMPILE_SUBCOMMAND)
        .arg(&component)
        .arg(digest.as_str())
        .arg(compiled)
        .arg(engine.backtraces.as_str())
        // What it needs to know stands on its command line; the rest of the
        // environment may hold keys.
        .env_remove(SECRET_KEY_VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let _held = child.stdin.take();
    let output = tokio::time::timeout(MAX_TIME, child.wait_with_output())
        .await
        .map_err(|_| CompileError::TooSlow)??;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    outcome(output.status, said)
}

fn outcome(status: ExitStatus, said: String) -> Result<(), CompileError> {
    if status.success() {
        return Ok(());
    }
    let is_code = |code: u8| status.code() == Some(code.into());
    Err(if is_code(EXIT_DAMAGED) {
        CompileError::Damaged
    } else if is_code(EXIT_IO) {
        CompileError::Disk(said)
    } else if status.signal() == Some(Signal::XFSZ.as_raw()) {
        CompileError::Disk("it is larger than the system lets a file be".to_owned())
    } else if status.signal().is_some() {
        CompileError::Killed
    } else {
        CompileError::Refused(said)
    })
}
