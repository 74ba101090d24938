//! The bench's own executable, serving the same handlers without WebAssembly.

use anyhow::Context as _;
use clap::ValueEnum as _;

use super::Launch;
use crate::server::Kind;

pub(super) fn prepare(kind: Kind) -> anyhow::Result<Launch> {
    let name = kind.to_possible_value();
    let name = name.as_ref().map_or("native", |value| value.get_name());
    Ok(Launch {
        version: format!("hyper {}", hyper_version()?),
        program: std::env::current_exe()?,
        arguments: ["peer", name, "--port", "{port}"].map(Into::into).into(),
        mount: "",
        limited_mount: "",
        changer: None,
        scratch: None,
    })
}

/// From the lock file that the bench was built with.
fn hyper_version() -> anyhow::Result<&'static str> {
    include_str!("../../../Cargo.lock")
        .split_once("name = \"hyper\"\nversion = \"")
        .and_then(|(_, rest)| rest.split('"').next())
        .context("the lock file names hyper")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_hyper_is_known() {
        assert!(hyper_version().unwrap().starts_with("1."));
    }
}
