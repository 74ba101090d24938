//! Who is measured. A peer is one entry of [`PEERS`] and a function that finds
//! or makes what it needs and says how to start it.
//!
//! Every peer offers the routes of [`crate::request::Route`] below one mount.

mod dunlin;
mod native;

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    process::Command,
};

use anyhow::bail;

use crate::server::Kind;

/// The peer that all ratios refer to.
pub(crate) const BASELINE: &str = "native";

/// One server to measure.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    prepare: fn() -> anyhow::Result<Launch>,
}

/// How to start a peer that is ready to run.
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    /// `{port}` stands for the port to listen on.
    pub(crate) arguments: Vec<OsString>,
    /// Path prefix of the routes; empty, or like `/bench`.
    pub(crate) mount: &'static str,
    /// Files that the peer needs as long as it may be started.
    #[expect(dead_code, reason = "held so that it is removed at the end")]
    pub(crate) scratch: Option<tempfile::TempDir>,
}

/// In the order in which they run in each round.
pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: BASELINE,
        prepare: || native::prepare(Kind::Native),
    },
    Peer {
        name: "native-pool",
        prepare: || native::prepare(Kind::NativePool),
    },
    Peer {
        name: "dunlin",
        prepare: dunlin::prepare,
    },
];

/// The peers that `wanted` names, in the order of [`PEERS`]; all when empty.
pub(crate) fn select(wanted: &[String]) -> anyhow::Result<Vec<&'static Peer>> {
    let named = |name: &String| PEERS.iter().any(|peer| peer.name == name);
    if let Some(unknown) = wanted.iter().find(|name| !named(name)) {
        let names: Vec<_> = PEERS.iter().map(|peer| peer.name).collect();
        bail!(
            "no peer is called `{unknown}`; there are {}",
            names.join(", ")
        );
    }
    Ok(PEERS
        .iter()
        .filter(|peer| wanted.is_empty() || wanted.iter().any(|name| name == peer.name))
        .collect())
}

impl Peer {
    /// Finds, builds and deploys what the peer needs. Once a run, not measured.
    ///
    /// # Errors
    /// When the peer cannot run here; the message says what would help.
    pub(crate) fn prepare(&self) -> anyhow::Result<Launch> {
        (self.prepare)()
    }
}

impl Launch {
    pub(crate) fn command(&self, port: u16) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.arguments.iter().map(|word| with_port(word, port)));
        command
    }
}

fn with_port(word: &OsStr, port: u16) -> OsString {
    match word.to_str() {
        Some(text) => text.replace("{port}", &port.to_string()).into(),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_filled_in_wherever_it_stands() {
        let launch = Launch {
            program: "server".into(),
            arguments: vec!["--listen".into(), "127.0.0.1:{port}".into()],
            mount: "",
            scratch: None,
        };
        let command = launch.command(7001);
        let words: Vec<_> = command.get_args().collect();
        assert_eq!(words, ["--listen", "127.0.0.1:7001"]);
    }

    #[test]
    fn peers_run_in_the_order_of_the_table() {
        let wanted = ["dunlin".to_owned(), BASELINE.to_owned()];
        let names: Vec<_> = select(&wanted).unwrap().iter().map(|p| p.name).collect();
        assert_eq!(names, [BASELINE, "dunlin"]);
        assert!(select(&["nonesuch".to_owned()]).is_err());
    }
}
