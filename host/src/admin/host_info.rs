//! What a host runs with and how it fares, for `dunlin doctor`.

use crate::registry::{ByteSize, Registry, RegistryError, Version};
use crate::runtime::Engine;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

/// Fewer open files than this are soon used up by connections.
const FEW_OPEN_FILES: u64 = 4_096;

/// Less free space than this is soon used up by uploads and machine code.
const LITTLE_SPACE: ByteSize = ByteSize::mib(1024);

/// One setting of the host, in force.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Setting {
    /// As it stands in the host's configuration.
    key: &'static str,
    /// As it is written there.
    value: Value,
    /// Where it comes from.
    why: String,
}

impl Setting {
    /// `key` as it stands in the host's configuration, its value as it is
    /// written there, and where it comes from.
    ///
    /// # Panics
    ///
    /// If the value is nothing that can be written.
    pub fn new(key: &'static str, value: &impl Serialize, why: String) -> Self {
        let value = serde_json::to_value(value).expect("settings are numbers and texts");
        Self { key, value, why }
    }

    /// The key, as it stands in the host's configuration.
    pub fn key(&self) -> &'static str {
        self.key
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, why } = self;
        let value = value.as_str().map_or(value.to_string(), str::to_owned);
        write!(f, "`{key}` is {value} ({why})")
    }
}

/// What the admin API knows of its host.
pub struct HostInfo {
    /// Where functions are served.
    pub public: Public,
    /// What it runs with.
    pub settings: Vec<Setting>,
    /// How many files it may open.
    pub open_files: u64,
    /// Threads of the lane that has more of them.
    pub threads: usize,
    /// What guests run in.
    pub engine: Arc<Engine>,
}

/// The public listener.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Public {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The address that was bound.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
}

/// How something is that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Works, but could be better.
    Warning,
    /// Does not work.
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it is.
    pub status: Status,
    /// What was seen.
    pub message: String,
    /// What to do, unless it is as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Check {
    /// As it should be.
    pub fn ok(name: &str, message: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            status: Status::Ok,
            message: message.into(),
            remedy: None,
        }
    }

    /// Not as it should be.
    pub fn bad(
        status: Status,
        name: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status,
            remedy: Some(remedy.into()),
            ..Self::ok(name, message)
        }
    }
}

impl HostInfo {
    /// Looks at the machine and the data directory, which may take a while.
    pub(super) fn checks(&self, registry: &Registry, deployed: &[Arc<Version>]) -> Vec<Check> {
        let engine = self.engine.fingerprint();
        vec![
            self.open_files(),
            self.threads(),
            self.slots(),
            data_directory(registry, &engine),
            machine_code(registry, &engine, deployed),
            secrets(registry),
        ]
    }

    fn open_files(&self) -> Check {
        let name = "open files";
        let seen = format!("{} at once; each connection is one", self.open_files);
        if self.open_files >= FEW_OPEN_FILES {
            return Check::ok(name, seen);
        }
        let remedy = "start the host with a higher hard limit: `ulimit -Hn 65536`, or \
                      `LimitNOFILE=65536` in its systemd unit";
        Check::bad(Status::Warning, name, seen, remedy)
    }

    fn threads(&self) -> Check {
        let name = "threads";
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let seen = format!("at most {} a lane, on {cores} cores", self.threads);
        if self.threads <= cores {
            return Check::ok(name, seen);
        }
        let remedy = "leave out `host.workers` and `host.blocking_threads`: threads beyond the \
                      cores only take turns";
        Check::bad(Status::Warning, name, seen, remedy)
    }

    fn slots(&self) -> Check {
        let name = "address space";
        if self.engine.is_pooling() {
            return Check::ok(name, "room for every instance is laid out");
        }
        Check::bad(
            Status::Warning,
            name,
            "too small to lay out room for every instance: each is allocated anew, which is \
             slower",
            "raise the limit (`ulimit -v unlimited`), or lower `host.instances`",
        )
    }
}

fn data_directory(registry: &Registry, engine: &str) -> Check {
    let name = "data directory";
    let look = || -> Result<_, RegistryError> {
        registry.check_writable()?;
        registry.usage(engine)
    };
    let usage = match look() {
        Ok(usage) => usage,
        Err(error) => {
            let cause = std::error::Error::source(&error)
                .map_or(String::new(), |source| format!(": {source}"));
            let remedy = "let the host's user write there, and see that the disk is well";
            return Check::bad(Status::Failed, name, format!("{error}{cause}"), remedy);
        }
    };
    let folder = registry.data_dir();
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
    let mut seen = format!(
        "{}: components {} MiB, machine code {} MiB, free {} MiB",
        folder.display(),
        mib(usage.components),
        mib(usage.compiled),
        mib(usage.free)
    );
    if usage.stale > 0 {
        seen.push_str(&format!(
            "; {} MiB in `compiled` are of the engine before this one ({engine}), for going back to it",
            mib(usage.stale)
        ));
    }
    if usage.free >= LITTLE_SPACE.as_bytes() {
        return Check::ok(name, seen);
    }
    let remedy = format!("free some space: deploying needs it, {LITTLE_SPACE} is plenty");
    Check::bad(Status::Warning, name, seen, remedy)
}

fn machine_code(registry: &Registry, engine: &str, deployed: &[Arc<Version>]) -> Check {
    let name = "machine code";
    let missing: Vec<_> = deployed
        .iter()
        .filter(|version| !registry.compiled(&version.component, engine).exists())
        .map(|version| version.id.to_string())
        .collect();
    if missing.is_empty() {
        return Check::ok(name, format!("there for all that is deployed ({engine})"));
    }
    Check::bad(
        Status::Warning,
        name,
        format!("missing for {}", missing.join(", ")),
        "send each a request: the first one waits until it is compiled",
    )
}

fn secrets(registry: &Registry) -> Check {
    let name = "secrets";
    let closed = match registry.closed_secrets() {
        Ok(closed) => closed,
        Err(error) => {
            let remedy =
                "let the host's user read its data directory, and see that the disk is well";
            return Check::bad(Status::Failed, name, error.to_string(), remedy);
        }
    };
    if closed.is_empty() {
        return Check::ok(name, "the host's key opens all that are stored");
    }
    let closed: Vec<_> = closed.iter().map(ToString::to_string).collect();
    let remedy = "nothing is lost: with the right key they open again";
    Check::bad(Status::Failed, name, closed.join("; "), remedy)
}
