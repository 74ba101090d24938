//! The arguments of `versions`, `split`, `rollback` and `rm`; see `args.rs`.

use super::args::name;
use super::client_args::ClientArgs;
use crate::names::FunctionName;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct VersionsArgs {
    /// The function
    #[arg(value_parser = name)]
    pub(crate) name: FunctionName,

    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SplitArgs {
    /// The function
    #[arg(value_parser = name)]
    pub(crate) name: FunctionName,

    /// Versions and their weights
    #[arg(value_name = "VERSION=WEIGHT", required = true)]
    pub(crate) weights: Vec<String>,

    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The function
    #[arg(value_parser = name)]
    pub(crate) name: FunctionName,

    /// Give all traffic to this version [default: to whoever had it before]
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<u32>,

    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// The function
    #[arg(value_parser = name)]
    pub(crate) name: FunctionName,

    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,

    #[command(flatten)]
    pub(crate) client: ClientArgs,
}
