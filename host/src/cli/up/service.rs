//! What `up` serves, and what it tells of it: in the terminal, and to the pages
//! in browsers.

use super::super::build::Built;
use super::super::host::Host;
use super::super::output::{self, Output};
use super::functions::{self, Functions};
use crate::admin::Rollout;
use crate::gateway::{BuildFailed, Builds, FunctionBuild};
use crate::names::{FunctionName, VersionId};
use crate::registry::{Act, Actor, Digest, DocsPage, Manifest, Outcome, RouteKind};
use anyhow::Context as _;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A host that serves what is being worked on.
pub(super) struct Service<'o> {
    host: Host,
    output: &'o Output,
    builds: Arc<Builds>,
    /// What became of each function's newest code.
    newest: BTreeMap<FunctionName, FunctionBuild>,
    /// What each function was last deployed from: the same again is no change.
    deployed: HashMap<FunctionName, (Digest, Manifest)>,
    /// Folders that can't be read, as the terminal was told.
    broken: HashSet<String>,
    /// The compiler's warnings, as the terminal was told.
    warnings: HashMap<FunctionName, String>,
}

impl<'o> Service<'o> {
    pub(super) fn new(host: Host, builds: Arc<Builds>, output: &'o Output) -> Self {
        let deployed = host.versions().into_iter().map(|version| {
            let state = (version.component.clone(), version.manifest.clone());
            (version.id.function().clone(), state)
        });
        Self {
            deployed: deployed.collect(),
            host,
            output,
            builds,
            newest: BTreeMap::new(),
            broken: HashSet::new(),
            warnings: HashMap::new(),
        }
    }

    pub(super) fn output(&self) -> &'o Output {
        self.output
    }

    pub(super) fn into_host(self) -> Host {
        self.host
    }

    /// Tells of the functions that there are now, and of those that can't be
    /// read.
    pub(super) fn follow(&mut self, functions: &Functions) {
        let before = std::mem::take(&mut self.newest);
        for project in &functions.found {
            let mut now = functions::build_of(project);
            // What was told of it is true until it is built again.
            now.failed = before.get(&now.name).and_then(|it| it.failed.clone());
            self.newest.insert(now.name.clone(), now);
        }
        let mut said = HashSet::new();
        for broken in &functions.broken {
            if let Some(build) = broken.build() {
                self.newest.insert(build.name.clone(), build);
            }
            let error = broken.told();
            if !self.broken.contains(&error.to_string()) {
                self.output.error(&error);
            }
            said.insert(error.to_string());
        }
        self.broken = said;
        if self.newest != before {
            self.tell();
        }
    }

    /// Deploys what came out of a build, as far as it is new. A function that
    /// fails leaves its last good version in service.
    pub(super) async fn deploy(&mut self, built: &[Built<'_>]) {
        let mut quoted = HashSet::new();
        for one in built {
            let name = &one.project.name;
            self.warn(one);
            let failed = match self.bring(one).await {
                Ok(Served::Unchanged) => None,
                Ok(Served::New) => {
                    // The pages look again, whatever they show.
                    self.tell();
                    None
                }
                Err(failed) => Some(failed),
            };
            let Some(newest) = self.newest.get_mut(name) else {
                continue;
            };
            if let Some(failed) = &failed {
                if newest.failed.as_ref() != Some(failed) && quoted.insert(failed.message.clone()) {
                    self.output.note(failed.message.trim_end());
                }
                let served = match self.deployed.contains_key(name) {
                    true => "; the last good version serves on",
                    false => "",
                };
                self.output.error(&anyhow::anyhow!("{failed}{served}"));
            } else if newest.failed.is_some() {
                self.output.note(format_args!("`{name}` is well again"));
            }
            if newest.failed != failed {
                newest.failed = failed;
                self.tell();
            }
        }
    }

    /// Shows the compiler's warnings, unless they were shown.
    fn warn(&mut self, built: &Built<'_>) {
        let name = &built.project.name;
        if built.outcome.is_ok() && self.warnings.get(name) != Some(&built.warnings) {
            let text = built.warnings.trim_end();
            if !text.is_empty() {
                self.output.note(text);
            }
            self.warnings.insert(name.clone(), built.warnings.clone());
        }
    }

    /// Brings a function into service, if it was built and is new.
    async fn bring(&mut self, built: &Built<'_>) -> Result<Served, Arc<BuildFailed>> {
        let name = &built.project.name;
        let component = built.outcome.as_ref().map_err(|failure| {
            Arc::new(BuildFailed {
                summary: format!("`{name}` was not built: {failure}"),
                message: failure.diagnostics.clone(),
            })
        })?;
        self.deploy_one(component, &built.project.manifest)
            .await
            .map_err(|error| functions::failed(format!("`{name}` was not deployed"), &error))
    }

    async fn deploy_one(
        &mut self,
        component: &Path,
        manifest: &Manifest,
    ) -> anyhow::Result<Served> {
        let start = Instant::now();
        let bytes = tokio::fs::read(component)
            .await
            .with_context(|| format!("`{}` cannot be read", component.display()))?;
        let state = (Digest::of(&bytes), manifest.clone());
        if self.deployed.get(&manifest.name) == Some(&state) {
            return Ok(Served::Unchanged);
        }
        let _progress = self
            .output
            .progress(format_args!("deploying {}", manifest.name));
        let registry = self.host.registry.clone();
        let digest = tokio::task::spawn_blocking(move || registry.put_component(&bytes)).await??;
        let deployed = self
            .host
            .deployer
            .deploy(digest, manifest.clone(), Rollout::All)
            .await;
        let (target, outcome) = match &deployed {
            Ok(deployed) => (deployed.version.id.to_string(), Outcome::Done),
            Err(_) => (manifest.name.to_string(), Outcome::Refused),
        };
        let why = deployed.as_ref().err().map(ToString::to_string);
        self.audit("deploy", target, outcome, why).await;
        let deployed = deployed?;
        self.deployed.insert(manifest.name.clone(), state);
        for warning in deployed.version.warnings() {
            let name = &manifest.name;
            self.output.warn(format_args!("`{name}`: {warning}"));
        }
        for step in &deployed.steps {
            let (name, ms) = (step.name, step.ms);
            self.output.detail(format_args!("  {name:<14}{ms:>7.1} ms"));
        }
        self.announce(&deployed.version.id, manifest, start);
        Ok(Served::New)
    }

    fn announce(&self, version: &VersionId, manifest: &Manifest, start: Instant) {
        let address = match &manifest.host {
            Some(host) => host.to_string(),
            None => self.host.bound.listen.to_string(),
        };
        self.output.note(format_args!(
            "deployed {version} at {}://{address}{} in {}",
            self.host.bound.scheme,
            manifest.mount,
            output::duration(start.elapsed())
        ));
    }

    /// Takes functions out of service whose folders are gone.
    pub(super) async fn remove(&mut self, gone: &[FunctionName]) {
        for name in gone {
            if let Err(error) = self.host.deployer.remove(name.clone()).await {
                let error = anyhow::Error::new(error);
                self.output
                    .error(&error.context(format!("`{name}` was not removed")));
                continue;
            }
            self.audit("rm", name.to_string(), Outcome::Done, None)
                .await;
            self.deployed.remove(name);
            self.warnings.remove(name);
            self.output.note(format_args!("removed {name}"));
        }
    }

    /// What the loop does is done by whoever started it.
    async fn audit(
        &self,
        action: &'static str,
        target: String,
        outcome: Outcome,
        detail: Option<String>,
    ) {
        let registry = self.host.registry.clone();
        let written = tokio::task::spawn_blocking(move || {
            registry.audit(&Act {
                actor: &Actor::Local,
                peer: None,
                action,
                target: Some(&target),
                outcome,
                detail: detail.as_deref(),
            });
        });
        written.await.expect("writing does not panic");
    }

    /// What to try: one URL for each route that needs no more than a click.
    pub(super) fn print_addresses(&self) -> anyhow::Result<()> {
        let bound = &self.host.bound;
        self.output.data(bound, |bound| {
            let mut text = format!("\nserving on {}://{}\n", bound.scheme, bound.listen);
            for version in self.host.versions() {
                let manifest = &version.manifest;
                let mount = if manifest.mount.is_root() {
                    ""
                } else {
                    manifest.mount.as_str()
                };
                for route in &version.description.routes {
                    // Browsers ask so by themselves.
                    if route.method == "OPTIONS" {
                        continue;
                    }
                    let (method, scheme) = match (route.kind, bound.scheme) {
                        (RouteKind::Http, scheme) => (&*route.method, scheme),
                        (RouteKind::WebSocket, "https") => ("WS", "wss"),
                        (RouteKind::WebSocket, _) => ("WS", "ws"),
                    };
                    text.push_str(&format!(
                        "  {method:<7} {scheme}://{}{mount}{}\n",
                        bound.listen, route.path
                    ));
                }
                if version.documented(DocsPage::Explorer).is_some() {
                    text.push_str(&format!(
                        "  docs    {}://{}{mount}{}\n",
                        bound.scheme,
                        bound.listen,
                        DocsPage::Explorer.path()
                    ));
                }
            }
            text.push_str("watching for changes; Ctrl-C stops");
            text
        })
    }

    fn tell(&self) {
        self.builds.set(self.newest.values().cloned().collect());
    }
}

/// What became of a component.
enum Served {
    /// It was in service already.
    Unchanged,
    /// It is in service now.
    New,
}
