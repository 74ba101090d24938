//! The command line: decodes what the user typed, builds functions, and joins
//! the stations. The only place where `anyhow` is used.

mod access;
mod access_args;
mod args;
mod build;
mod client;
mod client_args;
mod config;
mod deploy;
mod doctor;
mod editor;
mod exit;
mod host;
mod insecure;
mod invoke;
mod new;
mod openapi;
mod output;
mod project;
mod public;
#[cfg(test)]
mod testing;
mod traffic;
mod traffic_args;
mod up;
mod watch;

use self::args::{Cli, Command};
use self::exit::Exit;
use self::output::Output;
use crate::registry::Digest;
use crate::runtime::{self, Backtraces};
use clap::Parser as _;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Longest wait for what still uses the disk when a command is done.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let [_, subcommand, component, digest, compiled, backtraces] = arguments.as_slice()
        && subcommand == runtime::COMPILE_SUBCOMMAND
        && let Some(Ok(digest)) = digest.to_str().map(str::parse)
        && let Some(backtraces) = backtraces.to_str().and_then(Backtraces::parse)
    {
        let (component, compiled) = (Path::new(component), Path::new(compiled));
        return compile(component, &digest, compiled, backtraces);
    }

    let Cli { command, global } = Cli::parse();
    let output = Output::new(global.format(), global.verbose);
    let result = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("dunlin-control")
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|control| {
            let result = control.block_on(run(command, &output));
            // Else it would wait for as long as the system looks up a name.
            control.shutdown_timeout(LEAVE_TIMEOUT);
            result
        });
    match result {
        Ok(()) => Exit::Success.into(),
        Err(error) => {
            output.error(&error);
            Exit::of(&error).into()
        }
    }
}

async fn run(command: Command, output: &Output) -> anyhow::Result<()> {
    match command {
        Command::New(args) => new::run(&args, output),
        Command::Up(args) => up::run(&args, output).await,
        Command::Build(args) => build::run(&args.folders, output).await,
        Command::Serve(args) => host::serve(&args, output).await,
        Command::Deploy(args) => deploy::run(&args, output).await,
        Command::Invoke(args) => invoke::run(&args, output).await,
        Command::Ls(args) => client::ls(&args, output).await,
        Command::Versions(args) => traffic::versions(&args, output).await,
        Command::Split(args) => traffic::split(&args, output).await,
        Command::Rollback(args) => traffic::rollback(&args, output).await,
        Command::Rm(args) => traffic::rm(&args, output).await,
        Command::Logs(args) => client::logs(&args, output).await,
        Command::Token(args) => access::token(&args, output).await,
        Command::Secret(args) => access::secret(&args, output).await,
        Command::Audit(args) => access::audit(&args, output).await,
        Command::Doctor(args) => doctor::run(&args, output).await,
        Command::Openapi(args) => openapi::run(&args, output).await,
        Command::Schema => editor::schema(output),
        Command::Completions(args) => editor::completions(&args, output),
    }
}

/// The host's own child: compiles one component and ends.
fn compile(component: &Path, digest: &Digest, compiled: &Path, backtraces: Backtraces) -> ExitCode {
    match runtime::compile_as_child(component, digest, compiled, backtraces) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            use std::io::Write as _;
            // The parent reads it; if it is gone, nobody is left to tell.
            let _ = writeln!(std::io::stderr(), "{message}");
            code.into()
        }
    }
}
