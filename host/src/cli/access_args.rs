//! The arguments of `token`, `secret` and `audit`; see `args.rs`.

use super::args::name;
use super::client_args::ClientArgs;
use crate::names::FunctionName;
use crate::registry::{Scope, TimeLimit, TokenName, VarName};
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token, and print it: it is never told again
    Create {
        /// What to call it, for the list and the audit log
        name: TokenName,

        /// What it may do: `read`, `deploy` or `admin`, each with all before it
        #[arg(long)]
        scope: Scope,

        /// For how long, such as `90d` [default: for ever]
        #[arg(long, value_name = "DURATION")]
        expires: Option<TimeLimit>,

        #[command(flatten)]
        client: ClientArgs,
    },

    /// List the tokens: not what they are
    Ls {
        #[command(flatten)]
        client: ClientArgs,
    },

    /// Remove a token: it opens nothing any more
    Rm {
        /// The token's number, from `token ls`
        id: u32,

        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SecretArgs {
    #[command(subcommand)]
    pub(crate) command: SecretCommand,
}

/// What to do with secrets.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Set a secret, from standard input or asked for; running functions see it
    /// from their next request on
    Set {
        /// The function; it need not be deployed yet
        #[arg(value_parser = name)]
        function: FunctionName,

        /// The name under which the function reads it, as an environment variable
        #[arg(value_parser = key)]
        key: VarName,

        #[command(flatten)]
        client: ClientArgs,
    },

    /// List a function's secrets: not what they are
    Ls {
        /// The function
        #[arg(value_parser = name)]
        function: FunctionName,

        #[command(flatten)]
        client: ClientArgs,
    },

    /// Remove a secret that no version in service needs
    Rm {
        /// The function
        #[arg(value_parser = name)]
        function: FunctionName,

        /// The secret's name
        #[arg(value_parser = key)]
        key: VarName,

        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// How many of the latest entries to print
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) tail: u32,

    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

fn key(text: &str) -> Result<VarName, String> {
    text.to_owned().try_into()
}
