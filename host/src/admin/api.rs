//! The admin API, under `/v1`: REST in JSON, opened by a bearer token.

use super::deploy::Deployer;
use super::error::AdminError;
use super::host_info::HostInfo;
use super::metrics::{self, Observed};
use super::{components, functions, logs};
use crate::names::FunctionName;
use crate::registry::Registry;
use crate::routing::Table;
use crate::telemetry::Logs;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::{StatusCode, header};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use subtle::ConstantTimeEq as _;

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
        .route("/v1/functions", get(functions::list))
        .route(
            "/v1/functions/{name}",
            get(functions::show).delete(functions::remove),
        )
        .route(
            "/v1/functions/{name}/versions",
            get(functions::versions).post(functions::deploy),
        )
        .route(
            "/v1/functions/{name}/deployment",
            get(functions::deployment).put(functions::split),
        )
        .route(
            "/v1/functions/{name}/deployments",
            get(functions::deployments),
        )
        .route("/v1/functions/{name}/rollback", post(functions::roll_back))
        .route("/v1/functions/{name}/logs", get(logs::read))
        .route(
            "/v1/components/{digest}",
            put(components::upload).head(components::has_component),
        )
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
        let functions = looking.routes.functions();
        let deployed = functions.iter().flat_map(|it| it.versions());
        let versions: Vec<_> = deployed.map(|it| it.version.clone()).collect();
        Ok::<_, AdminError>(looking.host.checks(&looking.registry, &versions))
    });
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "checks": checks.await?,
        "settings": config.host.settings,
    })))
}

pub(super) fn parse_name(name: &str) -> Result<FunctionName, AdminError> {
    name.parse()
        .map_err(|error: crate::names::NameError| AdminError::BadRequest(error.to_string()))
}

/// Runs `work`, which may wait for the disk, off the event loop.
pub(super) async fn on_disk<T, E>(
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
