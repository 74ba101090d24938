//! The host's settings: from flags, from the file of `--config`, or by default.
//! Decided and checked once, before anything starts.
//!
//! The file is only ever the one that was named. One that lay in the data
//! directory would go along with a copy of it, and change what another host
//! allows without a word.

mod choices;
#[cfg(test)]
mod tests;

use std::fs;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

use self::choices::Choices;
use super::args::ServeArgs;
use crate::admin::Setting;
use crate::capabilities::egress::EgressConfig;
use crate::gateway::{Detail, GatewayConfig};
use crate::registry::{ByteSize, Limits, TimeLimit, from_toml};
use crate::runtime::{Backtraces, EngineConfig};
use crate::scheduling::LanesConfig;

/// Most memory that may be set: what 32 bits address.
const MAX_MEMORY: ByteSize = ByteSize::mib(4 * 1024);

/// Most threads that a lane may have: far from what systems refuse.
const MAX_THREADS: usize = 1_024;

/// Outgoing connections, unless the host is told otherwise: more than a machine
/// has use for.
const MAX_OUTGOING: usize = 16_384;

/// Longest that running invocations may take to finish when the host stops.
const DRAIN_TIMEOUT: TimeLimit = TimeLimit::seconds(30);

/// Versions that are kept of each function, beside those that are needed.
const KEPT_VERSIONS: u32 = 10;

/// How long a version's code stays in memory after its last invocation.
const UNLOAD_AFTER: TimeLimit = TimeLimit::seconds(300);

/// What a host runs with.
#[derive(Debug)]
pub(super) struct HostConfig {
    /// The most that any function may have.
    pub(super) maxima: Limits,
    pub(super) lanes: LanesConfig,
    pub(super) engine: EngineConfig,
    pub(super) gateway: GatewayConfig,
    pub(super) egress: EgressConfig,
    pub(super) drain_timeout: Duration,
    /// Versions that are kept of each function.
    pub(super) kept_versions: usize,
    /// How long a version's code stays in memory after its last invocation.
    pub(super) unload_after: Duration,
    /// All of the above as people write it, each with where it comes from.
    pub(super) settings: Vec<Setting>,
}

impl HostConfig {
    /// Decides every setting. `open_files` is how many the host may have.
    ///
    /// # Errors
    /// When the file cannot be read or holds what is no setting, or settings
    /// contradict each other.
    pub(super) fn load(args: &ServeArgs, detail: &Detail, open_files: u64) -> anyhow::Result<Self> {
        let text = match &args.config {
            None => String::new(),
            Some(path) => fs::read_to_string(path)
                .with_context(|| format!("`{}` (`--config`) cannot be read", path.display()))?,
        };
        Self::decide(&text, args, detail, open_files)
    }

    fn decide(
        text: &str,
        args: &ServeArgs,
        detail: &Detail,
        open_files: u64,
    ) -> anyhow::Result<Self> {
        let path = args.config.clone().unwrap_or_default();
        let file: ConfigFile = from_toml(text, &path)?;
        let mut set = Choices::new(path);
        let maxima = file.limits.decide(&mut set)?;
        let instances = file.host.instances(&maxima, detail, &mut set);
        let max_outgoing = file.host.outgoing(open_files, &mut set)?;
        Ok(Self {
            lanes: file.host.lanes(args, &instances, &mut set)?,
            drain_timeout: set
                .time(
                    "host.drain_timeout",
                    args.drain_timeout,
                    file.host.drain_timeout,
                    DRAIN_TIMEOUT,
                )?
                .as_duration(),
            kept_versions: size(set.of_file(
                "host.kept_versions",
                file.host.kept_versions.map(NonZeroU32::get),
                KEPT_VERSIONS,
            )),
            gateway: file
                .gateway
                .decide(detail, (open_files, max_outgoing), &mut set)?,
            egress: EgressConfig {
                max_connections: max_outgoing,
                ..EgressConfig::default()
            },
            unload_after: set
                .time(
                    "host.unload_after",
                    None,
                    file.host.unload_after,
                    UNLOAD_AFTER,
                )?
                .as_duration(),
            engine: instances,
            maxima,
            settings: set.made(),
        })
    }
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConfigFile {
    limits: LimitsSection,
    host: HostSection,
    gateway: GatewaySection,
}

/// `[limits]`: the most that one function may have, whatever it asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LimitsSection {
    memory: Option<ByteSize>,
    cpu: Option<TimeLimit>,
    deadline: Option<TimeLimit>,
    request_body: Option<ByteSize>,
    outgoing_requests: Option<u32>,
    concurrency: Option<NonZeroU32>,
    log_output: Option<ByteSize>,
}

impl LimitsSection {
    fn decide(self, set: &mut Choices) -> anyhow::Result<Limits> {
        let most = Limits::maxima();
        let maxima = Limits {
            memory: set.of_file("limits.memory", self.memory, most.memory),
            cpu: set.time("limits.cpu", None, self.cpu, most.cpu)?,
            deadline: set.time("limits.deadline", None, self.deadline, most.deadline)?,
            request_body: set.of_file("limits.request_body", self.request_body, most.request_body),
            outgoing_requests: set.of_file(
                "limits.outgoing_requests",
                self.outgoing_requests,
                most.outgoing_requests,
            ),
            concurrency: set.of_file("limits.concurrency", self.concurrency, most.concurrency),
            log_output: set.of_file("limits.log_output", self.log_output, most.log_output),
        };
        let remedy = format!("write at most \"{MAX_MEMORY}\", all that 32 bits address");
        set.require("limits.memory", maxima.memory <= MAX_MEMORY, &remedy)?;
        Ok(maxima)
    }
}

/// `[host]`: what all functions share.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HostSection {
    workers: Option<NonZeroUsize>,
    blocking_threads: Option<NonZeroUsize>,
    instances: Option<NonZeroU32>,
    max_invocations: Option<NonZeroU32>,
    max_exclusive: Option<NonZeroU32>,
    max_waiting: Option<u32>,
    max_wait: Option<TimeLimit>,
    drain_timeout: Option<TimeLimit>,
    kept_versions: Option<NonZeroU32>,
    max_outgoing_connections: Option<NonZeroU32>,
    unload_after: Option<TimeLimit>,
}

impl HostSection {
    fn instances(&self, maxima: &Limits, detail: &Detail, set: &mut Choices) -> EngineConfig {
        let default = EngineConfig::default();
        let asked = self.instances.map(NonZeroU32::get);
        EngineConfig {
            max_instances: set.of_file("host.instances", asked, default.max_instances),
            // Less would save nothing, and the engine could not load a guest
            // that is to be told that it needs too much.
            max_memory: maxima.memory.as_bytes().max(default.max_memory),
            backtraces: match detail {
                Detail::Brief => Backtraces::Names,
                Detail::Development(_) => Backtraces::Lines,
            },
        }
    }

    /// Outgoing connections: they are open files, as the incoming ones are.
    fn outgoing(&self, open_files: u64, set: &mut Choices) -> anyhow::Result<usize> {
        let quarter = usize::try_from(open_files / 4).unwrap_or(usize::MAX);
        let key = "host.max_outgoing_connections";
        let most = set.of_flag_or_file(
            key,
            None,
            self.max_outgoing_connections.map(|it| size(it.get())),
            (
                quarter.clamp(1, MAX_OUTGOING),
                "default: a quarter of the open-file limit, 16,384 at most",
            ),
        );
        let half = usize::try_from(open_files / 2).unwrap_or(usize::MAX);
        let remedy = format!("write at most {half}, half of the open-file limit, or raise that");
        set.require(key, most <= half.max(1), &remedy)?;
        Ok(most)
    }

    fn lanes(
        &self,
        args: &ServeArgs,
        engine: &EngineConfig,
        set: &mut Choices,
    ) -> anyhow::Result<LanesConfig> {
        let default = LanesConfig::default();
        let per_core = "default: one per core";
        let workers = set.of_flag_or_file(
            "host.workers",
            args.workers.map(usize::from),
            self.workers.map(usize::from),
            (default.workers, per_core),
        );
        let blocking_threads = set.of_flag_or_file(
            "host.blocking_threads",
            args.blocking_threads.map(usize::from),
            self.blocking_threads.map(usize::from),
            (default.blocking_threads, per_core),
        );
        for (key, threads) in [
            ("host.workers", workers),
            ("host.blocking_threads", blocking_threads),
        ] {
            let remedy = format!("write at most {MAX_THREADS}");
            set.require(key, threads <= MAX_THREADS, &remedy)?;
        }
        let instances = size(engine.max_instances);
        let max_exclusive = set.of_flag_or_file(
            "host.max_exclusive",
            None,
            self.max_exclusive.map(|number| size(number.get())),
            // The others are for shared instances.
            (
                (instances / 4 * 3).max(1),
                "default: three quarters of `host.instances`",
            ),
        );
        let remedy = format!(
            "lower it or raise `host.instances`, which is {instances} and bounds both these and \
             the shared ones"
        );
        set.require("host.max_exclusive", max_exclusive <= instances, &remedy)?;
        let max_wait = TimeLimit::of(default.max_wait);
        Ok(LanesConfig {
            workers,
            blocking_threads,
            max_invocations: set.of_file(
                "host.max_invocations",
                self.max_invocations.map(|number| size(number.get())),
                default.max_invocations,
            ),
            max_exclusive,
            max_waiting: set.of_file(
                "host.max_waiting",
                self.max_waiting.map(size),
                default.max_waiting,
            ),
            max_wait: set
                .time("host.max_wait", None, self.max_wait, max_wait)?
                .as_duration(),
        })
    }
}

/// `[gateway]`: connections.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GatewaySection {
    max_connections: Option<NonZeroU32>,
    header_timeout: Option<TimeLimit>,
    idle_timeout: Option<TimeLimit>,
    write_timeout: Option<TimeLimit>,
}

impl GatewaySection {
    fn decide(
        self,
        detail: &Detail,
        (open_files, max_outgoing): (u64, usize),
        set: &mut Choices,
    ) -> anyhow::Result<GatewayConfig> {
        let default = GatewayConfig::default();
        let asked = self.max_connections.map(|number| size(number.get()));
        let key = "gateway.max_connections";
        let max_connections = set.connections(key, asked, open_files, max_outgoing);
        let mut time = |key, asked, default| {
            let time = set.time(key, None, asked, TimeLimit::of(default))?;
            anyhow::Ok(time.as_duration())
        };
        Ok(GatewayConfig {
            max_connections,
            header_timeout: time(
                "gateway.header_timeout",
                self.header_timeout,
                default.header_timeout,
            )?,
            idle_timeout: time(
                "gateway.idle_timeout",
                self.idle_timeout,
                default.idle_timeout,
            )?,
            write_timeout: time(
                "gateway.write_timeout",
                self.write_timeout,
                default.write_timeout,
            )?,
            detail: detail.clone(),
        })
    }
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
