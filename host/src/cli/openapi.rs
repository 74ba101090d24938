//! `dunlin openapi`: the document of a running host's admin API.

use clap::Args;
use serde_json::Value;

use super::client::Admin;
use super::client_args::ClientArgs;
use super::output::Output;

#[derive(Debug, Args)]
pub(crate) struct OpenapiArgs {
    #[command(flatten)]
    client: ClientArgs,
}

/// Runs the command.
///
/// # Errors
/// When the host is not there or refuses.
pub(super) async fn run(args: &OpenapiArgs, output: &Output) -> anyhow::Result<()> {
    let document: Value = Admin::new(&args.client)?.get("/v1/openapi.json").await?;
    output.data(&document, |document| format!("{document:#}"))
}
