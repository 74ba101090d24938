//! The `dunlin` command.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;

use tokio::process::Command;

use super::within;

/// The repository's top folder.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package lies in the repository")
}

/// A `dunlin` command, to be given its arguments.
///
/// # Panics
/// If the binary was not built.
pub(crate) fn dunlin() -> Command {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let binary = BINARY.get_or_init(|| {
        let test = std::env::current_exe().expect("the test's own path is known");
        // target/PROFILE/deps/e2e-HASH stands beside target/PROFILE/dunlin.
        let profile = test.ancestors().nth(2).expect("cargo put the test there");
        let binary = profile.join("dunlin");
        let release = if profile.ends_with("release") {
            " --release"
        } else {
            ""
        };
        assert!(
            binary.is_file(),
            "`{}` is missing: run `cargo build{release} -p dunlin-host` first, or \
             `cargo test{release} --workspace`, which builds it",
            binary.display()
        );
        binary
    });
    // For the tests' own clients; fails only if there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut command = Command::new(binary);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_remove("DUNLIN_CONFIG")
        .env_remove("DUNLIN_HOST")
        .env_remove("DUNLIN_SECRET_KEY")
        .env_remove("DUNLIN_TOKEN")
        .kill_on_drop(true);
    command
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The exit code; -1 when a signal ended it.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Itself, when the command did what it says.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert!(self.status.success(), "{self:#?}");
        self
    }

    /// Standard output as JSON, a value a line.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| line.parse().unwrap_or_else(|_| panic!("not JSON: {line}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// Runs `command` to its end.
pub(crate) async fn run(command: &mut Command) -> Ran {
    let output = within("a command", command.output())
        .await
        .expect("the command starts");
    Ran {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
