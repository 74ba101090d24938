//! From a component to traffic: validate, compile, describe, check routes,
//! smoke, store, swap. A failure at any step leaves what serves untouched.

use super::steps::{Step, Steps};
use crate::failpoint::fail_point;
use crate::names::{FunctionName, VersionId};
use crate::registry::{
    Canary, Cause, Change, Description, Digest, Interface, Manifest, Percent, Registry,
    RegistryError, Secrets, Split, VarName, Version, now_ms, on_disk,
};
use crate::routing::{InService, MountConflict, Ready, RouteConflict, Table};
use crate::runtime::{self, Code, CodeError, Engine, Failure, InspectError, Instances};
use crate::scheduling::Lanes;
use crate::telemetry::Logs;
use std::sync::Arc;
use thiserror::Error;

/// Why a function's traffic was not changed. What served before serves on.
#[derive(Debug, Error)]
pub enum DeployError {
    /// The component was never sent, or was cleaned up since.
    #[error("the host has no component {0}: upload it first")]
    UnknownComponent(Digest),
    /// It is something else.
    #[error(transparent)]
    Invalid(#[from] InvalidComponent),
    /// It does not compile.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// It could not serve.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// Its routes contradict each other.
    #[error(transparent)]
    Routes(#[from] RouteConflict),
    /// Its address is another function's.
    #[error(transparent)]
    Mount(#[from] MountConflict),
    /// It can't be loaded.
    #[error(transparent)]
    Load(#[from] Failure),
    /// The store failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is nothing to share traffic with.
    #[error("`{0}` has no version that a canary could stand beside: deploy it without `--canary`")]
    NothingServes(FunctionName),
    /// A canary that gets everything is none.
    #[error("a canary of 100% leaves nothing to compare it with: deploy it without `--canary`")]
    WholeCanary,
    /// No such function.
    #[error("there is no function `{0}`: `dunlin ls` lists those that are")]
    UnknownFunction(FunctionName),
    /// No such version.
    #[error("there is no version {0}: `dunlin versions {function}` lists those that are kept", function = .0.function())]
    UnknownVersion(VersionId),
    /// One function, two addresses.
    #[error(
        "{0} and {1} answer at different addresses, and so cannot share traffic: give all of it to \
         one of them, or give both the same `mount` and `host`"
    )]
    Addresses(VersionId, VersionId),
    /// No earlier deployment.
    #[error(
        "`{0}` has no earlier deployment to go back to: `dunlin versions {0}` lists the versions \
         that are kept, `dunlin rollback {0} --to VERSION` gives one all traffic"
    )]
    NothingBefore(FunctionName),
    /// It would not start again.
    #[error(
        "the secret `{0}` is needed by {1}, which gets traffic: deploy a version that does without it first"
    )]
    SecretNeeded(VarName, VersionId),
}

/// Why bytes are no component.
#[derive(Debug, Error)]
pub enum InvalidComponent {
    /// A module, without the component around it.
    #[error(
        "this is a core WebAssembly module, not a component: build for the target wasm32-wasip2, \
         or wrap it with `wasm-tools component new`"
    )]
    Module,
    /// No WebAssembly at all.
    #[error("this is not a WebAssembly component: send the `.wasm` file that the build wrote")]
    NotWasm,
}

/// How much of its function's traffic a new version gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// All of it.
    All,
    /// A share; the versions that serve divide the rest as before.
    Canary {
        /// How much.
        share: Percent,
        /// How much more often than the others it may fail before it loses its
        /// traffic. None: nobody watches.
        abort_on: Option<Percent>,
    },
}

/// A version that has just got its traffic.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The version.
    pub version: Arc<Version>,
    /// The function, as it serves now.
    pub function: Arc<InService>,
    /// What it took.
    pub steps: Vec<Step>,
}

/// Brings functions into service, divides their traffic, and takes them out.
pub struct Deployer {
    pub(super) engine: Arc<Engine>,
    pub(super) registry: Arc<Registry>,
    pub(super) routes: Arc<Table>,
    pub(super) instances: Arc<Instances>,
    pub(super) logs: Arc<Logs>,
    pub(super) lanes: Arc<Lanes>,
    /// Versions that are kept of each function.
    pub(super) kept_versions: usize,
    /// One change at a time: each sees the one before.
    pub(super) turn: tokio::sync::Mutex<()>,
}

impl Deployer {
    /// Joins what a deployment touches.
    pub fn new(
        engine: Arc<Engine>,
        registry: Arc<Registry>,
        routes: Arc<Table>,
        instances: Arc<Instances>,
        logs: Arc<Logs>,
        lanes: Arc<Lanes>,
        kept_versions: usize,
    ) -> Self {
        let turn = tokio::sync::Mutex::default();
        Self {
            engine,
            registry,
            routes,
            instances,
            logs,
            lanes,
            kept_versions,
            turn,
        }
    }

    /// Puts back into service what was deployed when the host last stopped. A
    /// function that can't come back is logged and left out.
    ///
    /// # Errors
    ///
    /// When the store can't be read at all.
    pub fn restore(&self) -> Result<usize, RegistryError> {
        let not_restored = |error: &(dyn std::error::Error + 'static)| {
            tracing::error!(target: "dunlin", error, "a function was not restored");
        };
        let mut all = Vec::new();
        for in_force in self.registry.store().in_force()? {
            let (deployment, versions) = match in_force {
                Ok(in_force) => in_force,
                Err(error) => {
                    not_restored(&error);
                    continue;
                }
            };
            for version in &versions {
                for warning in version.warnings() {
                    tracing::warn!(target: "dunlin", "{}: {warning}", version.id);
                }
            }
            let versions = versions.into_iter().map(Arc::new).map(Ready::new);
            match versions.collect::<Result<_, _>>() {
                Ok(versions) => all.push((deployment, versions)),
                Err(error) => not_restored(&error),
            }
        }
        let mut restored = 0;
        for inserted in self.routes.insert_all(all) {
            match inserted {
                Ok(()) => restored += 1,
                Err(error) => not_restored(&error),
            }
        }
        Ok(restored)
    }

    /// Makes a new version of a function from a component that the registry
    /// has, and gives it traffic. Once begun it goes on to its end, even if
    /// nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// When a step fails; then nothing has changed.
    pub async fn deploy(
        self: &Arc<Self>,
        component: Digest,
        manifest: Manifest,
        rollout: Rollout,
    ) -> Result<Deployed, DeployError> {
        let deployer = self.clone();
        let deploying =
            tokio::spawn(async move { deployer.pipeline(component, manifest, rollout).await });
        deploying.await.expect("deploying does not panic")
    }

    async fn pipeline(
        &self,
        component: Digest,
        manifest: Manifest,
        rollout: Rollout,
    ) -> Result<Deployed, DeployError> {
        let _turn = self.turn.lock().await;
        let mut steps = Steps::default();

        let change = self.change(&manifest, rollout)?;
        let secrets = self.secrets(&manifest).await?;
        self.validate(&component).await?;
        steps.done("validate");

        let code = Code::of(&component, &self.engine, &self.registry).await?;
        fail_point!("compiled");
        steps.done("compile");

        let registry = self.registry.clone();
        let name = manifest.name.clone();
        let id = on_disk(move || registry.store().next_version(&name)).await?;
        let candidate = Version {
            id,
            component,
            description: Description::of_standard(Interface::Function),
            limits: manifest.limits.clamped(self.registry.maxima()),
            manifest,
            created_at_ms: now_ms(),
        };
        let version = Arc::new(self.describe(candidate, code, secrets).await?);
        fail_point!("described");
        steps.done("describe");

        let ready = Ready::new(version.clone())?;
        self.routes.check(&version.manifest)?;
        fail_point!("routes-checked");
        steps.done("check routes");

        self.instances.preload(version.clone()).await?;
        fail_point!("smoked");
        steps.done("smoke");

        let function = self.store_and_swap(ready, change, &mut steps).await;
        let function = function.inspect_err(|_| self.instances.retire(&version.id))?;
        self.prune(&version.manifest.name).await;
        Ok(Deployed {
            version,
            function,
            steps: steps.0,
        })
    }

    /// What the new version will do to its function's traffic.
    fn change(&self, manifest: &Manifest, rollout: Rollout) -> Result<Pending, DeployError> {
        let now = self.routes.get(&manifest.name);
        let before = now.as_ref().map(|now| now.deployment.revision);
        let Rollout::Canary { share, abort_on } = rollout else {
            return Ok(Pending {
                before,
                beside: None,
            });
        };
        let now = now.ok_or_else(|| DeployError::NothingServes(manifest.name.clone()))?;
        if share.hundredths() == Percent::WHOLE {
            return Err(DeployError::WholeCanary);
        }
        let split = now.deployment.split.clone();
        // The next canary takes the place of the one that is on trial.
        let rest = now.deployment.canary.map(|it| split.without(it.version));
        Ok(Pending {
            before,
            beside: Some((rest.flatten().unwrap_or(split), share, abort_on)),
        })
    }

    /// Whether the host has the component, and it is one.
    async fn validate(&self, digest: &Digest) -> Result<(), DeployError> {
        let (registry, digest) = (self.registry.clone(), digest.clone());
        on_disk(move || {
            let path = registry
                .component(&digest)
                .ok_or(DeployError::UnknownComponent(digest))?;
            match registry.preamble(&path)? {
                [0, b'a', b's', b'm', 0x0d, 0, 1, 0] => Ok(()),
                [0, b'a', b's', b'm', 1, 0, 0, 0] => Err(InvalidComponent::Module.into()),
                _ => Err(InvalidComponent::NotWasm.into()),
            }
        })
        .await
    }

    /// The version as it describes itself. A guest that starts runs its own
    /// code: not on this event loop.
    async fn describe(
        &self,
        candidate: Version,
        code: Code,
        secrets: Secrets,
    ) -> Result<Version, InspectError> {
        let engine = self.engine.clone();
        let described = self.lanes.blocking().spawn(async move {
            let description = runtime::inspect(&engine, &code, candidate.clone(), secrets).await?;
            Ok(Version {
                description,
                ..candidate
            })
        });
        described.await.expect("inspecting does not panic")
    }

    async fn store_and_swap(
        &self,
        ready: Ready,
        pending: Pending,
        steps: &mut Steps,
    ) -> Result<Arc<InService>, DeployError> {
        let version = ready.version.clone();
        let change = pending.with(version.id.number());
        let mut versions = self.versions(&change.split, &version).await?;
        versions.push(ready);
        let registry = self.registry.clone();
        let deployment = on_disk(move || registry.store().deploy(&version, change)).await?;
        fail_point!("stored");
        steps.done("store");

        let function = self.swap(deployment, versions)?;
        fail_point!("swapped");
        steps.done("swap");
        Ok(function)
    }
}

/// A change of traffic, before the new version has its number.
struct Pending {
    before: Option<u32>,
    /// What a canary stands beside, its share, and when it is taken back.
    beside: Option<(Split, Percent, Option<Percent>)>,
}

impl Pending {
    fn with(self, version: u32) -> Change {
        let (split, canary) = match self.beside {
            None => (Split::all_to(version), None),
            Some((rest, share, abort_on)) => (
                rest.with(version, share),
                abort_on.map(|abort_on| Canary { version, abort_on }),
            ),
        };
        Change {
            split,
            cause: Cause::Deploy,
            before: self.before,
            canary,
        }
    }
}
