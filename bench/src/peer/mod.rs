//! Who is measured. A peer is one entry of [`PEERS`] and a function that finds
//! or makes what it needs and says how to start it.
//!
//! Every peer offers the routes of [`crate::request::Route`] below one mount.

mod dunlin;
mod fastapi;
mod native;
mod wasmtime;
mod workerd;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail, ensure};

use self::wasmtime::{Timeout, Wasi};
use crate::{changes::Changer, scenario::Scenario, server::Kind};

/// The peer that all ratios refer to.
pub(crate) const BASELINE: &str = "native";

/// One server to measure.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    handlers: Handlers,
    overload: Overload,
    prepare: fn() -> anyhow::Result<Launch>,
}

/// What a peer makes of how a handler is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handlers {
    /// A CPU-bound one that is declared as such runs off the event loop.
    FnAndAsyncFn,
    /// There is one kind.
    OneKind,
}

/// Whether a peer takes part in the overload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overload {
    Measured,
    /// It has no answer to it, or one of its own that does not compare.
    LeftOut,
}

/// How to start a peer that is ready to run.
pub(crate) struct Launch {
    /// What is measured, with its version.
    pub(crate) version: String,
    pub(crate) program: PathBuf,
    /// `{port}` stands for the port to listen on.
    pub(crate) arguments: Vec<OsString>,
    /// Path prefix of the routes; empty, or like `/bench`.
    pub(crate) mount: &'static str,
    /// Prefix of the same routes where few requests are admitted at once; the
    /// same as `mount` for a peer that admits all.
    pub(crate) limited_mount: &'static str,
    /// What its functions are changed with; `{admin}` stands for another port.
    pub(crate) changer: Option<Changer>,
    /// Files that the peer needs as long as it may be started.
    #[expect(dead_code, reason = "held so that it is removed at the end")]
    pub(crate) scratch: Option<tempfile::TempDir>,
}

/// In the order in which they run in each round.
pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: BASELINE,
        handlers: Handlers::OneKind,
        overload: Overload::Measured,
        prepare: || native::prepare(Kind::Native),
    },
    Peer {
        name: "native-pool",
        handlers: Handlers::FnAndAsyncFn,
        overload: Overload::Measured,
        prepare: || native::prepare(Kind::NativePool),
    },
    Peer {
        name: "dunlin",
        handlers: Handlers::FnAndAsyncFn,
        overload: Overload::Measured,
        prepare: dunlin::prepare,
    },
    Peer {
        name: "wasmtime-p2",
        handlers: Handlers::OneKind,
        overload: Overload::LeftOut,
        prepare: || wasmtime::prepare(Wasi::P2, Timeout::None),
    },
    Peer {
        name: "wasmtime-p2-timeout",
        handlers: Handlers::OneKind,
        overload: Overload::LeftOut,
        prepare: || wasmtime::prepare(Wasi::P2, Timeout::Set),
    },
    Peer {
        name: "wasmtime-p3",
        handlers: Handlers::OneKind,
        overload: Overload::LeftOut,
        prepare: || wasmtime::prepare(Wasi::P3, Timeout::None),
    },
    Peer {
        name: "wasmtime-p3-timeout",
        handlers: Handlers::OneKind,
        overload: Overload::LeftOut,
        prepare: || wasmtime::prepare(Wasi::P3, Timeout::Set),
    },
    Peer {
        name: "workerd",
        handlers: Handlers::OneKind,
        overload: Overload::LeftOut,
        prepare: workerd::prepare,
    },
    Peer {
        name: "fastapi",
        handlers: Handlers::FnAndAsyncFn,
        overload: Overload::LeftOut,
        prepare: fastapi::prepare,
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

    /// Whether the scenario says something of this peer that another does not.
    pub(crate) fn takes_part_in(&self, scenario: &Scenario) -> bool {
        if scenario.is_change() {
            self.name == "dunlin"
        } else if scenario.is_overload() {
            self.overload == Overload::Measured
        } else if scenario.is_about_declaration() {
            self.handlers == Handlers::FnAndAsyncFn || self.name == BASELINE
        } else {
            true
        }
    }
}

impl Launch {
    pub(crate) fn command(&self, port: u16, admin: u16) -> Command {
        let mut command = Command::new(&self.program);
        let filled_in = |word| with_port(with_port(word, "{port}", port), "{admin}", admin);
        command.args(self.arguments.iter().cloned().map(filled_in));
        command
    }

    /// What changes the functions of a server with this port for it.
    pub(crate) fn changer(&self, admin: u16) -> Option<Changer> {
        let changer = self.changer.as_ref()?;
        let arguments = changer.arguments.iter().cloned();
        Some(Changer {
            program: changer.program.clone(),
            arguments: arguments
                .map(|word| with_port(word, "{admin}", admin))
                .collect(),
            component: changer.component.clone(),
            function: changer.function,
        })
    }
}

/// The folder of this repository that holds the peers' sources.
fn sources(peer: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("peers")
        .join(peer)
}

/// A program that `bench/install-peers` installed.
///
/// # Errors
/// When it did not; the message says how.
fn installed(peer: &str, program: &str) -> anyhow::Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target/peers")
        .join(program);
    ensure!(
        path.exists(),
        "not installed: run `bench/install-peers {peer}`"
    );
    Ok(path.canonicalize()?)
}

/// Runs a program to its end.
///
/// # Errors
/// When it fails; the message holds what it said.
fn output_of(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn with_port(word: OsString, place: &str, port: u16) -> OsString {
    match word.to_str() {
        Some(text) => text.replace(place, &port.to_string()).into(),
        None => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    #[test]
    fn ports_are_filled_in_wherever_they_stand() {
        let launch = Launch {
            version: String::new(),
            program: "server".into(),
            arguments: vec!["127.0.0.1:{port}".into(), "127.0.0.1:{admin}".into()],
            mount: "",
            limited_mount: "",
            changer: None,
            scratch: None,
        };
        let command = launch.command(7001, 7002);
        let words: Vec<_> = command.get_args().collect();
        assert_eq!(words, ["127.0.0.1:7001", "127.0.0.1:7002"]);
    }

    #[test]
    fn peers_run_in_the_order_of_the_table() {
        let wanted = ["dunlin".to_owned(), BASELINE.to_owned()];
        let names: Vec<_> = select(&wanted).unwrap().iter().map(|p| p.name).collect();
        assert_eq!(names, [BASELINE, "dunlin"]);
        assert!(select(&["nonesuch".to_owned()]).is_err());
    }

    #[test]
    fn a_peer_is_not_measured_where_it_repeats_itself() {
        let scenario = |name: &str| scenario::select(&[name.to_owned()]).unwrap()[0];
        let takes_part = |peer: &str, name| {
            let peer = select(&[peer.to_owned()]).unwrap()[0];
            peer.takes_part_in(scenario(name))
        };
        assert!(takes_part("workerd", "mixed-sleep"));
        assert!(!takes_part("workerd", "mixed-sleep-async-hog"));
        assert!(takes_part("fastapi", "mixed-sleep-async-hog"));
        assert!(takes_part(BASELINE, "mixed-sleep-async-hog"));
        assert!(takes_part("dunlin", "overload"));
        assert!(!takes_part("fastapi", "overload"));
        assert!(takes_part("dunlin", "deploy-cold"));
        assert!(!takes_part(BASELINE, "rollback"));
    }

    #[test]
    fn a_peer_that_is_missing_says_how_to_install_it() {
        let error = installed("nonesuch", "nonesuch/bin/serve").unwrap_err();
        assert!(error.to_string().contains("bench/install-peers nonesuch"));
    }
}
