//! The command line as typed. What a flag means is decided by the command that
//! it belongs to; here is only what it is called, what it may hold, and its
//! help.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::access_args::{AuditArgs, SecretArgs, TokenArgs};
use super::client_args::ClientArgs;
use super::editor::CompletionsArgs;
use super::exit;
use super::invoke::InvokeArgs;
use super::new::NewArgs;
use super::openapi::OpenapiArgs;
use super::output::Format;
use super::traffic_args::{RmArgs, RollbackArgs, SplitArgs, VersionsArgs};
use crate::names::{FunctionName, NameError};
use crate::registry::{Percent, TimeLimit};

/// Where a host of this machine keeps its state unless told otherwise.
pub(super) const DATA_DIR: &str = ".dunlin";

/// A serverless function host for WebAssembly.
#[derive(Debug, Parser)]
#[command(name = "dunlin", version, after_help = exit::HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) global: Global,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Print data as JSON, one value a line
    #[arg(long, global = true)]
    json: bool,

    /// Say more of what goes on; twice: everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Global {
    pub(crate) fn format(&self) -> Format {
        if self.json {
            Format::Json
        } else {
            Format::Human
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a function to begin with
    #[command(after_long_help = "\
Examples:
  dunlin new shop
  dunlin new sums --template rust-cpu --path functions/sums")]
    New(NewArgs),

    /// Build, deploy and serve every function below a folder, again at each change
    #[command(after_long_help = "\
Examples:
  dunlin up                           the functions below `functions`
  dunlin up examples/hello            one function
  dunlin up --listen 127.0.0.1:0      on any free port")]
    Up(UpArgs),

    /// Build functions, and print where their components are
    #[command(after_long_help = "\
Examples:
  dunlin build                        every function below the current folder
  dunlin build functions/hello functions/primes
  dunlin build --json | jq -r .component")]
    Build(BuildArgs),

    /// Serve what is deployed
    #[command(after_long_help = "\
Examples:
  dunlin serve
  dunlin serve --listen 0.0.0.0:80 --data-dir /var/lib/dunlin
  dunlin serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 --json")]
    Serve(ServeArgs),

    /// Build a function and deploy it to a running host
    #[command(after_long_help = "\
Examples:
  dunlin deploy functions/hello
  dunlin deploy target/wasm32-wasip2/release/hello.wasm --name hello
  dunlin deploy functions/hello --canary 10% --abort-on 1%
  DUNLIN_TOKEN=… dunlin deploy functions/hello --host https://admin.example.com")]
    Deploy(DeployArgs),

    /// List what is deployed
    #[command(after_long_help = "\
Examples:
  dunlin ls
  dunlin ls --json | jq -r .name")]
    Ls(LsArgs),

    /// List the versions of a function that are kept, and who gets its traffic
    #[command(after_long_help = "\
Examples:
  dunlin versions hello
  dunlin versions hello --json | jq 'select(.weight > 0)'")]
    Versions(VersionsArgs),

    /// Divide a function's traffic among its versions
    #[command(after_long_help = "\
Callers with the same `dunlin-version-key` header or cookie stay with one version.

Examples:
  dunlin split hello 3=90 4=10
  dunlin split hello 4                all of it to version 4")]
    Split(SplitArgs),

    /// Give a function's traffic back to whoever had it before
    #[command(after_long_help = "\
Done again, it goes back further.

Examples:
  dunlin rollback hello
  dunlin rollback hello --to 3")]
    Rollback(RollbackArgs),

    /// Take a function out of service and forget it, with all its versions
    #[command(after_long_help = "\
Examples:
  dunlin rm hello
  dunlin rm hello --yes               without being asked")]
    Rm(RmArgs),

    /// Print what a function logged
    #[command(after_long_help = "\
Examples:
  dunlin logs hello
  dunlin logs hello --tail 10 --follow")]
    Logs(LogsArgs),

    /// Make, list and remove tokens, which open the admin API
    #[command(after_long_help = "\
Examples:
  dunlin token create ci --scope deploy --expires 90d
  dunlin token ls
  dunlin token rm 2")]
    Token(TokenArgs),

    /// Set, list and remove what a function knows and nobody may read
    #[command(after_long_help = "\
Examples:
  dunlin secret set hello API_KEY     asks for it
  dunlin secret set hello API_KEY < key.txt
  dunlin secret ls hello
  dunlin secret rm hello API_KEY")]
    Secret(SecretArgs),

    /// Print who changed what, and who was refused
    #[command(after_long_help = "\
Examples:
  dunlin audit
  dunlin audit --tail 1000 --json | jq 'select(.outcome == \"refused\")'")]
    Audit(AuditArgs),

    /// Tell what limits are in force and why, and what could be better
    #[command(after_long_help = "\
Examples:
  dunlin doctor
  dunlin doctor --json | jq '.checks[] | select(.status != \"ok\")'")]
    Doctor(DoctorArgs),

    /// Call a function, as a client of the public listener
    #[command(after_long_help = "\
Examples:
  dunlin invoke hello
  dunlin invoke echo /json -d '{\"id\":1}' -i
  dunlin invoke echo -d @photo.jpg > same.jpg
  dunlin invoke hello /Ada --version 3")]
    Invoke(InvokeArgs),

    /// Print the OpenAPI document of a function, or of the admin API
    #[command(after_long_help = "\
Examples:
  dunlin openapi hello                  what gets most of the traffic
  dunlin openapi hello@3                one version
  dunlin openapi functions/hello        built from its folder, without a host
  dunlin openapi > admin.openapi.json")]
    Openapi(OpenapiArgs),

    /// Print the JSON schema of dunlin.toml, for editors
    #[command(after_long_help = "\
Examples:
  dunlin schema > dunlin.schema.json
  with `#:schema ./dunlin.schema.json` as the first line of dunlin.toml")]
    Schema,

    /// Print a script with which a shell completes what you type
    #[command(after_long_help = "\
Examples:
  source <(dunlin completions bash)
  dunlin completions zsh > ~/.zfunc/_dunlin
  dunlin completions fish > ~/.config/fish/completions/dunlin.fish")]
    Completions(CompletionsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Folder of a function, or of several
    #[arg(value_name = "FOLDER", default_value = "functions")]
    pub(crate) folder: PathBuf,

    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Folders of functions
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(crate) folders: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Folder of the host's state: components, database, first token
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    pub(crate) data_dir: PathBuf,

    /// Where functions are served; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
    pub(crate) listen: SocketAddr,

    /// Where deploying and watching is served; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081", value_parser = address)]
    pub(crate) admin: SocketAddr,

    /// Threads of the async lane [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<NonZeroUsize>,

    /// Threads of the blocking lane [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) blocking_threads: Option<NonZeroUsize>,

    /// Serve HTTPS with this certificate and its chain, as PEM; read again when
    /// the file changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The certificate's private key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Serve HTTPS with a certificate made at each start, for local use
    #[arg(long, conflicts_with = "tls_cert")]
    pub(crate) tls_self_signed: bool,

    /// How long running invocations may take to finish when the host stops, as
    /// in `500ms`, `30s`, `2m` [default: 30s]
    #[arg(long, value_name = "DURATION")]
    pub(crate) drain_timeout: Option<TimeLimit>,

    /// The host's configuration: limits, timeouts, sizes. Flags win over it
    #[arg(
        long,
        value_name = "FILE",
        env = "DUNLIN_CONFIG",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// Folder of a function, or its component
    #[arg(value_name = "FOLDER_OR_WASM")]
    pub(crate) path: PathBuf,

    /// Name to deploy it as [default: from its dunlin.toml, or else its folder or file]
    #[arg(long, value_parser = name)]
    pub(crate) name: Option<FunctionName>,

    /// Give the new version only this share of the traffic, such as `10%`
    #[arg(long, value_name = "SHARE")]
    pub(crate) canary: Option<Percent>,

    /// Take the canary's traffic back when it fails more often than the other
    /// versions by more than this, such as `1%`
    #[arg(long, value_name = "SHARE", requires = "canary")]
    pub(crate) abort_on: Option<Percent>,

    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The function
    #[arg(value_parser = name)]
    pub(crate) name: FunctionName,

    /// Go on printing as lines come, until interrupted
    #[arg(short, long)]
    pub(crate) follow: bool,

    /// How many of the latest lines to print first
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) tail: usize,

    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080".to_owned())
}

pub(super) fn name(text: &str) -> Result<FunctionName, NameError> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    fn refusal(line: &str) -> String {
        parse(line).expect_err("must be refused").to_string()
    }

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    fn add_help_below(help: &mut String, command: &mut clap::Command, path: &str) {
        for sub in command.get_subcommands_mut() {
            if sub.get_name() != "help" {
                let path = format!("{path} {}", sub.get_name());
                write!(help, "\n$ {path} --help\n{}", sub.render_long_help())
                    .expect("strings take all");
                add_help_below(help, sub, &path);
            }
        }
    }

    /// Set `DUNLIN_BLESS=1` to write the file anew, then review the change.
    #[test]
    fn help_is_as_reviewed() {
        let mut command = Cli::command();
        command.build();
        let mut help = format!("$ dunlin --help\n{}", command.render_long_help());
        add_help_below(&mut help, &mut command, "dunlin");
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/help.txt");
        if std::env::var_os("DUNLIN_BLESS").is_some() {
            std::fs::write(golden, &help).expect("can be written");
        }
        let reviewed = std::fs::read_to_string(golden).unwrap_or_default();
        assert!(
            help == reviewed,
            "--help differs from {golden}; DUNLIN_BLESS=1 writes it anew. Now:\n{help}"
        );
    }

    #[test]
    fn defaults_are_those_that_scripts_rely_on() {
        let Command::Up(up) = parse("dunlin up").expect("is valid").command else {
            panic!("is `up`");
        };
        assert_eq!(up.folder, PathBuf::from("functions"));
        assert_eq!(up.serve.data_dir, PathBuf::from(".dunlin"));
        assert_eq!(up.serve.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(up.serve.admin.to_string(), "127.0.0.1:8081");
        assert_eq!(up.serve.drain_timeout, None);
        assert_eq!(up.serve.workers, None);
    }

    #[test]
    fn global_flags_stand_anywhere() {
        for line in [
            "dunlin --json -vv build a b",
            "dunlin build a --json b -v -v",
        ] {
            let cli = parse(line).expect("is valid");
            assert_eq!(cli.global.format(), Format::Json);
            assert_eq!(cli.global.verbose, 2);
            let Command::Build(build) = cli.command else {
                panic!("is `build`");
            };
            assert_eq!(build.folders, ["a", "b"].map(PathBuf::from));
        }
    }

    #[test]
    fn a_client_names_its_host_and_hides_its_token() {
        let line = "dunlin logs hello -f --tail 5 --host https://h:1/ --token s3cret";
        let Command::Logs(logs) = parse(line).expect("is valid").command else {
            panic!("is `logs`");
        };
        assert_eq!(logs.client.host.at("/v1/x"), "https://h:1/v1/x");
        assert!(!format!("{logs:?}").contains("s3cret"));
        assert_eq!(logs.client.token.expect("was given").as_str(), "s3cret");
        assert_eq!((logs.tail, logs.follow), (5, true));
    }

    #[test]
    fn refusals_show_what_is_expected() {
        assert!(refusal("dunlin serve --listen 8080").contains("127.0.0.1:8080"));
        assert!(refusal("dunlin serve --drain-timeout soon").contains("drain-timeout"));
        assert!(refusal("dunlin serve --drain-timeout 0s").contains("more than zero"));
        assert!(refusal("dunlin serve --workers 0").contains("--workers"));
        assert!(refusal("dunlin ls --host 127.0.0.1:8081").contains("http://127.0.0.1:8081"));
        assert!(refusal("dunlin ls --host http://h/path").contains("http://127.0.0.1:8081"));
        assert!(refusal("dunlin token create ci --scope root").contains("`deploy`"));
        assert!(refusal("dunlin secret set hello API-KEY").contains("API_URL"));
        assert!(refusal("dunlin secret set hello API_KEY value").contains("value"));
        assert!(refusal("dunlin logs Not_A_Name").contains("a-z"));
        assert_eq!(parse("dunlin nothing").expect_err("unknown").exit_code(), 2);
    }
}
