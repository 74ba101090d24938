//! Who gets a function's traffic: splits, going back, taking it out of service.

use super::deploy::{DeployError, Deployer};
use crate::failpoint::fail_point;
use crate::names::{FunctionName, VersionId};
use crate::registry::{Act, Actor, Cause, Change, Deployment, Outcome, Split, Version, on_disk};
use crate::routing::{Breach, InService, Ready};
use crate::telemetry::Source;
use std::sync::Arc;
use std::time::Duration;

/// How often versions on trial are looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

impl Deployer {
    /// Divides a function's traffic among versions that are kept.
    ///
    /// # Errors
    ///
    /// When a version is not kept, or they answer at different addresses; then
    /// nothing has changed.
    pub async fn split(
        self: &Arc<Self>,
        function: FunctionName,
        split: Split,
    ) -> Result<Arc<InService>, DeployError> {
        self.changing(move |deployer| async move {
            let now = deployer.current(&function)?;
            let change = Change {
                split,
                cause: Cause::Split,
                before: Some(now.deployment.revision),
                canary: None,
            };
            deployer.put_in_force(&function, change).await
        })
        .await
    }

    /// Gives a function's traffic back to whoever had it before the deployment
    /// in force, or all of it to one version. Done again, it goes back further.
    ///
    /// # Errors
    ///
    /// When there is nothing to go back to; then nothing has changed.
    pub async fn roll_back(
        self: &Arc<Self>,
        function: FunctionName,
        to: Option<u32>,
    ) -> Result<Arc<InService>, DeployError> {
        self.changing(move |deployer| async move {
            let now = deployer.current(&function)?;
            let (split, before) = match to {
                Some(version) => (Split::all_to(version), Some(now.deployment.revision)),
                None => {
                    let earlier = deployer.deployment(&now, now.deployment.before).await?;
                    let Some(earlier) = earlier else {
                        return Err(DeployError::NothingBefore(function));
                    };
                    (earlier.split, earlier.before)
                }
            };
            let change = Change {
                split,
                cause: Cause::Rollback,
                before,
                canary: None,
            };
            deployer.put_in_force(&function, change).await
        })
        .await
    }

    /// Takes a function out of service and forgets it; false if there was none.
    ///
    /// # Errors
    ///
    /// When the store fails; then the function serves on.
    pub async fn remove(self: &Arc<Self>, function: FunctionName) -> Result<bool, DeployError> {
        self.changing(move |deployer| async move {
            let (registry, name) = (deployer.registry.clone(), function.clone());
            let removed = on_disk(move || registry.store().remove(&name)).await?;
            fail_point!("removed");
            if let Some(left) = deployer.routes.remove(&function) {
                for version in left.left_by(None) {
                    deployer.instances.retire(&version.version.id);
                    version.leave();
                }
            }
            deployer.logs.forget(&function);
            let registry = deployer.registry.clone();
            let any = !removed.is_empty();
            // It is gone already: what stays on the disk goes with the next start.
            let forgotten = on_disk(move || registry.forget_unused(&removed)).await;
            if let Err(error) = forgotten {
                tracing::warn!(
                    target: "dunlin",
                    error = &error as &dyn std::error::Error,
                    "the files of `{function}` were not removed"
                );
            }
            Ok(any)
        })
        .await
    }

    /// Looks after versions on trial, for ever: one that fails too often loses
    /// its traffic.
    pub async fn watch(self: Arc<Self>) {
        let mut interval = tokio::time::interval(WATCH_INTERVAL);
        loop {
            interval.tick().await;
            for function in self.routes.functions() {
                let Some(breach) = function.breach() else {
                    continue;
                };
                if let Err(error) = self.abort(&function, breach).await {
                    tracing::error!(
                        target: "dunlin",
                        error = &error as &dyn std::error::Error,
                        "{} fails and could not be taken out of traffic",
                        VersionId::new(function.function().clone(), breach.version),
                    );
                }
            }
        }
    }

    async fn abort(
        self: &Arc<Self>,
        failing: &InService,
        breach: Breach,
    ) -> Result<(), DeployError> {
        let function = failing.function().clone();
        let revision = failing.deployment.revision;
        self.changing(move |deployer| async move {
            let now = deployer.current(&function)?;
            let rest = now.deployment.split.without(breach.version);
            let (true, Some(split)) = (now.deployment.revision == revision, rest) else {
                // Somebody was quicker.
                return Ok(());
            };
            let earlier = deployer.deployment(&now, now.deployment.before).await?;
            let before = match earlier {
                Some(earlier) if earlier.split == split => earlier.before,
                _ => now.deployment.before,
            };
            let change = Change {
                split,
                cause: Cause::Abort,
                before,
                canary: None,
            };
            let line = format!(
                "lost its traffic: {} of its invocations failed, {} of the other versions', and \
                 `--abort-on` allows {} more; `dunlin split` gives it traffic again",
                breach.canary, breach.others, breach.abort_on
            );
            let id = VersionId::new(function.clone(), breach.version);
            deployer.put_in_force(&function, change).await?;
            let (registry, target) = (deployer.registry.clone(), id.to_string());
            let detail = line.clone();
            let written = tokio::task::spawn_blocking(move || {
                registry.audit(&Act {
                    actor: &Actor::Host,
                    peer: None,
                    action: "abort",
                    target: Some(&target),
                    outcome: Outcome::Done,
                    detail: Some(&detail),
                });
            });
            written.await.expect("writing does not panic");
            deployer.logs.write(&id, None, Source::Host, line);
            Ok(())
        })
        .await
    }

    /// Runs one change at a time, and to its end, even if nobody waits for it
    /// any more.
    pub(super) async fn changing<T, F>(
        self: &Arc<Self>,
        change: impl FnOnce(Arc<Self>) -> F + Send + 'static,
    ) -> Result<T, DeployError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DeployError>> + Send,
    {
        let deployer = self.clone();
        let changing = tokio::spawn(async move {
            let _turn = deployer.turn.lock().await;
            change(deployer.clone()).await
        });
        changing.await.expect("changing traffic does not panic")
    }

    fn current(&self, function: &FunctionName) -> Result<Arc<InService>, DeployError> {
        let found = self.routes.get(function);
        found.ok_or_else(|| DeployError::UnknownFunction(function.clone()))
    }

    async fn deployment(
        &self,
        of: &InService,
        revision: Option<u32>,
    ) -> Result<Option<Deployment>, DeployError> {
        let Some(revision) = revision else {
            return Ok(None);
        };
        let (registry, function) = (self.registry.clone(), of.function().clone());
        Ok(on_disk(move || registry.store().deployment(&function, revision)).await?)
    }

    async fn put_in_force(
        &self,
        function: &FunctionName,
        change: Change,
    ) -> Result<Arc<InService>, DeployError> {
        let main = VersionId::new(function.clone(), change.split.main());
        let main = self.version(main).await?;
        let mut versions = self.versions(&change.split, &main).await?;
        self.routes.check(&main.manifest)?;
        // Loaded before it gets traffic: what can't be loaded gets none.
        versions.push(Ready::new(main)?);
        for ready in &versions {
            if let Err(failure) = self.instances.preload(ready.version.clone()).await {
                // If that is why, it says what to do.
                self.secrets(&ready.version.manifest).await?;
                return Err(failure.into());
            }
        }
        let (registry, name) = (self.registry.clone(), function.clone());
        let deployment = on_disk(move || registry.store().redeploy(&name, change)).await?;
        fail_point!("redeployed");
        self.swap(deployment, versions)
    }

    /// The versions of a split beside `one`, which must answer where it does.
    pub(super) async fn versions(
        &self,
        split: &Split,
        one: &Version,
    ) -> Result<Vec<Ready>, DeployError> {
        let mut ready = Vec::new();
        for (number, _) in split.weights() {
            if number == one.id.number() {
                continue;
            }
            let id = VersionId::new(one.id.function().clone(), number);
            let other = self.version(id).await?;
            let address = |version: &Version| {
                let manifest = &version.manifest;
                (manifest.host.clone(), manifest.mount.clone())
            };
            if address(&other) != address(one) {
                return Err(DeployError::Addresses(other.id.clone(), one.id.clone()));
            }
            ready.push(Ready::new(other)?);
        }
        Ok(ready)
    }

    async fn version(&self, id: VersionId) -> Result<Arc<Version>, DeployError> {
        let registry = self.registry.clone();
        let wanted = id.clone();
        let version = on_disk(move || registry.store().version(&wanted)).await?;
        version.map(Arc::new).ok_or(DeployError::UnknownVersion(id))
    }

    /// The last step: from here on requests go where the deployment says.
    pub(super) fn swap(
        &self,
        deployment: Deployment,
        versions: Vec<Ready>,
    ) -> Result<Arc<InService>, DeployError> {
        let name = deployment.function.clone();
        let previous = self.routes.insert(deployment, versions)?;
        let now = self.current(&name)?;
        for left in previous.iter().flat_map(|it| it.left_by(Some(&now))) {
            self.instances.retire(&left.version.id);
            left.leave();
        }
        Ok(now)
    }

    /// Forgets versions beyond those that are kept. That can wait for the next
    /// deployment: a failure is no failure of this one.
    pub(super) async fn prune(&self, function: &FunctionName) {
        let (registry, name) = (self.registry.clone(), function.clone());
        let keep = self.kept_versions;
        let pruned = on_disk(move || {
            let old = registry.store().prune(&name, keep)?;
            fail_point!("pruned");
            let components: Vec<_> = old.into_iter().map(|it| it.component).collect();
            registry.forget_unused(&components)
        });
        if let Err(error) = pruned.await {
            tracing::warn!(
                target: "dunlin",
                error = &error as &dyn std::error::Error,
                "old versions of `{function}` were not removed"
            );
        }
    }
}
