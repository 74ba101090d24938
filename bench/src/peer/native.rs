//! The bench's own executable, serving the same handlers without WebAssembly.

use clap::ValueEnum as _;

use super::Launch;
use crate::server::Kind;

pub(super) fn prepare(kind: Kind) -> anyhow::Result<Launch> {
    let name = kind.to_possible_value();
    let name = name.as_ref().map_or("native", |value| value.get_name());
    Ok(Launch {
        program: std::env::current_exe()?,
        arguments: ["peer", name, "--port", "{port}"].map(Into::into).into(),
        mount: "",
        scratch: None,
    })
}
