//! What the host counts, in the form that Prometheus scrapes (OpenMetrics 1.0).

use crate::names::FunctionName;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Upper bounds of the histogram of durations, in seconds.
const SECONDS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFunction {
    function: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfInvocation {
    function: String,
    lane: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFailure {
    function: String,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoute {
    function: String,
    method: String,
    path: String,
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// With an answer of the function, whole.
    Answered,
    /// With a failure, before or after the answer's head.
    Failed,
    /// The caller went away.
    Cancelled,
}

impl Outcome {
    /// Its name, in labels and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Everything that the host counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    invocations: Family<OfInvocation, Counter>,
    failures: Family<OfFailure, Counter>,
    seconds: Family<OfFunction, Histogram>,
    cpu_seconds: Family<OfFunction, Counter<f64, AtomicU64>>,
    promotions: Family<OfFunction, Counter>,
    running: Family<OfFunction, Gauge>,
    learned: Family<OfRoute, Gauge<f64, AtomicU64>>,
    quarantined: Family<OfRoute, Gauge>,
    instances: Gauge,
    loaded: Gauge,
    waiting: Gauge,
    connections: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut metrics = Self {
            registry: Registry::with_prefix("dunlin"),
            invocations: Family::default(),
            failures: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            cpu_seconds: Family::default(),
            promotions: Family::default(),
            running: Family::default(),
            learned: Family::default(),
            quarantined: Family::default(),
            instances: Gauge::default(),
            loaded: Gauge::default(),
            waiting: Gauge::default(),
            connections: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let all = &mut self.registry;
        all.register(
            "invocations",
            "Invocations that have ended, by the lane they ended on",
            self.invocations.clone(),
        );
        all.register(
            "failures",
            "Answers of the host in place of a function's, by code",
            self.failures.clone(),
        );
        all.register_with_unit(
            "invocation",
            "From the request's head to the answer's last byte",
            Unit::Seconds,
            self.seconds.clone(),
        );
        all.register_with_unit(
            "cpu",
            "CPU time of invocations that were long enough to be measured",
            Unit::Seconds,
            self.cpu_seconds.clone(),
        );
        all.register(
            "promotions",
            "Instances moved from the async lane to the blocking lane",
            self.promotions.clone(),
        );
        all.register(
            "running",
            "Invocations that run or wait now",
            self.running.clone(),
        );
        all.register_with_unit(
            "learned_route_cpu",
            "Most CPU time of an invocation of a route that is declared async and computes",
            Unit::Seconds,
            self.learned.clone(),
        );
        all.register(
            "quarantined_route",
            "Routes that keep crashing and whose requests get instances of their own",
            self.quarantined.clone(),
        );
        all.register("instances", "Instances that live", self.instances.clone());
        all.register(
            "loaded_versions",
            "Versions whose code is in memory",
            self.loaded.clone(),
        );
        all.register(
            "waiting",
            "Invocations that wait for a start on the blocking lane",
            self.waiting.clone(),
        );
        all.register(
            "connections",
            "Connections of the public listener",
            self.connections.clone(),
        );
    }

    /// Counts a failure of the host, of `function` where there is one.
    pub fn failed(&self, function: Option<&FunctionName>, code: &'static str) {
        let function = function.map_or_else(String::new, |name| name.as_str().to_owned());
        self.failures
            .get_or_create(&OfFailure { function, code })
            .inc();
    }

    /// The meters of one function.
    pub fn of(&self, function: &FunctionName) -> FunctionMetrics {
        let function = function.as_str();
        let of_function = OfFunction {
            function: function.to_owned(),
        };
        let ended = |lane| {
            [Outcome::Answered, Outcome::Failed, Outcome::Cancelled].map(|outcome| {
                let function = function.to_owned();
                let labels = OfInvocation {
                    function,
                    lane,
                    outcome: outcome.as_str(),
                };
                self.invocations.get_or_create_owned(&labels)
            })
        };
        FunctionMetrics {
            ended: [ended("async"), ended("blocking")],
            seconds: self.seconds.get_or_create_owned(&of_function),
            cpu_seconds: self.cpu_seconds.get_or_create_owned(&of_function),
            promotions: self.promotions.get_or_create_owned(&of_function),
        }
    }

    /// All that was counted, with what is true `now`, as Prometheus reads it.
    pub fn render(&self, now: &Now) -> String {
        self.instances.set(gauge(now.instances));
        self.loaded.set(gauge(now.loaded));
        self.waiting.set(gauge(now.waiting));
        self.connections.set(gauge(now.connections));
        self.running.clear();
        for (function, running) in &now.running {
            let function = function.as_str().to_owned();
            self.running
                .get_or_create(&OfFunction { function })
                .set(gauge(*running));
        }
        self.learned.clear();
        self.quarantined.clear();
        for route in &now.routes {
            let labels = OfRoute {
                function: route.function.as_str().to_owned(),
                method: route.method.clone(),
                path: route.path.clone(),
            };
            if let Some(cpu) = route.learned {
                self.learned.get_or_create(&labels).set(cpu.as_secs_f64());
            }
            if route.is_quarantined {
                self.quarantined.get_or_create(&labels).set(1);
            }
        }
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("writing to a string does not fail");
        out
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What is true at the moment of a scrape.
#[derive(Debug, Default)]
pub struct Now {
    /// Instances that live.
    pub instances: usize,
    /// Versions whose code is in memory.
    pub loaded: usize,
    /// Invocations that wait for a start on the blocking lane.
    pub waiting: usize,
    /// Connections of the public listener.
    pub connections: usize,
    /// Invocations at once, by function.
    pub running: Vec<(FunctionName, usize)>,
    /// Routes of which something was learned.
    pub routes: Vec<RouteNow>,
}

/// What was learned about one route.
#[derive(Debug)]
pub struct RouteNow {
    /// Whose route it is.
    pub function: FunctionName,
    /// Its method.
    pub method: String,
    /// Its path template.
    pub path: String,
    /// The most CPU time of an invocation, if it starts on the blocking lane
    /// though it is declared async.
    pub learned: Option<Duration>,
    /// Each of its requests gets an instance of its own.
    pub is_quarantined: bool,
}

/// The meters of one function: found once, so that counting costs no lookup.
#[derive(Clone, Debug)]
pub struct FunctionMetrics {
    /// By lane, then by outcome.
    ended: [[Counter; 3]; 2],
    seconds: Histogram,
    cpu_seconds: Counter<f64, AtomicU64>,
    /// Instances moved to the blocking lane.
    pub promotions: Counter,
}

impl FunctionMetrics {
    /// Counts an invocation that has ended.
    pub fn ended(&self, on_blocking_lane: bool, outcome: Outcome, took: Duration, cpu: Duration) {
        self.ended[usize::from(on_blocking_lane)][outcome as usize].inc();
        self.seconds.observe(took.as_secs_f64());
        if !cpu.is_zero() {
            self.cpu_seconds.inc_by(cpu.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_rendered_with_what_is_true_now() {
        let metrics = Metrics::default();
        let shop: FunctionName = "shop".parse().unwrap();
        metrics.failed(Some(&shop), "guest-trap");
        let of_shop = metrics.of(&shop);
        of_shop.ended(
            true,
            Outcome::Answered,
            Duration::from_millis(20),
            Duration::from_millis(15),
        );
        let route = |is_quarantined| RouteNow {
            function: shop.clone(),
            method: "GET".to_owned(),
            path: "/{id}".to_owned(),
            learned: None,
            is_quarantined,
        };
        let now = Now {
            instances: 3,
            loaded: 2,
            routes: vec![route(true)],
            ..Now::default()
        };
        let text = metrics.render(&now);
        for line in [
            "dunlin_invocations_total{function=\"shop\",lane=\"blocking\",outcome=\"answered\"} 1",
            "dunlin_failures_total{function=\"shop\",code=\"guest-trap\"} 1",
            "dunlin_invocation_seconds_count{function=\"shop\"} 1",
            "dunlin_cpu_seconds_total{function=\"shop\"} 0.015",
            "dunlin_instances 3",
            "dunlin_loaded_versions 2",
            "dunlin_quarantined_route{function=\"shop\",method=\"GET\",path=\"/{id}\"} 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
        }
        let later = metrics.render(&Now::default());
        assert!(!later.contains("quarantined_route{"), "{later}");
    }
}
