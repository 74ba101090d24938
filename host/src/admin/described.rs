//! Functions and versions as the admin API tells of them.

use super::steps::Step;
use crate::names::{FunctionName, HostName, Mount};
use crate::registry::{Deployment, Digest, Interface, Lane, LimitInForce, RouteSpec, Version};
use crate::routing::{Deployed, InService, Rate, RouteId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is deployed.
#[derive(Serialize, JsonSchema)]
pub(super) struct Functions {
    pub(super) functions: Vec<Function>,
}

/// A function by its main version, the one that gets most of its traffic.
#[derive(Serialize, JsonSchema)]
pub(super) struct Function {
    #[serde(flatten)]
    version: Described,
    /// Who gets its traffic.
    deployment: Deployment,
}

/// The versions of a function that are kept.
#[derive(Serialize, JsonSchema)]
pub(super) struct Versions {
    /// The newest first.
    pub(super) versions: Vec<KeptVersion>,
    /// Who gets the traffic.
    pub(super) deployment: Deployment,
}

/// A version that is kept.
#[derive(Serialize, JsonSchema)]
pub(super) struct KeptVersion {
    #[serde(flatten)]
    pub(super) version: Described,
    /// Its weight in the traffic; 0 if it gets none.
    pub(super) weight: u32,
    /// How it did since the deployment began; absent if it gets no traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) invocations: Option<Rate>,
}

/// A version that was just made.
#[derive(Serialize, JsonSchema)]
pub(super) struct NewVersion {
    #[serde(flatten)]
    pub(super) version: Described,
    /// Who gets the traffic now.
    pub(super) deployment: Deployment,
    /// What it took.
    pub(super) steps: Vec<Step>,
}

/// Who gets the traffic of a function, and who got it before.
#[derive(Serialize, JsonSchema)]
pub(super) struct Deployments {
    /// The latest first.
    pub(super) deployments: Vec<Deployment>,
}

/// A version of a function.
#[derive(Serialize, JsonSchema)]
pub(super) struct Described {
    /// The function's name.
    name: FunctionName,
    /// The version's number.
    version: u32,
    /// Where it answers.
    mount: Mount,
    /// The only host name that it answers for.
    host: Option<HostName>,
    /// What it was made of.
    component: Digest,
    /// How it is called.
    interface: Interface,
    /// The SDK that built it, if it says so.
    sdk: Option<String>,
    /// In milliseconds since the Unix epoch.
    created_at_ms: u64,
    /// What it answers.
    routes: Vec<Route>,
    /// What it may use up, by key of `[limits]`.
    limits: BTreeMap<String, Limit>,
    /// What it asks for and does not get.
    warnings: Vec<String>,
}

/// A route, with what its invocations taught about it.
#[derive(Serialize, JsonSchema)]
struct Route {
    #[serde(flatten)]
    spec: RouteSpec,
    /// Where its invocations start now, because they computed for so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    learned: Option<Learned>,
    /// Whether its invocations are kept apart, because they keep crashing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    quarantined: bool,
}

/// What was learned about a route.
#[derive(Serialize, JsonSchema)]
struct Learned {
    lane: Lane,
    /// CPU time of an invocation, in milliseconds.
    cpu_ms: f64,
}

/// A limit in force.
#[derive(Serialize, JsonSchema)]
struct Limit {
    /// As it is written in `dunlin.toml`.
    value: Value,
    /// Where it comes from.
    why: String,
}

impl Function {
    pub(super) fn of(function: &InService) -> Self {
        Self {
            version: Described::in_traffic(function.main()),
            deployment: function.deployment.clone(),
        }
    }
}

impl Described {
    pub(super) fn of(version: &Version) -> Self {
        let manifest = &version.manifest;
        let route = |spec: &RouteSpec| Route {
            spec: spec.clone(),
            learned: None,
            quarantined: false,
        };
        let limit = |(key, limit): (String, LimitInForce)| {
            let value = limit.value().clone();
            let why = limit.why();
            (key, Limit { value, why })
        };
        let limits = version.limits.explained(&manifest.limits);
        Self {
            name: manifest.name.clone(),
            version: version.id.number(),
            mount: manifest.mount.clone(),
            host: manifest.host.clone(),
            component: version.component.clone(),
            interface: version.description.interface,
            sdk: version.description.sdk.clone(),
            created_at_ms: version.created_at_ms,
            routes: version.description.routes.iter().map(route).collect(),
            limits: limits.into_iter().map(limit).collect(),
            warnings: version.warnings(),
        }
    }

    /// The same of a version that gets traffic, with what that taught.
    fn in_traffic(deployed: &Deployed) -> Self {
        let mut described = Self::of(&deployed.version);
        for (id, route) in (0..).zip(&mut described.routes) {
            route.learned = deployed.learned(RouteId(id)).map(|cpu| Learned {
                lane: Lane::Blocking,
                cpu_ms: cpu.as_secs_f64() * 1e3,
            });
            route.quarantined = deployed.is_quarantined(RouteId(id));
        }
        described
    }
}
