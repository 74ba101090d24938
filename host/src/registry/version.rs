//! An immutable build of a function.

use super::{Description, Digest, Interface, Isolation, Lane, Limits, Manifest};
use crate::names::VersionId;

/// A component with its configuration, as it was deployed.
#[derive(Clone, Debug)]
pub struct Version {
    /// Which one.
    pub id: VersionId,
    /// Its component.
    pub component: Digest,
    /// Its configuration, as it was written.
    pub manifest: Manifest,
    /// What is in force: the manifest's limits, as far as this host allows. A
    /// host with other maxima decides anew.
    pub limits: Limits,
    /// What its component said about itself.
    pub description: Description,
    /// When it was deployed, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
}

impl Version {
    /// What its author should know: which limits are less than asked for.
    pub fn warnings(&self) -> Vec<String> {
        let limits = self.limits.explained(&self.manifest.limits);
        let refused = limits.iter().filter(|(_, limit)| limit.is_refused());
        refused
            .map(|(key, limit)| format!("`limits.{key}`: {}", limit.why()))
            .collect()
    }

    /// Who shares an instance among the invocations that start on `lane`.
    ///
    /// The manifest decides; else a component that waits is shared, one that
    /// computes is not, and one of `wasi:http` 0.2, whose guests are written for
    /// a single request, is used once. On the blocking lane nothing is shared:
    /// there an instance is busy for as long as its invocation.
    pub fn isolation(&self, lane: Lane) -> Isolation {
        let default = match (self.description.interface, lane) {
            (Interface::WasiHttp02, _) => Isolation::Fresh,
            (_, Lane::Async) => Isolation::Shared,
            (_, Lane::Blocking) => Isolation::Serial,
        };
        match (
            self.manifest.isolation.unwrap_or(default),
            lane,
            self.description.interface,
        ) {
            (Isolation::Shared, Lane::Blocking, _)
            | (Isolation::Shared, _, Interface::WasiHttp02) => Isolation::Serial,
            (isolation, ..) => isolation,
        }
    }
}
