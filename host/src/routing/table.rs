//! All functions that are deployed: host and mount to a function, then method
//! and path to a route. Built anew on each change and swapped in one step;
//! requests read it without a lock.

use super::function::{FunctionRoutes, Matched};
use super::habit::{Now, Quarantine};
use super::lane_hint::LaneHint;
use crate::names::FunctionName;
use crate::registry::{Isolation, Lane, Manifest, OnDisconnect, RouteSpec, Version};
use crate::telemetry::{FunctionMetrics, Metrics};
use arc_swap::ArcSwap;
use http::Uri;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;

/// A route by its position in the version's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteId(pub u32);

/// A version that gets traffic.
#[derive(Debug)]
pub struct Deployed {
    /// Which one.
    pub version: Arc<Version>,
    routes: FunctionRoutes,
    learned: Vec<Learned>,
    /// Invocations of the function, whatever the version.
    running: Arc<AtomicUsize>,
    metrics: FunctionMetrics,
}

/// What a route's invocations taught about it, until its version is replaced or
/// the host stops.
#[derive(Debug)]
struct Learned {
    lane: LaneHint,
    quarantine: Quarantine,
}

impl Deployed {
    fn new(
        version: Arc<Version>,
        routes: FunctionRoutes,
        previous: Option<&Self>,
        metrics: FunctionMetrics,
    ) -> Self {
        let routes_of = version.description.routes.iter();
        let learned = routes_of.map(|route| Learned {
            lane: LaneHint::new(route.lane),
            quarantine: Quarantine::default(),
        });
        let running = previous
            .map(|previous| previous.running.clone())
            .unwrap_or_default();
        Self {
            learned: learned.collect(),
            version,
            routes,
            running,
            metrics,
        }
    }

    /// The most CPU time that an invocation of a route used, if the route was
    /// declared async and turned out to belong on the blocking lane.
    pub fn learned(&self, id: RouteId) -> Option<Duration> {
        self.learned[id.0 as usize].lane.learned()
    }

    /// Whether the route keeps crashing and is kept apart for that.
    pub fn is_quarantined(&self, id: RouteId) -> bool {
        self.learned[id.0 as usize]
            .quarantine
            .is_in_force(Now::read())
    }

    /// Invocations of the function at once.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }
}

/// Where one request goes.
#[derive(Clone, Debug)]
pub struct Route {
    deployed: Arc<Deployed>,
    id: RouteId,
    lane: Lane,
    isolation: Isolation,
    mount_len: usize,
}

impl Route {
    /// The version that answers.
    pub fn version(&self) -> &Arc<Version> {
        &self.deployed.version
    }

    /// The function that answers.
    pub fn function(&self) -> &FunctionName {
        self.version().id.function()
    }

    /// Method and path template, for people.
    pub fn spec(&self) -> &RouteSpec {
        &self.version().description.routes[self.id.0 as usize]
    }

    /// Counts the function's invocations at once.
    pub fn running(&self) -> &Arc<AtomicUsize> {
        &self.deployed.running
    }

    /// How many of them the function may have.
    pub fn max_running(&self) -> usize {
        let limit = self.version().limits.concurrency.get();
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    /// Notes that an invocation had to be moved to the blocking lane; true when
    /// from now on the route starts there.
    pub fn promoted(&self) -> bool {
        self.deployed.metrics.promotions.inc();
        self.learned().lane.promoted()
    }

    /// Notes that an invocation took its instance down. When that makes it a
    /// habit, the route's requests get instances of their own from now on: for
    /// how long is returned.
    pub fn crashed(&self) -> Option<Duration> {
        let begins = self.learned().quarantine.crashed(Now::read());
        begins.then_some(Quarantine::LENGTH)
    }

    /// The function's meters.
    pub fn metrics(&self) -> &FunctionMetrics {
        &self.deployed.metrics
    }

    /// Notes the CPU time of an invocation that computed.
    pub fn used(&self, cpu: Duration) {
        self.learned().lane.used(cpu);
    }

    fn learned(&self) -> &Learned {
        &self.deployed.learned[self.id.0 as usize]
    }

    /// Which of its routes.
    pub fn id(&self) -> RouteId {
        self.id
    }

    /// Whether an invocation goes on when its caller goes away.
    pub fn finishes(&self) -> bool {
        self.version().manifest.on_disconnect == OnDisconnect::Finish
    }

    /// The lane on which the invocation starts.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Who shares the instance.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// The same route in an instance that no other invocation shares.
    pub fn alone(&self) -> Self {
        Self {
            isolation: Isolation::Serial,
            ..self.clone()
        }
    }

    /// Whether many invocations share the instance.
    pub fn is_shared(&self) -> bool {
        self.isolation == Isolation::Shared
    }

    /// The part of the path that names the function; empty at the root.
    pub fn prefix<'a>(&self, uri: &'a Uri) -> &'a str {
        uri.path().get(..self.mount_len).unwrap_or_default()
    }

    /// Path and query as the function sees them: below its mount.
    pub fn target<'a>(&self, uri: &'a Uri) -> &'a str {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        target.get(self.mount_len..).unwrap_or("/")
    }
}

/// Why a request leads nowhere: always the caller's doing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteError {
    /// No function has this host and path.
    #[error("no function answers at this address")]
    UnknownFunction,
    /// The function has no such path.
    #[error("the function `{0}` has no route for this path")]
    NoRoute(FunctionName),
    /// The function has the path, but not for this method.
    #[error("the function `{function}` answers this path for {allow} only")]
    MethodNotAllowed {
        /// Whose path it is.
        function: FunctionName,
        /// The methods, as `Allow` lists them.
        allow: String,
    },
}

/// Two functions want the same address.
#[derive(Debug, Error)]
#[error(
    "`{newcomer}` cannot answer at `{address}`, where `{holder}` answers: change `mount` or \
     `host` in one dunlin.toml"
)]
pub struct MountConflict {
    newcomer: FunctionName,
    holder: FunctionName,
    address: String,
}

/// The functions of one host name, or of all others, by mount.
#[derive(Clone, Debug, Default)]
struct Mounts {
    by_path: HashMap<String, Arc<Deployed>>,
    /// Segments of the longest mount: no longer prefix need be tried.
    depth: usize,
}

#[derive(Clone, Debug, Default)]
struct Snapshot {
    any_host: Mounts,
    by_host: HashMap<String, Mounts>,
}

/// The table of all functions.
#[derive(Debug, Default)]
pub struct Table {
    current: ArcSwap<Snapshot>,
    /// Serialises changes; readers never take it.
    change: Mutex<()>,
    metrics: Arc<Metrics>,
}

impl Table {
    /// A table without functions, which counts in `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            ..Self::default()
        }
    }

    /// Finds the route that a request is for.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn resolve(
        &self,
        host: Option<&str>,
        method: &str,
        uri: &Uri,
    ) -> Result<Route, RouteError> {
        let snapshot = self.current.load();
        let path = uri.path();
        let own_host = || {
            let name = host_name(host?);
            snapshot.by_host.get(name).or_else(|| {
                name.bytes()
                    .any(|byte| byte.is_ascii_uppercase())
                    .then(|| snapshot.by_host.get(&name.to_ascii_lowercase()))?
            })
        };
        let found = if snapshot.by_host.is_empty() {
            None
        } else {
            own_host()
        };
        let (mount_len, entry) = found
            .and_then(|mounts| mounts.find(path))
            .or_else(|| snapshot.any_host.find(path))
            .ok_or(RouteError::UnknownFunction)?;
        let below = match &path[mount_len..] {
            "" => "/",
            below => below,
        };
        let function = || entry.version.id.function().clone();
        match entry.routes.find(method, below) {
            Matched::Route(id) => {
                let learned = &entry.learned[id as usize];
                let lane = learned.lane.lane();
                let isolation = match entry.version.isolation(lane) {
                    Isolation::Shared if learned.quarantine.is_known() => {
                        learned.quarantine.isolation()
                    }
                    isolation => isolation,
                };
                Ok(Route {
                    isolation,
                    deployed: entry.clone(),
                    id: RouteId(id),
                    lane,
                    mount_len,
                })
            }
            Matched::OtherMethods(allow) => Err(RouteError::MethodNotAllowed {
                function: function(),
                allow,
            }),
            Matched::Nothing => Err(RouteError::NoRoute(function())),
        }
    }

    /// Whether a function with this manifest may stand beside the others.
    ///
    /// # Errors
    ///
    /// When another function has its address.
    pub fn check(&self, manifest: &Manifest) -> Result<(), MountConflict> {
        let snapshot = self.current.load();
        let mounts = match &manifest.host {
            None => Some(&snapshot.any_host),
            Some(host) => snapshot.by_host.get(host.as_str()),
        };
        let path = mount_key(manifest);
        match mounts.and_then(|mounts| mounts.by_path.get(path)) {
            Some(entry) if *entry.version.id.function() != manifest.name => Err(MountConflict {
                newcomer: manifest.name.clone(),
                holder: entry.version.id.function().clone(),
                address: format!(
                    "{}{}",
                    manifest.host.as_ref().map_or("", |host| host.as_str()),
                    manifest.mount
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Gives `version` all the traffic of its function, in one step. Requests
    /// that were routed before stay with the version they got.
    ///
    /// # Errors
    ///
    /// When another function has its address; then nothing has changed.
    pub fn insert(
        &self,
        version: Arc<Version>,
        routes: FunctionRoutes,
    ) -> Result<Option<Arc<Deployed>>, MountConflict> {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        self.check(&version.manifest)?;
        let mut next = Snapshot::clone(&self.current.load());
        let previous = next.remove(version.id.function());
        let mounts = match &version.manifest.host {
            None => &mut next.any_host,
            Some(host) => next.by_host.entry(host.as_str().to_owned()).or_default(),
        };
        let path = mount_key(&version.manifest).to_owned();
        mounts.depth = mounts.depth.max(path.matches('/').count());
        let metrics = self.metrics.of(version.id.function());
        let deployed = Deployed::new(version, routes, previous.as_deref(), metrics);
        mounts.by_path.insert(path, Arc::new(deployed));
        self.current.store(Arc::new(next));
        Ok(previous)
    }

    /// Takes a function out of the table; returns the version that it had.
    pub fn remove(&self, function: &FunctionName) -> Option<Arc<Deployed>> {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Snapshot::clone(&self.current.load());
        let removed = next.remove(function);
        self.current.store(Arc::new(next));
        removed
    }

    /// The version of each function that gets its traffic, by name.
    pub fn deployed(&self) -> Vec<Arc<Deployed>> {
        let snapshot = self.current.load();
        let mounts = std::iter::once(&snapshot.any_host).chain(snapshot.by_host.values());
        let mut deployed: Vec<_> = mounts
            .flat_map(|mounts| mounts.by_path.values())
            .cloned()
            .collect();
        deployed.sort_by(|a, b| a.version.id.cmp(&b.version.id));
        deployed
    }
}

impl Snapshot {
    fn remove(&mut self, function: &FunctionName) -> Option<Arc<Deployed>> {
        let mut removed = None;
        for mounts in std::iter::once(&mut self.any_host).chain(self.by_host.values_mut()) {
            mounts.by_path.retain(|_, entry| {
                let keep = entry.version.id.function() != function;
                if !keep {
                    removed = Some(entry.clone());
                }
                keep
            });
        }
        self.by_host.retain(|_, mounts| !mounts.by_path.is_empty());
        removed
    }
}

impl Mounts {
    /// The function with the longest mount that `path` is at or below.
    fn find(&self, path: &str) -> Option<(usize, &Arc<Deployed>)> {
        let ends = path
            .match_indices('/')
            .map(|(at, _)| at)
            .skip(1)
            .chain([path.len()]);
        let mut found = self.by_path.get("").map(|entry| (0, entry));
        for end in ends.take(self.depth) {
            if let Some(entry) = self.by_path.get(&path[..end]) {
                found = Some((end, entry));
            }
        }
        found
    }
}

/// The mount as it is found in a path: the root is what precedes the first `/`.
fn mount_key(manifest: &Manifest) -> &str {
    if manifest.mount.is_root() {
        ""
    } else {
        manifest.mount.as_str()
    }
}

/// A `Host` header or authority without its port.
fn host_name(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => &host[..colon],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::VersionId;
    use crate::registry::{Description, Digest, Interface};

    fn insert(
        table: &Table,
        name: &str,
        mount: Option<&str>,
        host: Option<&str>,
    ) -> Result<(), MountConflict> {
        let mut manifest = Manifest::named(name.parse().unwrap());
        if let Some(mount) = mount {
            manifest.mount = mount.parse().unwrap();
        }
        manifest.host = host.map(|host| host.parse().unwrap());
        let description = Description::of_standard(Interface::WasiHttp03);
        let routes = FunctionRoutes::new(&description).unwrap();
        let version = Version {
            id: VersionId::new(manifest.name.clone(), 1),
            component: Digest::of(b""),
            limits: manifest.limits.clone(),
            manifest,
            description,
            created_at_ms: 0,
        };
        table.insert(Arc::new(version), routes).map(drop)
    }

    fn resolve(table: &Table, host: &str, uri: &str) -> Option<(String, String, String)> {
        let uri: Uri = uri.parse().unwrap();
        let route = table.resolve(Some(host), "GET", &uri).ok()?;
        Some((
            route.version().id.function().to_string(),
            route.prefix(&uri).to_owned(),
            route.target(&uri).to_owned(),
        ))
    }

    fn answer(function: &str, prefix: &str, target: &str) -> Option<(String, String, String)> {
        Some((function.to_owned(), prefix.to_owned(), target.to_owned()))
    }

    #[test]
    fn the_longest_mount_wins() {
        let table = Table::default();
        insert(&table, "shop", None, None).unwrap();
        insert(&table, "admin", Some("/shop/admin"), None).unwrap();
        assert_eq!(
            resolve(&table, "x", "/shop/cart?a=1"),
            answer("shop", "/shop", "/cart?a=1")
        );
        assert_eq!(
            resolve(&table, "x", "/shop/admin/users"),
            answer("admin", "/shop/admin", "/users")
        );
        assert_eq!(
            resolve(&table, "x", "/shop/administrator"),
            answer("shop", "/shop", "/administrator")
        );
        assert_eq!(resolve(&table, "x", "/shop"), answer("shop", "/shop", ""));
        assert_eq!(resolve(&table, "x", "/shopping"), None);
        insert(&table, "site", Some("/"), None).unwrap();
        assert_eq!(
            resolve(&table, "x", "/shopping"),
            answer("site", "", "/shopping")
        );
    }

    #[test]
    fn a_functions_own_host_comes_first() {
        let table = Table::default();
        insert(&table, "site", Some("/"), None).unwrap();
        insert(&table, "api", Some("/"), Some("api.example.com")).unwrap();
        for host in ["api.example.com", "API.example.com:8080"] {
            assert_eq!(resolve(&table, host, "/a"), answer("api", "", "/a"));
        }
        assert_eq!(
            resolve(&table, "example.com", "/a"),
            answer("site", "", "/a")
        );
        assert_eq!(resolve(&table, "[::1]:80", "/a"), answer("site", "", "/a"));
    }

    #[test]
    fn an_address_has_one_function() {
        let table = Table::default();
        insert(&table, "shop", None, None).unwrap();
        let error = insert(&table, "thief", Some("/shop"), None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("thief") && error.contains("shop") && error.contains("mount"),
            "{error}"
        );
        insert(&table, "shop", Some("/new"), None).unwrap();
        insert(&table, "thief", Some("/shop"), None).unwrap();
        assert_eq!(table.deployed().len(), 2);
        assert!(table.remove(&"shop".parse().unwrap()).is_some());
        assert_eq!(resolve(&table, "x", "/new"), None);
    }
}
