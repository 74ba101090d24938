//! The host's settings: from flags, from the file of `--config`, or by default.
//! Decided and checked once, before anything starts.
//!
//! The file is only ever the one that was named. One that lay in the data
//! directory would go along with a copy of it, and change what another host
//! allows without a word.

use std::fs;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::args::ServeArgs;
use crate::admin::Setting;
use crate::gateway::{Detail, GatewayConfig};
use crate::registry::{TimeLimit, from_toml};
use crate::runtime::EngineConfig;
use crate::scheduling::LanesConfig;

/// Files that the host needs besides one for each connection.
const RESERVED_FILES: u64 = 512;

/// Connections that are taken however low the limit of open files is.
const MIN_CONNECTIONS: usize = 64;

/// Longest time that may be set: far from where clocks overflow.
const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Longest that running invocations may take to finish when the host stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// What a host runs with.
#[derive(Debug)]
pub(super) struct HostConfig {
    pub(super) lanes: LanesConfig,
    pub(super) engine: EngineConfig,
    pub(super) gateway: GatewayConfig,
    pub(super) drain_timeout: Duration,
    /// All of the above as people write it, each with where it comes from.
    pub(super) settings: Vec<Setting>,
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConfigFile {
    host: HostSection,
    gateway: GatewaySection,
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

impl HostConfig {
    /// Decides every setting. `open_files` is how many the host may have.
    ///
    /// # Errors
    /// When the file cannot be read or holds what is no setting, or settings
    /// contradict each other.
    pub(super) fn load(args: &ServeArgs, detail: Detail, open_files: u64) -> anyhow::Result<Self> {
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
        detail: Detail,
        open_files: u64,
    ) -> anyhow::Result<Self> {
        let path = args.config.clone().unwrap_or_default();
        let ConfigFile { host, gateway } = from_toml(text, &path)?;
        let mut set = Choices::new(path);

        let lanes = LanesConfig::default();
        let engine = EngineConfig::default();
        let per_core = "default: one per core";
        let workers = set.flagged(
            "host.workers",
            args.workers.map(usize::from),
            host.workers.map(usize::from),
            (lanes.workers, per_core),
        );
        let blocking_threads = set.flagged(
            "host.blocking_threads",
            args.blocking_threads.map(usize::from),
            host.blocking_threads.map(usize::from),
            (lanes.blocking_threads, per_core),
        );
        let max_instances = set.plain(
            "host.instances",
            host.instances.map(u32::from),
            engine.max_instances,
        );
        let max_invocations = set.plain(
            "host.max_invocations",
            host.max_invocations.map(size),
            lanes.max_invocations,
        );
        let max_exclusive = set.flagged(
            "host.max_exclusive",
            None,
            host.max_exclusive.map(u32::from),
            (
                (max_instances / 4 * 3).max(1),
                "default: three quarters of `host.instances`",
            ),
        );
        set.require(max_exclusive <= max_instances, || {
            format!(
                "`host.max_exclusive` is {max_exclusive}, more than `host.instances`, \
                 {max_instances}: lower the one or raise the other"
            )
        })?;
        let lanes = LanesConfig {
            workers,
            blocking_threads,
            max_invocations,
            max_exclusive: usize::try_from(max_exclusive).unwrap_or(usize::MAX),
            max_waiting: set.plain(
                "host.max_waiting",
                host.max_waiting
                    .map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
                lanes.max_waiting,
            ),
            max_wait: set.time("host.max_wait", None, host.max_wait, lanes.max_wait)?,
        };
        let drain_timeout = set.time(
            "host.drain_timeout",
            args.drain_timeout,
            host.drain_timeout,
            DRAIN_TIMEOUT,
        )?;

        let timeouts = GatewayConfig::default();
        let gateway = GatewayConfig {
            max_connections: set.connections(gateway.max_connections.map(size), open_files),
            header_timeout: set.time(
                "gateway.header_timeout",
                None,
                gateway.header_timeout,
                timeouts.header_timeout,
            )?,
            idle_timeout: set.time(
                "gateway.idle_timeout",
                None,
                gateway.idle_timeout,
                timeouts.idle_timeout,
            )?,
            write_timeout: set.time(
                "gateway.write_timeout",
                None,
                gateway.write_timeout,
                timeouts.write_timeout,
            )?,
            detail,
        };
        Ok(Self {
            lanes,
            engine: EngineConfig { max_instances },
            gateway,
            drain_timeout,
            settings: set.settings,
        })
    }
}

fn size(number: NonZeroU32) -> usize {
    usize::try_from(number.get()).unwrap_or(usize::MAX)
}

/// Chooses among flag, file and default, and keeps what was chosen and why.
struct Choices {
    path: PathBuf,
    settings: Vec<Setting>,
}

impl Choices {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            settings: Vec::new(),
        }
    }

    /// The file, for people.
    fn file(&self) -> String {
        format!("`{}`", self.path.display())
    }

    /// A setting of the file only.
    fn plain<T: Serialize>(&mut self, key: &'static str, file: Option<T>, default: T) -> T {
        self.flagged(key, None, file, (default, "default"))
    }

    /// A setting that also has a flag, of the key's name. The default comes
    /// with what it is.
    fn flagged<T: Serialize>(
        &mut self,
        key: &'static str,
        flag: Option<T>,
        file: Option<T>,
        (default, what): (T, &str),
    ) -> T {
        let (value, why) = match (flag, file) {
            (Some(value), _) => {
                let (_, name) = key.split_once('.').expect("keys are `table.name`");
                (value, format!("`--{}`", name.replace('_', "-")))
            }
            (None, Some(value)) => (value, self.file()),
            (None, None) => (default, what.to_owned()),
        };
        self.settings.push(Setting::new(key, &value, why));
        value
    }

    fn time(
        &mut self,
        key: &'static str,
        flag: Option<TimeLimit>,
        file: Option<TimeLimit>,
        default: Duration,
    ) -> anyhow::Result<Duration> {
        let time = self.flagged(key, flag, file, (TimeLimit::of(default), "default"));
        self.require(time.as_duration() <= MAX_TIME, || {
            format!("`{key}` is {time}: write at most \"365days\"")
        })?;
        Ok(time.as_duration())
    }

    /// As many as asked for, as far as the system lets the host open files.
    fn connections(&mut self, asked: Option<usize>, open_files: u64) -> usize {
        let room = usize::try_from(open_files.saturating_sub(RESERVED_FILES))
            .unwrap_or(usize::MAX)
            .clamp(MIN_CONNECTIONS, tokio::sync::Semaphore::MAX_PERMITS);
        let left = format!("the open-file limit, {open_files}, less {RESERVED_FILES}");
        let (value, why) = match asked {
            None => (room, format!("default: {left}")),
            Some(asked) if asked > room => {
                let file = self.file();
                (room, format!("{left}; {file} asks for {asked}"))
            }
            Some(asked) => (asked, self.file()),
        };
        self.settings
            .push(Setting::new("gateway.max_connections", &value, why));
        value
    }

    /// # Errors
    /// What is `wrong`, with the file, unless that `holds`.
    fn require(&self, holds: bool, wrong: impl FnOnce() -> String) -> anyhow::Result<()> {
        if holds {
            return Ok(());
        }
        let wrong = wrong();
        if self.path.as_os_str().is_empty() {
            bail!(wrong);
        }
        bail!("{}: {wrong}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::{Cli, Command};
    use super::*;

    /// What `dunlin serve` with these flags decides on this file.
    fn decide(flags: &str, text: &str) -> anyhow::Result<HostConfig> {
        let line = format!("dunlin serve --config host.toml {flags}");
        let Command::Serve(args) = Cli::try_parse_from(line.split_whitespace())?.command else {
            panic!("is `serve`");
        };
        HostConfig::decide(text, &args, Detail::Brief, 20_480)
    }

    #[track_caller]
    fn refused(text: &str, parts: &[&str]) {
        let error = decide("", text).expect_err(text).to_string();
        assert!(error.starts_with("host.toml:"), "{error}");
        for part in parts {
            assert!(error.contains(part), "no {part:?} in: {error}");
        }
    }

    /// Value and reason of a setting.
    fn shown(config: &HostConfig, key: &str) -> (String, String) {
        let settings = serde_json::to_value(&config.settings).unwrap();
        let all = settings.as_array().unwrap();
        let setting = all.iter().find(|it| it["key"] == key).unwrap();
        let value = &setting["value"];
        let value = value.as_str().map_or(value.to_string(), str::to_owned);
        (value, setting["why"].as_str().unwrap().to_owned())
    }

    #[test]
    fn an_empty_file_changes_nothing() {
        let config = decide("", "").unwrap();
        assert_eq!(config.lanes, LanesConfig::default());
        assert_eq!(config.engine, EngineConfig::default());
        assert_eq!(config.drain_timeout, Duration::from_secs(30));
        let timeouts = GatewayConfig::default();
        assert_eq!(config.gateway.header_timeout, timeouts.header_timeout);
        assert_eq!(config.gateway.idle_timeout, timeouts.idle_timeout);
        assert_eq!(config.gateway.write_timeout, timeouts.write_timeout);
        assert_eq!(config.gateway.max_connections, 20_480 - 512);
        let why = |key| shown(&config, key).1;
        assert_eq!(why("host.max_wait"), "default");
        assert_eq!(why("host.workers"), "default: one per core");
        assert_eq!(
            why("gateway.max_connections"),
            "default: the open-file limit, 20480, less 512"
        );
    }

    #[test]
    fn every_key_is_read_and_flags_win() {
        let text = "[host]\nworkers = 3\nblocking_threads = 4\ninstances = 50\n\
                    max_invocations = 20\nmax_exclusive = 10\nmax_waiting = 0\n\
                    max_wait = \"50ms\"\ndrain_timeout = \"1m\"\n\
                    [gateway]\nmax_connections = 100\nheader_timeout = \"1s\"\n\
                    idle_timeout = \"2s\"\nwrite_timeout = \"3s\"\n";
        let config = decide("--workers 2 --drain-timeout 5s", text).unwrap();
        let expected = LanesConfig {
            workers: 2,
            blocking_threads: 4,
            max_invocations: 20,
            max_exclusive: 10,
            max_waiting: 0,
            max_wait: Duration::from_millis(50),
        };
        assert_eq!(config.lanes, expected);
        assert_eq!(config.engine.max_instances, 50);
        assert_eq!(config.drain_timeout, Duration::from_secs(5));
        assert_eq!(config.gateway.max_connections, 100);
        assert_eq!(config.gateway.header_timeout, Duration::from_secs(1));
        assert_eq!(config.gateway.idle_timeout, Duration::from_secs(2));
        assert_eq!(config.gateway.write_timeout, Duration::from_secs(3));
        let shown = |key| shown(&config, key);
        let pair = |value: &str, why: &str| (value.to_owned(), why.to_owned());
        assert_eq!(shown("host.workers"), pair("2", "`--workers`"));
        assert_eq!(shown("host.drain_timeout"), pair("5s", "`--drain-timeout`"));
        assert_eq!(shown("host.max_wait"), pair("50ms", "`host.toml`"));
    }

    #[test]
    fn mistakes_name_file_key_and_remedy() {
        refused(
            "[host]\nmax_wiat = \"1s\"",
            &[
                ":2:1: ",
                "`host.max_wiat`",
                "unknown field",
                "`max_wait`",
                "^^^^",
            ],
        );
        refused("[gatway]", &[":1:2: ", "`gatway`", "`gateway`"]);
        refused("[host]\nmax_wait = 5", &["`host.max_wait`", "\"30s\""]);
        refused("[host]\ninstances = 0", &["`host.instances`", "nonzero"]);
        refused(
            "[host]\ninstances = 5000000000",
            &["`host.instances`", "5000000000"],
        );
        refused(
            "[gateway]\nheader_timeout = \"366days\"",
            &["`gateway.header_timeout`", "365days"],
        );
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        refused(
            "[host]\ninstances = 10\nmax_exclusive = 11",
            &[
                "`host.max_exclusive` is 11",
                "`host.instances`, 10",
                "raise",
            ],
        );
        // The default follows.
        for (instances, max_exclusive) in [(10, 6), (1, 1)] {
            let config = decide("", &format!("[host]\ninstances = {instances}")).unwrap();
            assert_eq!(config.lanes.max_exclusive, max_exclusive);
        }
    }

    #[test]
    fn connections_are_open_files() {
        let config = decide("", "[gateway]\nmax_connections = 1000000").unwrap();
        assert_eq!(config.gateway.max_connections, 20_480 - 512);
        let (value, why) = shown(&config, "gateway.max_connections");
        assert_eq!(value, "19968");
        assert!(why.contains("20480") && why.contains("1000000"), "{why}");
    }
}
