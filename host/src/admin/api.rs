//! The admin API, under `/v1`: REST in JSON, opened by a bearer token.

use super::deploy::{Deployed, Deployer};
use super::error::AdminError;
use super::host_info::HostInfo;
use super::metrics::{self, Observed};
use crate::names::FunctionName;
use crate::registry::{Digest, Lane, LimitInForce, Manifest, Registry, Version};
use crate::routing::{Deployed as InService, RouteId, Table};
use crate::telemetry::Logs;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use futures::StreamExt as _;
use futures::stream;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use subtle::ConstantTimeEq as _;
use tokio::sync::broadcast::error::RecvError;

/// Largest component that may be uploaded, in bytes.
const MAX_COMPONENT: u64 = 256 * 1024 * 1024;

/// What the admin API works on.
pub struct AdminConfig {
    /// Opens everything.
    pub token: String,
    /// Brings functions into service.
    pub deployer: Arc<Deployer>,
    /// Where components are kept.
    pub registry: Arc<Registry>,
    /// What is in service.
    pub routes: Arc<Table>,
    /// What functions wrote.
    pub logs: Arc<Logs>,
    /// False while the host starts or stops.
    pub ready: Arc<AtomicBool>,
    /// What the host is.
    pub host: HostInfo,
    /// What it counts.
    pub observed: Observed,
}

pub(super) type Shared = State<Arc<AdminConfig>>;

/// The admin API's routes.
pub fn router(config: AdminConfig) -> Router {
    let config = Arc::new(config);
    let guarded = Router::new()
        .route("/metrics", get(metrics::metrics))
        .route("/v1/host", get(host))
        .route("/v1/functions", get(list))
        .route("/v1/functions/{name}", delete(remove))
        .route("/v1/functions/{name}/versions", post(deploy))
        .route("/v1/functions/{name}/logs", get(logs))
        .route("/v1/components/{digest}", put(upload).head(has_component))
        .layer(middleware::from_fn_with_state(config.clone(), authorize));
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .merge(guarded)
        .with_state(config)
}

async fn ready(State(config): Shared) -> (StatusCode, &'static str) {
    if config.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    }
}

/// Lets a request with the token through. The comparison takes the same time
/// whatever is wrong.
async fn authorize(
    State(config): Shared,
    request: Request,
    next: Next,
) -> Result<Response, AdminError> {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .unwrap_or_default();
    if bool::from(given.ct_eq(config.token.as_bytes())) {
        Ok(next.run(request).await)
    } else {
        Err(AdminError::Unauthorized)
    }
}

async fn host(State(config): Shared) -> Result<Json<Value>, AdminError> {
    let looking = config.clone();
    let checks = on_disk(move || {
        let deployed = looking.routes.deployed();
        let versions: Vec<_> = deployed.iter().map(|it| it.version.clone()).collect();
        Ok::<_, AdminError>(looking.host.checks(&looking.registry, &versions))
    });
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "checks": checks.await?,
        "settings": config.host.settings,
    })))
}

async fn list(State(config): Shared) -> Json<Value> {
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

async fn has_component(
    State(config): Shared,
    Path(digest): Path<String>,
) -> Result<StatusCode, AdminError> {
    let digest = parse_digest(&digest)?;
    Ok(match config.registry.component(&digest) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    })
}

/// Keeps a component under its digest, as it streams in. Sending one that the
/// host has costs nothing: `HEAD` tells.
async fn upload(
    State(config): Shared,
    Path(digest): Path<String>,
    body: Body,
) -> Result<StatusCode, AdminError> {
    let digest = parse_digest(&digest)?;
    let registry = config.registry.clone();
    let mut file = on_disk(move || registry.new_upload()).await?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(|error| AdminError::BadRequest(format!("the upload broke off: {error}")))?;
        size += chunk.len() as u64;
        if size > MAX_COMPONENT {
            return Err(AdminError::TooLarge(MAX_COMPONENT));
        }
        hash.update(&chunk);
        file = on_disk(move || {
            file.write_all(&chunk).map(|()| file).map_err(|error| {
                AdminError::BadRequest(format!("the component cannot be stored: {error}"))
            })
        })
        .await?;
    }
    let found = Digest::from_hash(hash);
    if found != digest {
        return Err(AdminError::BadRequest(format!(
            "the component's SHA-256 is {found}, not {digest}: send it again"
        )));
    }
    let registry = config.registry.clone();
    on_disk(move || registry.publish_component(file, &digest)).await?;
    Ok(StatusCode::CREATED)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeployRequest {
    component: Digest,
    manifest: Manifest,
}

async fn deploy(
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

async fn remove(State(config): Shared, Path(name): Path<String>) -> Result<StatusCode, AdminError> {
    let name = parse_name(&name)?;
    if config.deployer.remove(&name).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(AdminError::UnknownFunction(name.to_string()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogsQuery {
    #[serde(default = "default_tail")]
    tail: usize,
    #[serde(default)]
    follow: bool,
}

fn default_tail() -> usize {
    100
}

/// A function's log lines, one JSON object a line.
async fn logs(
    State(config): Shared,
    Path(name): Path<String>,
    Query(query): Query<LogsQuery>,
) -> Result<Response, AdminError> {
    let name = parse_name(&name)?;
    if !config
        .routes
        .deployed()
        .iter()
        .any(|it| *it.version.id.function() == name)
    {
        return Err(AdminError::UnknownFunction(name.to_string()));
    }
    let (lines, followed) = config.logs.read(&name, query.tail);
    let lines = stream::iter(lines);
    let body = if query.follow {
        let followed = stream::unfold((followed, name), |(mut followed, name)| async move {
            loop {
                match followed.recv().await {
                    Ok(line) if line.function == name => return Some((line, (followed, name))),
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        Body::from_stream(lines.chain(followed).map(to_json_line))
    } else {
        Body::from_stream(lines.map(to_json_line))
    };
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

fn to_json_line(line: crate::telemetry::LogLine) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = serde_json::to_vec(&line)?;
    json.push(b'\n');
    Ok(json)
}

fn parse_name(name: &str) -> Result<FunctionName, AdminError> {
    name.parse()
        .map_err(|error: crate::names::NameError| AdminError::BadRequest(error.to_string()))
}

fn parse_digest(digest: &str) -> Result<Digest, AdminError> {
    digest
        .parse()
        .map_err(|error: &str| AdminError::BadRequest(error.to_owned()))
}

/// Runs `work`, which may wait for the disk, off the event loop.
async fn on_disk<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, AdminError>
where
    T: Send + 'static,
    E: Into<AdminError> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .expect("disk work does not panic")
        .map_err(Into::into)
}
