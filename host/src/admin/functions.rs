//! Functions in the admin API: what is deployed, and changing it.

use super::answers::{Audited, Created, Empty, Gone};
use super::api::Shared;
use super::auth::Done;
use super::deploy::{DeployError, Deployed, Rollout};
use super::described::{Deployments, Described, Function, Functions, KeptVersion};
use super::described::{NewVersion, Versions};
use super::error::AdminError;
use super::extract::{InBody, InPath};
use crate::names::FunctionName;
use crate::registry::{Deployment, Digest, Manifest, Percent, Split, on_disk};
use crate::routing::InService;
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

pub(super) async fn list(State(config): Shared) -> Json<Functions> {
    let functions = config.routes.functions();
    let functions = functions.iter().map(|it| Function::of(it)).collect();
    Json(Functions { functions })
}

pub(super) async fn show(
    State(config): Shared,
    InPath(name): InPath<FunctionName>,
) -> Result<Json<Function>, AdminError> {
    Ok(Json(Function::of(&*in_service(&config, name)?)))
}

/// The versions that are kept, the newest first, each with its weight.
pub(super) async fn versions(
    State(config): Shared,
    InPath(name): InPath<FunctionName>,
) -> Result<Json<Versions>, AdminError> {
    let function = in_service(&config, name)?;
    let registry = config.registry.clone();
    let name = function.function().clone();
    let versions = on_disk(move || registry.store().versions(&name)).await?;
    let rates = function.rates();
    let each = versions.iter().map(|version| {
        let number = version.id.number();
        let rate = rates.iter().find(|(of, _)| *of == number);
        KeptVersion {
            version: Described::of(version),
            weight: function.deployment.split.weight(number),
            invocations: rate.map(|(_, rate)| *rate),
        }
    });
    Ok(Json(Versions {
        versions: each.collect(),
        deployment: function.deployment.clone(),
    }))
}

pub(super) async fn deployment(
    State(config): Shared,
    InPath(name): InPath<FunctionName>,
) -> Result<Json<Deployment>, AdminError> {
    let function = in_service(&config, name)?;
    Ok(Json(function.deployment.clone()))
}

/// What was in force and what is, the latest first.
pub(super) async fn deployments(
    State(config): Shared,
    InPath(name): InPath<FunctionName>,
) -> Result<Json<Deployments>, AdminError> {
    let function = in_service(&config, name)?;
    let (registry, name) = (config.registry.clone(), function.function().clone());
    let deployments = on_disk(move || registry.store().deployments(&name)).await?;
    Ok(Json(Deployments { deployments }))
}

fn in_service(
    config: &super::AdminConfig,
    name: FunctionName,
) -> Result<Arc<InService>, AdminError> {
    let found = config.routes.get(&name);
    found.ok_or_else(|| DeployError::UnknownFunction(name).into())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeployRequest {
    component: Digest,
    manifest: Manifest,
    canary: Option<CanaryRequest>,
}

/// A share for the new version, and when it is taken back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CanaryRequest {
    share: Percent,
    abort_on: Option<Percent>,
}

pub(super) async fn deploy(
    State(config): Shared,
    InPath(name): InPath<FunctionName>,
    InBody(request): InBody<DeployRequest>,
) -> Result<Audited<Created<NewVersion>>, AdminError> {
    let DeployRequest {
        component,
        manifest,
        canary,
    } = request;
    if manifest.name != name {
        return Err(AdminError::BadRequest(format!(
            "the manifest names the function `{}`, the address `{name}`: make them the same",
            manifest.name
        )));
    }
    let rollout = match canary {
        None => Rollout::All,
        Some(CanaryRequest { share, abort_on }) => Rollout::Canary { share, abort_on },
    };
    let Deployed {
        version,
        function,
        steps,
    } = config.deployer.deploy(component, manifest, rollout).await?;
    let done = Done {
        target: Some(version.id.to_string()),
        ..done(&function)
    };
    let made = NewVersion {
        version: Described::of(&version),
        deployment: function.deployment.clone(),
        steps,
    };
    Ok(Audited(done, Created(made)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SplitRequest {
    split: Split,
}

pub(super) async fn split(
    State(config): Shared,
    InPath(name): InPath<FunctionName>,
    InBody(request): InBody<SplitRequest>,
) -> Result<Audited<Json<Deployment>>, AdminError> {
    let SplitRequest { split } = request;
    let function = config.deployer.split(name, split).await?;
    let deployment = function.deployment.clone();
    Ok(Audited(done(&function), Json(deployment)))
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackRequest {
    to: Option<u32>,
}

pub(super) async fn roll_back(
    State(config): Shared,
    InPath(name): InPath<FunctionName>,
    InBody(request): InBody<RollbackRequest>,
) -> Result<Audited<Json<Deployment>>, AdminError> {
    let RollbackRequest { to } = request;
    let function = config.deployer.roll_back(name, to).await?;
    let deployment = function.deployment.clone();
    Ok(Audited(done(&function), Json(deployment)))
}

fn done(function: &InService) -> Done {
    let weights = function.deployment.split.weights();
    let weights = weights.map(|(version, weight)| format!("{version}={weight}"));
    Done {
        target: None,
        detail: Some(format!("traffic {}", weights.collect::<Vec<_>>().join(" "))),
    }
}

pub(super) async fn remove(
    State(config): Shared,
    InPath(name): InPath<FunctionName>,
) -> Result<Gone, AdminError> {
    if config.deployer.remove(name.clone()).await? {
        Ok(Empty)
    } else {
        Err(DeployError::UnknownFunction(name).into())
    }
}
