//! All functions that are deployed: host and mount to a function, then method
//! and path to a route. Built anew on each change and swapped in one step;
//! requests read it without a lock.

use super::deployed::{Deployed, NotHere, Route};
use super::function::FunctionRoutes;
use crate::names::FunctionName;
use crate::registry::{Manifest, Version};
use crate::telemetry::Metrics;
use arc_swap::ArcSwap;
use http::Uri;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

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
        entry
            .find(method, below, mount_len)
            .map_err(|not_here| match not_here {
                NotHere::OtherMethods(allow) => RouteError::MethodNotAllowed {
                    function: function(),
                    allow,
                },
                NotHere::Nothing => RouteError::NoRoute(function()),
            })
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
