//! `GET /metrics`: what was counted, and what is true now.

use super::api::Shared;
use super::host_info::HostInfo;
use crate::routing::{Deployed, RouteId, Table};
use crate::scheduling::Lanes;
use crate::telemetry::{Metrics, Now, RouteNow};
use axum::extract::State;
use axum::response::IntoResponse;
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
}

pub(super) async fn metrics(State(config): Shared) -> impl IntoResponse {
    let now = config.observed.now(&config.routes, &config.host);
    let text = config.observed.metrics.render(&now);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text)
}

impl Observed {
    fn now(&self, routes: &Table, host: &HostInfo) -> Now {
        let mut now = Now {
            instances: host.engine.instances(),
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
