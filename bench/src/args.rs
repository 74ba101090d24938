//! The command line as typed ([`Arguments`]) and as meant ([`Mode`]).

use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, Parser, Subcommand};

use crate::{
    peer::{self, Peer},
    scenario::{self, Scenario},
    server,
};

/// Dunlin and its peers under the same load.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve as one of the native peers; the bench starts itself this way.
    #[command(hide = true)]
    Peer {
        kind: server::Kind,
        #[arg(long)]
        port: u16,
    },
}

#[derive(Debug, Args)]
struct RunArguments {
    /// A scenario, or a family such as `mixed`; several with commas, or
    /// repeated [default: all]
    #[arg(long = "scenario", value_name = "NAME", value_delimiter = ',')]
    scenarios: Vec<String>,
    /// A peer; several with commas, or repeated [default: all that can run here]
    #[arg(long = "peer", value_name = "NAME", value_delimiter = ',')]
    peers: Vec<String>,
    /// Length of one measured window
    #[arg(long, value_name = "N", default_value_t = 5.0)]
    seconds: f64,
    /// Rounds over all peers; the medians of the rounds are reported
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Print one JSON object a line for each scenario and peer
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print one Markdown page with all figures, as `docs/benchmarks.md` begins
    #[arg(long)]
    markdown: bool,
}

/// What the process is to be.
pub(crate) enum Mode {
    /// One of the native peers.
    Serve {
        /// Where CPU work runs.
        kind: server::Kind,
        /// On loopback.
        port: u16,
    },
    /// The bench itself.
    Run(Plan),
}

/// What to measure, and how the result is printed.
pub(crate) struct Plan {
    pub(crate) scenarios: Vec<&'static Scenario>,
    pub(crate) peers: Vec<&'static Peer>,
    /// A peer that cannot run here: left out when nobody asked for it by name.
    pub(crate) on_unavailable: OnUnavailable,
    pub(crate) window: Duration,
    pub(crate) rounds: usize,
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnUnavailable {
    Skip,
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Tables,
    JsonLines,
    Markdown,
}

impl Arguments {
    pub(crate) fn mode(self) -> anyhow::Result<Mode> {
        match self.command {
            Some(Command::Peer { kind, port }) => Ok(Mode::Serve { kind, port }),
            None => self.run.plan().map(Mode::Run),
        }
    }
}

impl RunArguments {
    fn plan(self) -> anyhow::Result<Plan> {
        ensure!(self.rounds > 0, "`--rounds` must be at least 1");
        let window = Duration::try_from_secs_f64(self.seconds)
            .ok()
            .filter(|window| *window >= Duration::from_millis(100))
            .with_context(|| format!("`--seconds {}`: give at least 0.1", self.seconds))?;
        Ok(Plan {
            scenarios: scenario::select(&self.scenarios)?,
            peers: peer::select(&self.peers)?,
            on_unavailable: if self.peers.is_empty() {
                OnUnavailable::Skip
            } else {
                OnUnavailable::Fail
            },
            window,
            rounds: self.rounds,
            output: match (self.json, self.markdown) {
                (true, _) => Output::JsonLines,
                (false, true) => Output::Markdown,
                (false, false) => Output::Tables,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &[&str]) -> anyhow::Result<Plan> {
        let words = std::iter::once(&"dunlin-bench").chain(words);
        match Arguments::try_parse_from(words)?.mode()? {
            Mode::Run(plan) => Ok(plan),
            Mode::Serve { .. } => anyhow::bail!("not a run"),
        }
    }

    #[test]
    fn without_arguments_everything_that_can_run_is_measured() {
        let plan = plan(&[]).unwrap();
        assert_eq!(plan.scenarios.len(), scenario::SCENARIOS.len());
        assert_eq!(plan.peers.len(), peer::PEERS.len());
        assert_eq!(plan.on_unavailable, OnUnavailable::Skip);
        assert_eq!(plan.output, Output::Tables);
    }

    #[test]
    fn names_narrow_the_run_and_make_a_missing_peer_an_error() {
        let plan = plan(&["--scenario", "hello", "--peer", "native,dunlin", "--json"]).unwrap();
        assert_eq!(plan.scenarios.len(), 1);
        assert_eq!(plan.peers.len(), 2);
        assert_eq!(plan.on_unavailable, OnUnavailable::Fail);
        assert_eq!(plan.output, Output::JsonLines);
    }

    #[test]
    fn a_plan_that_measures_nothing_is_refused() {
        assert!(plan(&["--json", "--markdown"]).is_err());
        assert!(plan(&["--rounds", "0"]).is_err());
        assert!(plan(&["--seconds", "0"]).is_err());
        assert!(plan(&["--seconds", "-1"]).is_err());
        assert!(plan(&["--scenario", "nonesuch"]).is_err());
        assert!(plan(&["--peer", "nonesuch"]).is_err());
    }

    #[test]
    fn the_native_peers_are_started_by_a_subcommand() {
        let arguments = ["dunlin-bench", "peer", "native-pool", "--port", "7000"];
        let mode = Arguments::try_parse_from(arguments).unwrap().mode();
        assert!(matches!(
            mode,
            Ok(Mode::Serve {
                kind: server::Kind::NativePool,
                port: 7000
            })
        ));
    }
}
