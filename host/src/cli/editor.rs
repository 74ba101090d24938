//! `dunlin schema` and `dunlin completions`: what editors and shells ask for.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use super::args::Cli;
use super::output::Output;
use crate::registry::manifest_schema;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// `dunlin schema`: the JSON schema of `dunlin.toml`.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn schema(output: &Output) -> anyhow::Result<()> {
    output.data(&manifest_schema(), |schema| {
        format!("{:#}", schema.as_value())
    })
}

/// `dunlin completions`: a script that completes command lines.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn completions(args: &CompletionsArgs, output: &Output) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "dunlin", &mut script);
    let script = String::from_utf8(script)?;
    let data = json!({ "shell": args.shell.to_string(), "script": script });
    output.data(&data, |_| script)
}
