//! Functions in the admin API: what is deployed, and changing it.

use super::api::{Shared, on_disk, parse_name};
use super::auth::Done;
use super::deploy::{DeployError, Deployed, Rollout};
use super::error::AdminError;
use crate::names::FunctionName;
use crate::registry::{Digest, Lane, LimitInForce, Manifest, Percent, Split, Version};
use crate::routing::{Deployed as InTraffic, InService, RouteId};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn list(State(config): Shared) -> Json<Value> {
    let functions = config.routes.functions();
    let functions: Vec<_> = functions.iter().map(|it| describe_function(it)).collect();
    Json(json!({ "functions": functions }))
}

pub(super) async fn show(
    State(config): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, AdminError> {
    let function = in_service(&config, &name)?;
    Ok(Json(describe_function(&function)))
}

/// The versions that are kept, the newest first, each with its weight.
pub(super) async fn versions(
    State(config): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, AdminError> {
    let function = in_service(&config, &name)?;
    let registry = config.registry.clone();
    let name = function.function().clone();
    let versions = on_disk(move || registry.versions(&name)).await?;
    let rates = function.rates();
    let each = versions.iter().map(|version| {
        let number = version.id.number();
        let mut answer = describe(version);
        answer["weight"] = json!(function.deployment.split.weight(number));
        if let Some((_, rate)) = rates.iter().find(|(of, _)| *of == number) {
            answer["invocations"] = json!(rate);
        }
        answer
    });
    let each: Vec<_> = each.collect();
    Ok(Json(
        json!({ "versions": each, "deployment": function.deployment }),
    ))
}

pub(super) async fn deployment(
    State(config): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, AdminError> {
    let function = in_service(&config, &name)?;
    Ok(Json(json!(function.deployment)))
}

/// What was in force and what is, the latest first.
pub(super) async fn deployments(
    State(config): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, AdminError> {
    let function = in_service(&config, &name)?;
    let (registry, name) = (config.registry.clone(), function.function().clone());
    let deployments = on_disk(move || registry.deployments(&name)).await?;
    Ok(Json(json!({ "deployments": deployments })))
}

fn in_service(config: &super::AdminConfig, name: &str) -> Result<Arc<InService>, AdminError> {
    let name = parse_name(name)?;
    let found = config.routes.get(&name);
    found.ok_or_else(|| DeployError::UnknownFunction(name).into())
}

/// A function by its main version, with how its traffic is divided.
fn describe_function(function: &InService) -> Value {
    let mut answer = describe_deployed(function.main());
    answer["deployment"] = json!(function.deployment);
    answer
}

/// A version in service, with what its invocations taught about its routes.
fn describe_deployed(deployed: &InTraffic) -> Value {
    let mut answer = describe(&deployed.version);
    for (id, route) in (0..).zip(answer["routes"].as_array_mut().into_iter().flatten()) {
        if let Some(cpu) = deployed.learned(RouteId(id)) {
            route["learned"] = json!({ "lane": Lane::Blocking, "cpu_ms": cpu.as_secs_f64() * 1e3 });
        }
        if deployed.is_quarantined(RouteId(id)) {
            route["quarantined"] = json!(true);
        }
    }
    answer
}

fn describe(version: &Version) -> Value {
    let manifest = &version.manifest;
    json!({
        "name": manifest.name,
        "version": version.id.number(),
        "mount": manifest.mount,
        "host": manifest.host,
        "component": version.component,
        "interface": version.description.interface,
        "sdk": version.description.sdk,
        "created_at_ms": version.created_at_ms,
        "routes": version.description.routes,
        "limits": limits(version),
        "warnings": version.warnings(),
    })
}

/// What is in force, and why.
fn limits(version: &Version) -> Value {
    let limits = version.limits.explained(&version.manifest.limits);
    let limit = |(key, limit): (String, LimitInForce)| {
        let shown = json!({ "value": limit.value(), "why": limit.why() });
        (key, shown)
    };
    Value::Object(limits.into_iter().map(limit).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeployRequest {
    component: Digest,
    manifest: Manifest,
    canary: Option<CanaryRequest>,
}

/// A share for the new version, and when it is taken back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CanaryRequest {
    share: Percent,
    abort_on: Option<Percent>,
}

pub(super) async fn deploy(
    State(config): Shared,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Extension<Done>, Json<Value>), AdminError> {
    let name = parse_name(&name)?;
    let DeployRequest {
        component,
        manifest,
        canary,
    } = parse(&body)?;
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
    let mut answer = describe(&version);
    answer["deployment"] = json!(function.deployment);
    answer["steps"] = json!(steps);
    let done = Done {
        target: Some(version.id.to_string()),
        ..done(&function)
    };
    Ok((StatusCode::CREATED, Extension(done), Json(answer)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitRequest {
    split: Split,
}

pub(super) async fn split(
    State(config): Shared,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<(Extension<Done>, Json<Value>), AdminError> {
    let name = parse_name(&name)?;
    let SplitRequest { split } = parse(&body)?;
    let function = config.deployer.split(name, split).await?;
    Ok((Extension(done(&function)), Json(json!(function.deployment))))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollbackRequest {
    to: Option<u32>,
}

pub(super) async fn roll_back(
    State(config): Shared,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<(Extension<Done>, Json<Value>), AdminError> {
    let name = parse_name(&name)?;
    let RollbackRequest { to } = if body.is_empty() {
        RollbackRequest::default()
    } else {
        parse(&body)?
    };
    let function = config.deployer.roll_back(name, to).await?;
    Ok((Extension(done(&function)), Json(json!(function.deployment))))
}

/// How traffic is divided from now on, for the audit log.
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
    Path(name): Path<String>,
) -> Result<StatusCode, AdminError> {
    let name: FunctionName = parse_name(&name)?;
    if config.deployer.remove(name.clone()).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(DeployError::UnknownFunction(name).into())
    }
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, AdminError> {
    serde_json::from_slice(body)
        .map_err(|error| AdminError::BadRequest(format!("the request is not valid: {error}")))
}
