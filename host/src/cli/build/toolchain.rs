//! The Rust toolchain that functions are built with.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Output as Finished, Stdio};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use super::super::output::Output;
use crate::registry::SECRET_KEY_VARIABLE;

/// What functions are compiled to.
pub(super) const TARGET: &str = "wasm32-wasip2";

/// What to do when the toolchain has no standard library for [`TARGET`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MissingTarget {
    /// Install it by rustup, and say so.
    Install,
    /// Fail, naming the command that installs it.
    Refuse,
}

/// The programs to call. rustup's stand-ins choose the toolchain by the folder
/// they are started in, so all are started in the function's.
#[derive(Debug, Clone)]
pub(crate) struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    rustup: PathBuf,
    ending: Ending,
}

/// What ends when a build is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The program that was started. What it started in turn goes with it at
    /// Ctrl-C, as the terminal tells all of them.
    Program,
    /// All of its process group: a compiler left behind would write its file
    /// over that of the next build.
    Group,
}

impl Toolchain {
    /// The programs named by `CARGO` and `RUSTC`, or else those on the `PATH`.
    pub(crate) fn from_env() -> Self {
        let program = |variable: &str, default: &str| {
            std::env::var_os(variable).map_or_else(|| default.into(), PathBuf::from)
        };
        Self {
            cargo: program("CARGO", "cargo"),
            rustc: program("RUSTC", "rustc"),
            rustup: "rustup".into(),
            ending: Ending::Program,
        }
    }

    /// The same, its programs in groups of their own: for who gives builds up,
    /// and goes on. Ctrl-C doesn't reach them; who gets it has to drop them.
    pub(crate) fn in_own_group(self) -> Self {
        Self {
            ending: Ending::Group,
            ..self
        }
    }

    /// A cargo to be started in `folder`.
    pub(super) fn cargo(&self, folder: &Path) -> Command {
        self.command(&self.cargo, folder)
    }

    /// A program to be started in `folder`, with none of the variables that
    /// would lead a build astray.
    pub(super) fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            // `up` has it; what a build runs, build scripts and macros of
            // others, need not.
            .env_remove(SECRET_KEY_VARIABLE);
        if self.ending == Ending::Group {
            command.process_group(0);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(misleads) {
                command.env_remove(name);
            }
        }
        command
    }

    /// The group of a program just started, to be ended with it.
    pub(super) fn group(&self, child: &Child) -> Group {
        let leader = child
            .id()
            .filter(|_| self.ending == Ending::Group)
            .and_then(|id| Pid::from_raw(id.cast_signed()));
        Group(leader)
    }

    /// Runs `command` to its end.
    pub(super) async fn run(&self, mut command: Command) -> std::io::Result<Finished> {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let group = self.group(&child);
        let finished = child.wait_with_output().await?;
        group.ended();
        Ok(finished)
    }

    /// Explains why cargo could not be started.
    pub(super) fn cargo_missing(&self, error: std::io::Error) -> anyhow::Error {
        missing(&self.cargo, error)
    }

    /// Makes sure that the toolchain used in `folder` can compile to
    /// [`TARGET`].
    ///
    /// # Errors
    /// When it cannot, and `policy` or rustup leave it so.
    pub(crate) async fn require_target(
        &self,
        folder: &Path,
        policy: MissingTarget,
        output: &Output,
    ) -> anyhow::Result<()> {
        if self.has_target(folder).await? {
            return Ok(());
        }
        let fix = format!("rustup target add {TARGET}");
        if policy == MissingTarget::Refuse {
            bail!("the Rust target {TARGET} is not installed: run `{fix}`");
        }
        let progress =
            output.progress(format_args!("installing the Rust target {TARGET}: `{fix}`"));
        let mut rustup = self.command(&self.rustup, folder);
        rustup.args(["target", "add", TARGET]);
        let installed = match self.run(rustup).await {
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "the Rust target {TARGET} is not installed, and there is no rustup to install it: \
                 add it the way this Rust was installed, or install Rust from https://rustup.rs"
            ),
            other => other.context("cannot start rustup")?,
        };
        drop(progress);
        if !installed.status.success() || !self.has_target(folder).await? {
            bail!(
                "`{fix}` did not install the target:\n{}",
                String::from_utf8_lossy(&installed.stderr).trim_end()
            );
        }
        output.note(format_args!("installed the Rust target {TARGET}"));
        Ok(())
    }

    async fn has_target(&self, folder: &Path) -> anyhow::Result<bool> {
        let mut rustc = self.command(&self.rustc, folder);
        rustc.args(["--print", "target-libdir", "--target", TARGET]);
        let answer = self
            .run(rustc)
            .await
            .map_err(|error| missing(&self.rustc, error))?;
        if !answer.status.success() {
            bail!(
                "this rustc does not know the target {TARGET}: update Rust (`rustup update`)\n{}",
                String::from_utf8_lossy(&answer.stderr).trim_end()
            );
        }
        let folder = String::from_utf8_lossy(&answer.stdout);
        Ok(std::fs::read_dir(folder.trim()).is_ok_and(|mut files| files.next().is_some()))
    }
}

/// A running program's process group. Dropped, all of it is killed.
#[must_use]
pub(super) struct Group(Option<Pid>);

impl Group {
    /// The program has ended, and its id may be another's by now.
    pub(super) fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Fails only when nobody is left in it.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Whether the variable speaks of another package or target than the function:
/// what `cargo run` tells dunlin of itself, or compiler flags meant for the
/// machine. (Flags meant for functions go in
/// `CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS`.) The choice of toolchain and of the
/// target folder stands.
fn misleads(variable: &str) -> bool {
    const PREFIXES: [&str; 3] = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_"];
    const NAMES: [&str; 8] = [
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_CRATE_NAME",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_TMPDIR",
        "OUT_DIR",
        "RUSTFLAGS",
    ];
    NAMES.contains(&variable) || PREFIXES.iter().any(|prefix| variable.starts_with(prefix))
}

fn missing(program: &Path, error: std::io::Error) -> anyhow::Error {
    let program = program.display();
    if error.kind() == ErrorKind::NotFound {
        anyhow::anyhow!("`{program}` was not found: install Rust from https://rustup.rs")
    } else {
        anyhow::Error::new(error).context(format!("cannot start `{program}`"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::super::testing::{Folder, quiet_output};
    use super::*;

    /// A toolchain of shell scripts whose rustc looks for the target in `lib`.
    fn fake(folder: &Folder, rustup: &str) -> Toolchain {
        let lib = folder.path("lib");
        let script = |name: &str, body: &str| {
            folder.write(name, format!("#!/bin/sh\n{body}\n"));
            let path = folder.path(name);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
                .expect("can be changed");
            path
        };
        Toolchain {
            cargo: folder.path("no-cargo"),
            rustc: script("rustc", &format!("echo {}", lib.display())),
            rustup: script("rustup", &rustup.replace("LIB", &lib.display().to_string())),
            ending: Ending::Program,
        }
    }

    async fn require(folder: &Folder, toolchain: &Toolchain, policy: MissingTarget) -> String {
        let output = quiet_output();
        let required = toolchain.require_target(folder.root(), policy, &output);
        required
            .await
            .map_or_else(|error| format!("{error:#}"), |()| "ok".into())
    }

    #[tokio::test]
    async fn a_missing_target_is_installed_or_its_remedy_named() {
        let folder = Folder::new();
        let toolchain = fake(
            &folder,
            "echo \"$*\" > asked; mkdir LIB; touch LIB/libcore.rlib",
        );
        let refused = require(&folder, &toolchain, MissingTarget::Refuse).await;
        assert!(
            refused.contains("run `rustup target add wasm32-wasip2`"),
            "{refused}"
        );
        assert_eq!(
            require(&folder, &toolchain, MissingTarget::Install).await,
            "ok"
        );
        let asked = std::fs::read_to_string(folder.path("asked")).expect("was asked");
        assert_eq!(asked.trim(), "target add wasm32-wasip2");
        assert_eq!(
            require(&folder, &toolchain, MissingTarget::Refuse).await,
            "ok"
        );
    }

    #[tokio::test]
    async fn a_rustup_that_fails_or_is_missing_is_told() {
        let folder = Folder::new();
        let mut toolchain = fake(&folder, "echo no network >&2; exit 1");
        let failed = require(&folder, &toolchain, MissingTarget::Install).await;
        assert!(failed.contains("no network"), "{failed}");
        toolchain.rustup = folder.path("no-rustup");
        let missing = require(&folder, &toolchain, MissingTarget::Install).await;
        assert!(missing.contains("no rustup"), "{missing}");
        toolchain.rustc = folder.path("no-rustc");
        let missing = require(&folder, &toolchain, MissingTarget::Install).await;
        assert!(missing.contains("install Rust from"), "{missing}");
    }

    #[test]
    fn builds_are_not_told_of_dunlin_itself() {
        for variable in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "RUSTFLAGS"] {
            assert!(misleads(variable), "{variable}");
        }
        for variable in ["CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN", "CARGO_HOME", "PATH"] {
            assert!(!misleads(variable), "{variable}");
        }
    }
}
