//! All functions that are deployed: host and mount to a function, then method
//! and path to a route. Built anew on each change and swapped in one step;
//! requests read it without a lock.

use super::deployed::Found;
use super::in_service::{InService, Ready};
use crate::names::FunctionName;
use crate::registry::{Deployment, Manifest};
use crate::telemetry::Metrics;
use arc_swap::ArcSwap;
use http::Uri;
use rustc_hash::FxHashMap;
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
///
/// Callers ask these maps, operators fill them: none can be filled with keys
/// that collide, so that a quick hash will do.
#[derive(Clone, Debug, Default)]
struct Mounts {
    by_path: FxHashMap<String, Arc<InService>>,
    /// Segments of the longest mount: no longer prefix need be tried.
    depth: usize,
}

#[derive(Clone, Debug, Default)]
struct Snapshot {
    functions: FxHashMap<FunctionName, Arc<InService>>,
    any_host: Mounts,
    by_host: FxHashMap<String, Mounts>,
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

    /// Finds what answers a request. Where versions share the traffic,
    /// equal keys lead to equal versions.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn resolve<'k>(
        &self,
        host: Option<&str>,
        method: &str,
        uri: &Uri,
        key: impl FnOnce() -> Option<&'k [u8]>,
    ) -> Result<Found, RouteError> {
        let snapshot = self.current.load();
        let (mount_len, function) = snapshot.find(host, uri.path())?;
        function.pick(key).find(method, uri, mount_len)
    }

    /// Finds the function that a request is for, and the length of its mount.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn function_at(
        &self,
        host: Option<&str>,
        uri: &Uri,
    ) -> Result<(usize, Arc<InService>), RouteError> {
        let snapshot = self.current.load();
        let (mount_len, function) = snapshot.find(host, uri.path())?;
        Ok((mount_len, function.clone()))
    }

    /// Whether a function with this manifest may stand beside the others.
    ///
    /// # Errors
    ///
    /// When another function has its address.
    pub fn check(&self, manifest: &Manifest) -> Result<(), MountConflict> {
        self.current.load().check(manifest)
    }

    /// Puts a deployment into force, in one step: `versions` are all that it
    /// names. Requests that were routed before stay with the version they got.
    /// Returns what was in force.
    ///
    /// # Errors
    ///
    /// When another function has its address; then nothing has changed.
    pub fn insert(
        &self,
        deployment: Deployment,
        versions: Vec<Ready>,
    ) -> Result<Option<Arc<InService>>, MountConflict> {
        self.change(|next| next.insert(deployment, versions, &self.metrics))
    }

    /// The same for many functions, none of which is in service: much quicker
    /// than one by one.
    pub fn insert_all(
        &self,
        all: impl IntoIterator<Item = (Deployment, Vec<Ready>)>,
    ) -> Vec<Result<(), MountConflict>> {
        let inserted = self.change(|next| {
            let each = all.into_iter().map(|(deployment, versions)| {
                next.insert(deployment, versions, &self.metrics).map(drop)
            });
            Ok::<_, MountConflict>(each.collect())
        });
        inserted.unwrap_or_default()
    }

    /// Takes a function out of the table; returns what was in force.
    pub fn remove(&self, function: &FunctionName) -> Option<Arc<InService>> {
        let removed = self.change(|next| Ok::<_, MountConflict>(next.remove(function)));
        removed.unwrap_or_default()
    }

    /// Changes a copy and swaps it in, unless the change fails.
    fn change<T, E>(&self, change: impl FnOnce(&mut Snapshot) -> Result<T, E>) -> Result<T, E> {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Snapshot::clone(&self.current.load());
        let changed = change(&mut next)?;
        self.current.store(Arc::new(next));
        Ok(changed)
    }

    /// A function in service, by its name.
    pub fn get(&self, function: &FunctionName) -> Option<Arc<InService>> {
        let snapshot = self.current.load();
        snapshot.functions.get(function).cloned()
    }

    /// The functions in service, by name.
    pub fn functions(&self) -> Vec<Arc<InService>> {
        let mut all: Vec<_> = self.current.load().functions.values().cloned().collect();
        all.sort_by(|a, b| a.function().cmp(b.function()));
        all
    }
}

impl Snapshot {
    fn find(&self, host: Option<&str>, path: &str) -> Result<(usize, &Arc<InService>), RouteError> {
        let own_host = || {
            let name = host_name(host?);
            self.by_host.get(name).or_else(|| {
                name.bytes()
                    .any(|byte| byte.is_ascii_uppercase())
                    .then(|| self.by_host.get(&name.to_ascii_lowercase()))?
            })
        };
        let found = if self.by_host.is_empty() {
            None
        } else {
            own_host()
        };
        found
            .and_then(|mounts| mounts.find(path))
            .or_else(|| self.any_host.find(path))
            .ok_or(RouteError::UnknownFunction)
    }

    fn check(&self, manifest: &Manifest) -> Result<(), MountConflict> {
        let mounts = match &manifest.host {
            None => Some(&self.any_host),
            Some(host) => self.by_host.get(host.as_str()),
        };
        let path = mount_key(manifest);
        match mounts.and_then(|mounts| mounts.by_path.get(path)) {
            Some(entry) if *entry.function() != manifest.name => Err(MountConflict {
                newcomer: manifest.name.clone(),
                holder: entry.function().clone(),
                address: format!(
                    "{}{}",
                    manifest.host.as_ref().map_or("", |host| host.as_str()),
                    manifest.mount
                ),
            }),
            _ => Ok(()),
        }
    }

    fn insert(
        &mut self,
        deployment: Deployment,
        versions: Vec<Ready>,
        metrics: &Metrics,
    ) -> Result<Option<Arc<InService>>, MountConflict> {
        let metrics = metrics.of(&deployment.function);
        let previous = self.functions.get(&deployment.function).cloned();
        let new = Arc::new(InService::new(
            deployment,
            versions,
            previous.as_deref(),
            metrics,
        ));
        let manifest = new.manifest();
        self.check(manifest)?;
        self.remove(new.function());
        let mounts = match &manifest.host {
            None => &mut self.any_host,
            Some(host) => self.by_host.entry(host.as_str().to_owned()).or_default(),
        };
        let path = mount_key(manifest).to_owned();
        mounts.depth = mounts.depth.max(path.matches('/').count());
        mounts.by_path.insert(path, new.clone());
        self.functions.insert(new.function().clone(), new);
        Ok(previous)
    }

    fn remove(&mut self, function: &FunctionName) -> Option<Arc<InService>> {
        let removed = self.functions.remove(function)?;
        let manifest = removed.manifest();
        let path = mount_key(manifest);
        match &manifest.host {
            None => {
                self.any_host.by_path.remove(path);
            }
            Some(host) => {
                let mounts = self.by_host.get_mut(host.as_str());
                let mounts = mounts.expect("a function stands where its manifest says");
                mounts.by_path.remove(path);
                if mounts.by_path.is_empty() {
                    self.by_host.remove(host.as_str());
                }
            }
        }
        Some(removed)
    }
}

impl Mounts {
    /// The function with the longest mount that `path` is at or below.
    fn find(&self, path: &str) -> Option<(usize, &Arc<InService>)> {
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
    use crate::routing::testing;

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
        let before = table.get(&manifest.name);
        let number = before.map_or(1, |it| it.main().version.id.number() + 1);
        let deployment = testing::deployment(&manifest, &format!("{number}=100"));
        let versions = vec![testing::ready(&manifest, number)];
        table.insert(deployment, versions).map(drop)
    }

    fn resolve(table: &Table, host: &str, uri: &str) -> Option<(String, String, String)> {
        let uri: Uri = uri.parse().unwrap();
        let found = table.resolve(Some(host), "GET", &uri, || None).ok()?;
        let Found::Route(route) = found else {
            return None;
        };
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
        assert_eq!(table.functions().len(), 2);
        assert!(table.remove(&"shop".parse().unwrap()).is_some());
        assert_eq!(resolve(&table, "x", "/new"), None);
    }

    #[test]
    fn functions_come_back_all_at_once_and_conflicts_take_nobody_else_down() {
        let table = Table::default();
        let each =
            [("shop", "/shop"), ("thief", "/shop"), ("blog", "/blog")].map(|(name, mount)| {
                let mut manifest = Manifest::named(name.parse().unwrap());
                manifest.mount = mount.parse().unwrap();
                let deployment = testing::deployment(&manifest, "1=100");
                (deployment, vec![testing::ready(&manifest, 1)])
            });
        let inserted = table.insert_all(each);
        let fine: Vec<_> = inserted.iter().map(Result::is_ok).collect();
        assert_eq!(fine, [true, false, true]);
        assert_eq!(resolve(&table, "x", "/blog"), answer("blog", "/blog", ""));
        assert_eq!(resolve(&table, "x", "/shop"), answer("shop", "/shop", ""));
    }
}
