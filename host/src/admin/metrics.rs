//! `GET /metrics`: what was counted, and what is true now.

use super::answers::documented;
use super::api::Shared;
use super::host_info::HostInfo;
use crate::routing::{Deployed, RouteId, Table};
use crate::runtime::Instances;
use crate::scheduling::Lanes;
use crate::telemetry::{Metrics, Now, RouteNow};
use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Documented};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use std::sync::Arc;

/// OpenMetrics 1.0, as Prometheus asks for it.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is scraped.
pub struct Observed {
    /// What was counted.
    pub metrics: Arc<Metrics>,
    /// Who runs and who waits.
    pub lanes: Arc<Lanes>,
    /// What is in memory.
    pub instances: Arc<Instances>,
}

pub(super) async fn metrics(State(config): Shared) -> OpenMetrics {
    let now = config.observed.now(&config.routes, &config.host);
    OpenMetrics(config.observed.metrics.render(&now))
}

/// Metrics as text.
pub(super) struct OpenMetrics(String);

impl IntoResponse for OpenMetrics {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, CONTENT_TYPE)], self.0).into_response()
    }
}

impl OperationOutput for OpenMetrics {
    type Inner = String;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let text = documented("OpenMetrics 1.0.", "application/openmetrics-text", None);
        vec![(Some(200), text)]
    }
}

impl Observed {
    fn now(&self, routes: &Table, host: &HostInfo) -> Now {
        let mut now = Now {
            instances: host.engine.instances(),
            loaded: self.instances.loaded(),
            waiting: self.lanes.turns().waiting(),
            connections: self.lanes.connections(),
            ..Now::default()
        };
        for function in routes.functions() {
            now.running
                .push((function.function().clone(), function.running()));
            now.routes
                .extend(function.versions().iter().flat_map(|it| remarkable(it)));
        }
        now
    }
}

/// The routes of a version that turned out other than declared.
fn remarkable(deployed: &Deployed) -> Vec<RouteNow> {
    let mut routes = Vec::new();
    for (id, spec) in (0..).zip(&deployed.version.description.routes) {
        let route = RouteNow {
            function: deployed.version.id.function().clone(),
            method: spec.method.clone(),
            path: spec.path.clone(),
            learned: deployed.learned(RouteId(id)),
            is_quarantined: deployed.is_quarantined(RouteId(id)),
        };
        if route.learned.is_some() || route.is_quarantined {
            routes.push(route);
        }
    }
    routes
}
