//! The admin API, under `/v1`: REST in JSON, opened by a bearer token.

use super::answers::Ready;
use super::deploy::Deployer;
use super::document::{self, guarded, open};
use super::error::AdminError;
use super::failures::FailedAttempts;
use super::host_info::{Check, HostInfo, Public, Setting};
use super::metrics::{self, Observed};
use super::{audit, auth, components, functions, logs, openapi, secrets, tokens};
use crate::arriving::Arriving;
use crate::registry::{Registry, on_disk};
use crate::routing::Table;
use crate::telemetry::Logs;
use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, post_with, put_with};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware;
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::Serialize;
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

/// The admin API's routes. They need to know who asks: [`serve`](super::serve)
/// tells them.
pub fn router(config: AdminConfig) -> Router {
    let config = Arc::new(config);
    let guarded = document::start()
        .api_route(
            "/metrics",
            get_with(
                metrics::metrics,
                guarded(
                    "metrics",
                    "What was counted, and what is true now, for Prometheus",
                ),
            ),
        )
        .api_route(
            "/v1/host",
            get_with(
                host,
                guarded("host", "What the host runs with, and how it fares"),
            ),
        )
        .api_route(
            "/v1/openapi.json",
            get_with(document::read, guarded("document", "This document")),
        )
        .api_route(
            "/v1/functions",
            get_with(functions::list, guarded("functions", "What is deployed")),
        )
        .api_route(
            "/v1/functions/{name}",
            get_with(functions::show, guarded("function", "One function")).delete_with(
                functions::remove,
                guarded("remove", "Takes a function out of service and forgets it"),
            ),
        )
        .api_route(
            "/v1/functions/{name}/versions",
            get_with(
                functions::versions,
                guarded("versions", "The versions that are kept, the newest first"),
            )
            .post_with(
                functions::deploy,
                guarded(
                    "deploy",
                    "Makes a version of a component and gives it traffic",
                ),
            ),
        )
        .api_route(
            "/v1/functions/{name}/deployment",
            get_with(
                functions::deployment,
                guarded("deployment", "Who gets the traffic"),
            )
            .put_with(
                functions::split,
                guarded("split", "Divides the traffic among versions"),
            ),
        )
        .api_route(
            "/v1/functions/{name}/deployments",
            get_with(
                functions::deployments,
                guarded("deployments", "Who got the traffic, the latest first"),
            ),
        )
        .api_route(
            "/v1/functions/{name}/rollback",
            post_with(
                functions::roll_back,
                guarded(
                    "rollback",
                    "Gives the traffic back to whoever had it before",
                ),
            ),
        )
        .api_route(
            "/v1/functions/{name}/logs",
            get_with(logs::read, guarded("logs", "What a function logged")),
        )
        .api_route(
            "/v1/functions/{name}/openapi.json",
            get_with(
                openapi::read,
                guarded("functionDocument", "What a function says of its routes"),
            ),
        )
        .api_route(
            "/v1/components/{digest}",
            put_with(
                components::upload,
                guarded("upload", "Sends a component, under its digest"),
            )
            .head_with(
                components::has_component,
                guarded("hasComponent", "Whether the host has a component"),
            ),
        )
        .api_route(
            "/v1/functions/{name}/secrets",
            get_with(
                secrets::list,
                guarded("secrets", "The names of a function's secrets"),
            ),
        )
        .api_route(
            "/v1/functions/{name}/secrets/{key}",
            put_with(secrets::set, guarded("setSecret", "Sets a secret"))
                .delete_with(secrets::remove, guarded("removeSecret", "Forgets a secret")),
        )
        .api_route(
            "/v1/tokens",
            get_with(
                tokens::list,
                guarded("tokens", "What is known of the tokens"),
            )
            .post_with(tokens::create, guarded("createToken", "Makes a token")),
        )
        .api_route(
            "/v1/tokens/{id}",
            delete_with(tokens::remove, guarded("removeToken", "Removes a token")),
        )
        .api_route(
            "/v1/audit",
            get_with(audit::read, guarded("audit", "Who did what")),
        )
        .layer(middleware::from_fn_with_state(config.clone(), auth::guard));
    let router = ApiRouter::new()
        .api_route(
            "/healthz",
            get_with(
                async || "ok",
                open("healthz", "Answers while the process runs"),
            ),
        )
        .api_route(
            "/readyz",
            get_with(ready, open("readyz", "Whether the host takes connections")),
        )
        .merge(guarded)
        .layer(middleware::map_request(arriving));
    document::finish(router).with_state(config)
}

/// Who is turned away before all is sent gets the answer all the same.
async fn arriving(request: Request) -> Request {
    Arriving::request(request).map(Body::new)
}

async fn ready(State(config): Shared) -> Ready {
    Ready(config.ready.load(Ordering::Relaxed))
}

/// What the host runs with, and how it fares.
#[derive(Serialize, JsonSchema)]
struct HostAnswer {
    /// Of Dunlin.
    version: &'static str,
    #[serde(flatten)]
    public: Public,
    checks: Vec<Check>,
    settings: Vec<Setting>,
}

async fn host(State(config): Shared) -> Result<Json<HostAnswer>, AdminError> {
    let looking = config.clone();
    let checks = on_disk(move || {
        let functions = looking.routes.functions();
        let deployed = functions.iter().flat_map(|it| it.versions());
        let versions: Vec<_> = deployed.map(|it| it.version.clone()).collect();
        Ok::<_, AdminError>(looking.host.checks(&looking.registry, &versions))
    });
    Ok(Json(HostAnswer {
        version: env!("CARGO_PKG_VERSION"),
        public: config.host.public,
        checks: checks.await?,
        settings: config.host.settings.clone(),
    }))
}
