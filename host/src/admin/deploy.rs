//! From a component to traffic: validate, compile, describe, check routes,
//! store, swap. A failure at any step leaves what serves untouched.

use crate::names::{FunctionName, VersionId};
use crate::registry::{Digest, Manifest, Registry, RegistryError, Version};
use crate::routing::{FunctionRoutes, MountConflict, RouteConflict, Table};
use crate::runtime::{
    self, CompileError, Engine, Failure, InspectError, Instances, compile_in_child,
};
use crate::scheduling::Lanes;
use crate::telemetry::Logs;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;
use thiserror::Error;

/// Why a function was not deployed. What served before serves on.
#[derive(Debug, Error)]
pub enum DeployError {
    /// The component was never sent.
    #[error("the host has no component {0}: upload it first")]
    UnknownComponent(Digest),
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
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
}

/// One step of a deployment and the time it took.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What was done.
    pub name: &'static str,
    /// In milliseconds.
    pub ms: f64,
}

/// A version that has just got its traffic.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The version.
    pub version: Arc<Version>,
    /// What it took.
    pub steps: Vec<Step>,
}

/// Brings functions into service and takes them out.
pub struct Deployer {
    engine: Arc<Engine>,
    registry: Arc<Registry>,
    routes: Arc<Table>,
    instances: Arc<Instances>,
    logs: Arc<Logs>,
    lanes: Arc<Lanes>,
    /// One deployment at a time: each swap sees the one before.
    turn: tokio::sync::Mutex<()>,
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
    ) -> Self {
        let turn = tokio::sync::Mutex::default();
        Self {
            engine,
            registry,
            routes,
            instances,
            logs,
            lanes,
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
        let mut restored = 0;
        for version in self.registry.deployed()? {
            let put_back = |version: Version| -> Result<(), Box<dyn std::error::Error>> {
                let routes = FunctionRoutes::new(&version.description)?;
                for warning in version.warnings() {
                    tracing::warn!(target: "dunlin", "{}: {warning}", version.id);
                }
                self.routes.insert(Arc::new(version), routes)?;
                Ok(())
            };
            match version.map_err(Into::into).and_then(put_back) {
                Ok(()) => restored += 1,
                Err(error) => tracing::error!(target: "dunlin", "not restored: {error}"),
            }
        }
        Ok(restored)
    }

    /// Makes a new version of a function from a component that the registry
    /// has, and gives it the function's traffic.
    ///
    /// # Errors
    ///
    /// When a step fails; then nothing has changed.
    pub async fn deploy(
        &self,
        component: Digest,
        manifest: Manifest,
    ) -> Result<Deployed, DeployError> {
        let _turn = self.turn.lock().await;
        let mut steps = Steps::default();

        let source = self
            .registry
            .component(&component)
            .ok_or_else(|| DeployError::UnknownComponent(component.clone()))?;
        let compiled = self
            .registry
            .compiled(&component, &self.engine.fingerprint());
        if !compiled.exists() {
            compile_in_child(source, compiled.clone()).await?;
        }
        steps.done("compile");

        let candidate = Version {
            id: VersionId::new(manifest.name.clone(), 1),
            component: component.clone(),
            description: crate::registry::Description::of_standard(
                crate::registry::Interface::Function,
            ),
            limits: manifest.limits.clamped(self.registry.maxima()),
            manifest: manifest.clone(),
            created_at_ms: 0,
        };
        // A guest that starts runs its own code: not on this event loop.
        let engine = self.engine.clone();
        let description = self
            .lanes
            .blocking()
            .spawn(async move { runtime::inspect(&engine, &compiled, candidate).await })
            .await
            .expect("inspecting does not panic")?;
        steps.done("describe");

        let routes = FunctionRoutes::new(&description)?;
        self.routes.check(&manifest)?;
        steps.done("check routes");

        let registry = self.registry.clone();
        let version =
            tokio::task::spawn_blocking(move || registry.deploy(component, manifest, description))
                .await
                .expect("storing does not panic")?;
        let version = Arc::new(version);
        steps.done("store");

        self.instances.preload(version.clone()).await?;
        let previous = self.routes.insert(version.clone(), routes)?;
        if let Some(previous) = previous {
            self.instances.retire(&previous.version.id);
        }
        steps.done("swap");
        Ok(Deployed {
            version,
            steps: steps.0,
        })
    }

    /// Takes a function out of service and forgets it; false if there was none.
    ///
    /// # Errors
    ///
    /// When the store fails; then the function serves on.
    pub async fn remove(&self, function: &FunctionName) -> Result<bool, RegistryError> {
        let _turn = self.turn.lock().await;
        let (registry, name) = (self.registry.clone(), function.clone());
        let removed = tokio::task::spawn_blocking(move || registry.remove(&name))
            .await
            .expect("removing does not panic")?;
        if let Some(removed) = self.routes.remove(function) {
            self.instances.retire(&removed.version.id);
        }
        self.logs.forget(function);
        Ok(removed)
    }
}

/// Times the steps of one deployment.
struct Steps(Vec<Step>, Instant);

impl Default for Steps {
    fn default() -> Self {
        Self(Vec::new(), Instant::now())
    }
}

impl Steps {
    fn done(&mut self, name: &'static str) {
        let now = Instant::now();
        self.0.push(Step {
            name,
            ms: (now - self.1).as_secs_f64() * 1e3,
        });
        self.1 = now;
    }
}
