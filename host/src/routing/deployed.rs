//! A version that gets traffic, its routes, and where one request goes.

use super::canary::Tally;
use super::docs::{Docs, ServedDocument};
use super::function::{FunctionRoutes, Matched};
use super::habit::{Now, Quarantine};
use super::lane_hint::LaneHint;
use super::table::RouteError;
use crate::names::FunctionName;
use crate::registry::{Isolation, Lane, OnDisconnect, RouteKind, RouteSpec, Version};
use crate::telemetry::FunctionMetrics;
use http::Uri;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A route by its position in the version's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteId(pub u32);

/// A version that gets traffic.
#[derive(Debug)]
pub struct Deployed {
    /// Which one.
    pub version: Arc<Version>,
    routes: FunctionRoutes,
    learned: Vec<Learned>,
    /// Invocations of the function, whatever the version.
    running: Arc<AtomicUsize>,
    metrics: FunctionMetrics,
    pub(super) tally: Tally,
    document: OnceLock<ServedDocument>,
    /// Cancelled when it gets no more traffic.
    left: CancellationToken,
}

/// What a route's invocations taught about it, until its version is replaced or
/// the host stops.
#[derive(Debug)]
struct Learned {
    lane: LaneHint,
    quarantine: Quarantine,
}

impl Deployed {
    pub(super) fn new(
        version: Arc<Version>,
        routes: FunctionRoutes,
        running: Arc<AtomicUsize>,
        metrics: FunctionMetrics,
    ) -> Self {
        let routes_of = version.description.routes.iter();
        let learned = routes_of.map(|route| Learned {
            lane: LaneHint::new(route.lane),
            quarantine: Quarantine::default(),
        });
        Self {
            learned: learned.collect(),
            version,
            routes,
            running,
            metrics,
            tally: Tally::default(),
            document: OnceLock::new(),
            left: CancellationToken::new(),
        }
    }

    /// It gets no more traffic: WebSockets end, so that their clients connect
    /// to what does.
    pub fn leave(&self) {
        self.left.cancel();
    }

    /// What answers `method` at `uri`, whose first `mount_len` bytes name the
    /// function: a page of the host, unless the function has a route at the
    /// very same path, or else a route.
    ///
    /// # Errors
    ///
    /// When nothing does.
    pub fn find(
        self: &Arc<Self>,
        method: &str,
        uri: &Uri,
        mount_len: usize,
    ) -> Result<Found, RouteError> {
        if let Some(docs) = Docs::find(self, method, uri, mount_len) {
            return Ok(Found::Docs(docs));
        }
        let path = match &uri.path()[mount_len..] {
            "" => "/",
            below => below,
        };
        let function = || self.version.id.function().clone();
        let id = match self.routes.find(method, path) {
            Matched::Route(id) => id,
            Matched::OtherMethods(allow) => {
                return Err(RouteError::MethodNotAllowed {
                    function: function(),
                    allow,
                });
            }
            Matched::Nothing => return Err(RouteError::NoRoute(function())),
        };
        let learned = &self.learned[id as usize];
        let lane = learned.lane.lane();
        let isolation = match self.version.isolation(lane) {
            Isolation::Shared if learned.quarantine.is_known() => learned.quarantine.isolation(),
            isolation => isolation,
        };
        Ok(Found::Route(Route {
            isolation,
            deployed: self.clone(),
            id: RouteId(id),
            lane,
            mount_len,
        }))
    }

    /// The version's OpenAPI document, if it brought one.
    pub fn document(&self) -> Option<&ServedDocument> {
        let document = self.version.description.openapi.as_ref()?;
        let mount = self.version.manifest.mount.as_str();
        Some(
            self.document
                .get_or_init(|| ServedDocument::new(document, mount)),
        )
    }

    /// The most CPU time that an invocation of a route used, if the route was
    /// declared async and turned out to belong on the blocking lane.
    pub fn learned(&self, id: RouteId) -> Option<Duration> {
        self.learned[id.0 as usize].lane.learned()
    }

    /// Whether the route keeps crashing and is kept apart for that.
    pub fn is_quarantined(&self, id: RouteId) -> bool {
        self.learned[id.0 as usize]
            .quarantine
            .is_in_force(Now::read())
    }

    /// Invocations of the function at once.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }
}

/// What answers one request.
#[derive(Clone, Debug)]
pub enum Found {
    /// The function.
    Route(Route),
    /// The host, in its name.
    Docs(Docs),
}

impl Found {
    /// Whose address it is.
    pub fn function(&self) -> &FunctionName {
        match self {
            Self::Route(route) => route.function(),
            Self::Docs(docs) => docs.function(),
        }
    }
}

/// Where one request goes.
#[derive(Clone, Debug)]
pub struct Route {
    deployed: Arc<Deployed>,
    id: RouteId,
    lane: Lane,
    isolation: Isolation,
    mount_len: usize,
}

impl Route {
    /// The version that answers.
    pub fn version(&self) -> &Arc<Version> {
        &self.deployed.version
    }

    /// The function that answers.
    pub fn function(&self) -> &FunctionName {
        self.version().id.function()
    }

    /// Method and path template, for people.
    pub fn spec(&self) -> &RouteSpec {
        &self.version().description.routes[self.id.0 as usize]
    }

    /// Counts the function's invocations at once.
    pub fn running(&self) -> &Arc<AtomicUsize> {
        &self.deployed.running
    }

    /// How many of them the function may have.
    pub fn max_running(&self) -> usize {
        let limit = self.version().limits.concurrency.get();
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    /// Notes that an invocation had to be moved to the blocking lane; true when
    /// from now on the route starts there.
    pub fn promoted(&self) -> bool {
        self.deployed.metrics.promotions.inc();
        self.learned().lane.promoted()
    }

    /// The most CPU time that an invocation used, if the route was learned.
    pub fn learned_cpu(&self) -> Option<Duration> {
        self.deployed.learned(self.id)
    }

    /// Notes that an invocation was interrupted on the async lane and had still
    /// more to compute.
    pub fn interrupted(&self) {
        self.learned().lane.interrupted();
    }

    /// Whether its invocations keep computing, if not for so long that they are
    /// promoted: who shares an instance with one of them waits for it.
    pub fn computes(&self) -> bool {
        self.learned().lane.computes()
    }

    /// Notes that an invocation took its instance down. When that makes it a
    /// habit, the route's requests get instances of their own from now on: for
    /// how long is returned.
    ///
    /// A route whose requests have instances of their own anyhow is left as it
    /// is: its crashes concern nobody else.
    pub fn crashed(&self) -> Option<Duration> {
        if self.version().isolation(self.lane) != Isolation::Shared {
            return None;
        }
        let begins = self.learned().quarantine.crashed(Now::read());
        begins.then_some(Quarantine::LENGTH)
    }

    /// Counts an invocation that ended, for the comparison of versions.
    pub fn ended(&self, failed: bool) {
        self.deployed.tally.count(failed);
    }

    /// The function's meters.
    pub fn metrics(&self) -> &FunctionMetrics {
        &self.deployed.metrics
    }

    /// Notes the CPU time of an invocation that computed.
    pub fn used(&self, cpu: Duration) {
        self.learned().lane.used(cpu);
    }

    fn learned(&self) -> &Learned {
        &self.deployed.learned[self.id.0 as usize]
    }

    /// Which of its routes.
    pub fn id(&self) -> RouteId {
        self.id
    }

    /// Whether its requests become WebSockets.
    pub fn is_websocket(&self) -> bool {
        self.spec().kind == RouteKind::WebSocket
    }

    /// Cancelled when the version gets no more traffic.
    pub fn left(&self) -> &CancellationToken {
        &self.deployed.left
    }

    /// Whether an invocation goes on when its caller goes away. A WebSocket is
    /// nothing without its caller.
    pub fn finishes(&self) -> bool {
        self.version().manifest.on_disconnect == OnDisconnect::Finish && !self.is_websocket()
    }

    /// The lane on which the invocation starts.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Who shares the instance.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// The same route in an instance that no other invocation shares.
    pub fn alone(&self) -> Self {
        Self {
            isolation: Isolation::Serial,
            ..self.clone()
        }
    }

    /// Whether many invocations share the instance.
    pub fn is_shared(&self) -> bool {
        self.isolation == Isolation::Shared
    }

    /// The part of the path that names the function; empty at the root.
    pub fn prefix<'a>(&self, uri: &'a Uri) -> &'a str {
        uri.path().get(..self.mount_len).unwrap_or_default()
    }

    /// Path and query as the function sees them: below its mount.
    pub fn target<'a>(&self, uri: &'a Uri) -> &'a str {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        target.get(self.mount_len..).unwrap_or("/")
    }
}
