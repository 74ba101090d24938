//! Functions that build themselves: `[build] command`.

use std::path::{Path, PathBuf};

use super::BuildFailure;
use super::toolchain::Toolchain;
use crate::registry::BuildCommand;

/// How much of the command's output a failure shows, in bytes: its end, where
/// the reason stands.
const SHOWN: usize = 64 * 1024;

/// Runs `command` in `folder`, and expects it to leave `component`.
pub(super) async fn run(
    toolchain: &Toolchain,
    folder: &Path,
    command: &BuildCommand,
    component: &Path,
) -> Result<PathBuf, BuildFailure> {
    let mut shell = toolchain.command("sh", folder);
    // One stream, so that the order of the two survives.
    match command {
        BuildCommand::Shell(line) => shell.args(["-c", "exec 2>&1; eval \"$1\"", "sh", line]),
        BuildCommand::Program(program, arguments) => shell
            .args(["-c", "exec \"$@\" 2>&1", "sh", program])
            .args(arguments),
    };
    let command = match command {
        BuildCommand::Shell(line) => line.clone(),
        BuildCommand::Program(program, arguments) => format!("{program} {}", arguments.join(" ")),
    };
    let finished = toolchain.run(shell).await.map_err(|error| {
        BuildFailure::new(format!("`sh` cannot be started for `{command}`: {error}"))
    })?;

    let said = || end_of(&finished.stdout);
    if !finished.status.success() {
        let summary = format!("`{command}` failed with {}", finished.status);
        return Err(BuildFailure::with(summary, said()));
    }
    if !component.is_file() {
        let summary = format!(
            "`{command}` left no `{}`: set `[build] component` to the file that it leaves",
            component.display()
        );
        return Err(BuildFailure::with(summary, said()));
    }
    Ok(component.to_path_buf())
}

fn end_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(SHOWN)..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::Folder;
    use super::*;

    #[tokio::test]
    async fn a_command_runs_in_its_folder_and_is_held_to_its_word() {
        let folder = Folder::new();
        let out = folder.path("out.wasm");
        let run = async |command: &str| {
            run(
                &Toolchain::from_env(),
                folder.root(),
                &BuildCommand::Shell(command.to_owned()),
                &out,
            )
            .await
        };

        let failed = run("echo one; echo two >&2; exit 3").await.expect_err("3");
        assert!(failed.summary.contains("exit status: 3"), "{failed}");
        assert_eq!(failed.diagnostics, "one\ntwo\n");
        let left = run("true").await.expect_err("leaves nothing");
        assert!(left.summary.contains("left no"), "{left}");
        assert_eq!(run("touch out.wasm").await, Ok(out.clone()));
    }

    #[tokio::test]
    async fn a_program_gets_its_arguments_as_they_are() {
        let folder = Folder::new();
        let out = folder.path("a b.wasm");
        let command = BuildCommand::Program("touch".to_owned(), vec!["a b.wasm".to_owned()]);
        let toolchain = Toolchain::from_env();
        let left = run(&toolchain, folder.root(), &command, &out).await;
        assert_eq!(left, Ok(out));
    }
}
