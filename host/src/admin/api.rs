//! The admin API, under `/v1`: REST in JSON, opened by a bearer token.

use super::deploy::Deployer;
use super::error::AdminError;
use super::failures::FailedAttempts;
use super::host_info::HostInfo;
use super::metrics::{self, Observed};
use super::{audit, auth, components, functions, logs, secrets, tokens};
use crate::names::FunctionName;
use crate::registry::Registry;
use crate::routing::Table;
use crate::telemetry::Logs;
use axum::extract::State;
use axum::middleware;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the admin API works on.
pub struct AdminConfig {
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
    /// Who failed to get in.
    pub failures: FailedAttempts,
}

pub(super) type Shared = State<Arc<AdminConfig>>;

/// The admin API's routes. They need to know who asks:
/// `into_make_service_with_connect_info`.
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
        .route("/v1/functions/{name}/secrets", get(secrets::list))
        .route(
            "/v1/functions/{name}/secrets/{key}",
            put(secrets::set).delete(secrets::remove),
        )
        .route("/v1/tokens", get(tokens::list).post(tokens::create))
        .route("/v1/tokens/{id}", delete(tokens::remove))
        .route("/v1/audit", get(audit::read))
        .layer(middleware::from_fn_with_state(config.clone(), auth::guard));
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
        "scheme": config.host.public.scheme,
        "listen": config.host.public.listen,
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
