//! The lines that functions write, kept for `dunlin logs`.
//!
//! Each function has a ring of its latest lines; followers also get new ones
//! as they come. The same lines go to the process's log.

use crate::names::{FunctionName, VersionId};
use crate::telemetry::RequestId;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::broadcast;

/// Lines kept of each function.
const RING_LINES: usize = 1_000;

/// Lines a slow follower may lag behind before it loses some.
const FOLLOW_LAG: usize = 4_096;

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The guest's standard output.
    Stdout,
    /// The guest's standard error.
    Stderr,
    /// The host, about an invocation of the function.
    Host,
}

/// One line of a function's log.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LogLine {
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The version that wrote it.
    pub function: FunctionName,
    /// Its number.
    pub version: u32,
    /// The request it belongs to; absent when the guest wrote outside of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Who wrote it.
    pub source: Source,
    /// The text, without its line end.
    pub message: String,
}

/// The latest log lines of all functions.
#[derive(Debug)]
pub struct Logs {
    rings: Mutex<HashMap<FunctionName, VecDeque<LogLine>>>,
    followers: broadcast::Sender<LogLine>,
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            rings: Mutex::default(),
            followers: broadcast::channel(FOLLOW_LAG).0,
        }
    }
}

impl Logs {
    /// Records one line, here and in the process's log.
    pub fn write(
        &self,
        version: &VersionId,
        request_id: Option<&RequestId>,
        source: Source,
        message: String,
    ) {
        let id = request_id.map_or("-", RequestId::as_str);
        match source {
            Source::Stdout => {
                tracing::info!(target: "dunlin", %version, request_id = id, "{message}")
            }
            Source::Stderr | Source::Host => {
                tracing::warn!(target: "dunlin", %version, request_id = id, "{message}");
            }
        }
        let line = LogLine {
            time_ms: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| {
                    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
                }),
            function: version.function().clone(),
            version: version.number(),
            request_id: request_id.map(ToString::to_string),
            source,
            message,
        };
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = rings.entry(version.function().clone()).or_default();
        if ring.len() == RING_LINES {
            ring.pop_front();
        }
        ring.push_back(line.clone());
        // Fails only when nobody follows.
        let _ = self.followers.send(line);
    }

    /// The last `tail` lines of a function, and a receiver of those that follow.
    pub fn read(
        &self,
        function: &FunctionName,
        tail: usize,
    ) -> (Vec<LogLine>, broadcast::Receiver<LogLine>) {
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = rings.get(function).map_or_else(Vec::new, |ring| {
            ring.iter()
                .skip(ring.len().saturating_sub(tail))
                .cloned()
                .collect()
        });
        (lines, self.followers.subscribe())
    }

    /// Forgets a function that no longer exists.
    pub fn forget(&self, function: &FunctionName) {
        self.rings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(function);
    }
}
