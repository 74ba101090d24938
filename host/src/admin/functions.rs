//! Functions in the admin API: what is deployed, and changing it.

use super::api::{Shared, parse_name};
use super::deploy::Deployed;
use super::error::AdminError;
use crate::registry::{Digest, Lane, LimitInForce, Manifest, Version};
use crate::routing::{Deployed as InService, RouteId};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) async fn list(State(config): Shared) -> Json<Value> {
    let functions: Vec<_> = config
        .routes
        .deployed()
        .iter()
        .map(|deployed| describe_deployed(deployed))
        .collect();
    Json(json!({ "functions": functions }))
}

/// A version in service, with what its invocations taught about its routes.
fn describe_deployed(deployed: &InService) -> Value {
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
}

pub(super) async fn deploy(
    State(config): Shared,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), AdminError> {
    let name = parse_name(&name)?;
    let DeployRequest {
        component,
        manifest,
    } = serde_json::from_slice(&body)
        .map_err(|error| AdminError::BadRequest(format!("the request is not valid: {error}")))?;
    if manifest.name != name {
        return Err(AdminError::BadRequest(format!(
            "the manifest names the function `{}`, the address `{name}`: make them the same",
            manifest.name
        )));
    }
    let Deployed { version, steps } = config.deployer.deploy(component, manifest).await?;
    let mut answer = describe(&version);
    answer["steps"] = json!(steps);
    Ok((StatusCode::CREATED, Json(answer)))
}

pub(super) async fn remove(
    State(config): Shared,
    Path(name): Path<String>,
) -> Result<StatusCode, AdminError> {
    let name = parse_name(&name)?;
    if config.deployer.remove(&name).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(AdminError::UnknownFunction(name.to_string()))
    }
}
