//! The path of a request through the host.

use super::account::{Account, Outgoing};
use super::chosen;
use super::connection::Peer;
use super::docs;
use super::error::{Detail, GatewayError};
use super::inbound::{self, Inbound};
use super::page::{self, Page};
use super::screen::screen;
use super::tls::Tls;
use super::websocket::{Handshake, Session};
use crate::arriving::Arriving;
use crate::capabilities::egress::Hops;
use crate::capabilities::{Invocation, Reader};
use crate::registry::Registry;
use crate::routing::{Found, Route, Table};
use crate::runtime::{Answer, Failure, Instances};
use crate::scheduling::Lanes;
use crate::telemetry::{Logs, Metrics, RequestId, Source};
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The gateway's limits.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Connections at once; the next ones wait in the system's backlog. Default
    /// 512: the open files that every system allows, less what else is open.
    pub max_connections: usize,
    /// Longest wait for a connection's first request. Default 60 s.
    pub header_timeout: Duration,
    /// Longest that a connection may then be without a request. HTTP/1.1 can't
    /// tell a request that begins from none: there the shorter of the two
    /// bounds every head. Default 60 s.
    pub idle_timeout: Duration,
    /// Longest that a peer may take no byte of what waits for it; in HTTP/2, of
    /// any one stream. Default 60 s.
    pub write_timeout: Duration,
    /// What failures tell the caller. Default: nothing of the inside.
    pub detail: Detail,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            max_connections: 512,
            header_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            detail: Detail::Brief,
        }
    }
}

/// The data path: takes HTTP requests to functions and their answers back.
pub struct Gateway {
    pub(super) config: GatewayConfig,
    /// None: the listener speaks plain HTTP.
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) lanes: Arc<Lanes>,
    /// Cancelled when the host stops: connections finish what they have.
    pub(super) draining: CancellationToken,
    /// Invocations that go on without their callers.
    pub(super) detached: TaskTracker,
    pub(super) registry: Arc<Registry>,
    pub(super) routes: Arc<Table>,
    /// Held by the request whose token is looked up.
    pub(super) checking: Semaphore,
    instances: Arc<Instances>,
    logs: Arc<Logs>,
    metrics: Arc<Metrics>,
}

/// What a request passes after the gateway.
pub struct Stations {
    /// Where versions without traffic are found.
    pub registry: Arc<Registry>,
    /// Who answers.
    pub routes: Arc<Table>,
    /// When.
    pub lanes: Arc<Lanes>,
    /// In what.
    pub instances: Arc<Instances>,
}

impl Gateway {
    /// Joins the stations.
    pub fn new(
        config: GatewayConfig,
        tls: Option<Arc<Tls>>,
        stations: Stations,
        logs: Arc<Logs>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let Stations {
            registry,
            routes,
            lanes,
            instances,
        } = stations;
        Self {
            config,
            tls,
            lanes,
            draining: CancellationToken::new(),
            detached: TaskTracker::new(),
            checking: Semaphore::new(1),
            registry,
            routes,
            instances,
            logs,
            metrics,
        }
    }

    /// Answers one request, whatever happens. The request is boxed: each future
    /// on its way would hold a copy of it.
    pub(super) async fn answer(
        self: &Arc<Self>,
        request: Box<Request<Arriving>>,
        peer: &Arc<Peer>,
        reader: Arc<Reader>,
    ) -> Response<Outgoing> {
        let id = RequestId::given_or_new(request.headers().get(RequestId::HEADER));
        let (version, is_head) = (request.version(), request.method() == Method::HEAD);
        let detail = &self.config.detail;
        if let Detail::Development(builds) = detail {
            let stopping = self.draining.cancelled();
            let asked = page::answer_question(&request, builds, stopping);
            if let Some(response) = Box::pin(asked).await {
                return response;
            }
        }
        let page = Page::wanted(&request, detail);
        let mut response = match self.handle(request, peer, reader, &id).await {
            Ok(response) => response,
            Err((error, route)) => {
                self.log(&error, route.as_ref(), &id);
                let closes = error.is_ambiguous() && version <= Version::HTTP_11;
                let mut response = error.to_response(&id, detail);
                if let Some(page) = page {
                    page.show(&mut response, &error, route.as_ref(), &id, &self.logs);
                }
                if closes {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                response
            }
        };
        response
            .headers_mut()
            .entry(RequestId::HEADER)
            .or_insert_with(|| id.as_header().clone());
        if is_head || matches!(response.status().as_u16(), 204 | 304) {
            without_body(&mut response, is_head);
        }
        response
    }

    /// The way of a request. A failure comes with the route, once there is one.
    async fn handle(
        self: &Arc<Self>,
        request: Box<Request<Arriving>>,
        peer: &Arc<Peer>,
        reader: Arc<Reader>,
        id: &RequestId,
    ) -> Result<Response<Outgoing>, (GatewayError, Option<Route>)> {
        // First: after a message that is ambiguous the connection is closed.
        let host = screen(&request).map_err(|error| (error, None))?;
        let hops = Hops::of(request.headers());
        if hops.is_loop() {
            return Err((GatewayError::LoopDetected, None));
        }
        let found = if chosen::names_version(request.headers()) {
            Box::pin(self.chosen(host, &request)).await
        } else {
            let (method, key) = (request.method().as_str(), || chosen::key(request.headers()));
            let found = self.routes.resolve(host, method, request.uri(), key); // who answers
            found.map_err(GatewayError::from)
        };
        if let Detail::Development(builds) = &self.config.detail {
            let checked = builds.check(&request, host, &found);
            checked.map_err(|error| (error, None))?;
        }
        let route = match found.map_err(|error| (error, None))? {
            Found::Route(route) => route,
            Found::Docs(docs) => {
                let answer = Box::pin(docs::answer(&request, &docs)).await;
                return answer.map_err(|error| (error, None));
            }
        };
        let invocation = Arc::new(Invocation::new(id.clone(), hops, route, reader));
        let route = &invocation.route;
        let response = if route.is_websocket() {
            Box::pin(self.open(request, peer, &invocation)).await
        } else if route.finishes() {
            Box::pin(self.invoke_detached(request, peer, &invocation)).await
        } else {
            self.invoke(request, peer, &invocation).await
        };
        response.map_err(|error| (error, Some(route.clone())))
    }

    /// Runs an invocation that goes on when its caller goes away.
    async fn invoke_detached(
        self: &Arc<Self>,
        request: Box<Request<Arriving>>,
        peer: &Arc<Peer>,
        invocation: &Arc<Invocation>,
    ) -> Result<Response<Outgoing>, GatewayError> {
        let (gateway, peer, invocation) = (self.clone(), peer.clone(), invocation.clone());
        let (sender, answered) = oneshot::channel();
        let running = self.detached.spawn(async move {
            let answer = gateway.invoke(request, &peer, &invocation).await;
            // Dropped in here if nobody waits: what it leaves to do is tracked
            // before this is done.
            drop(sender.send(answer));
        });
        if let Ok(answer) = answered.await {
            return answer;
        }
        match running.await.map_err(JoinError::try_into_panic) {
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The lane ends, and this task with it.
            _ => Err(Failure::Draining.into()),
        }
    }

    /// Opens a WebSocket, if the function accepts it: its invocation goes on for
    /// as long as the connection.
    async fn open(
        &self,
        mut request: Box<Request<Arriving>>,
        peer: &Peer,
        invocation: &Arc<Invocation>,
    ) -> Result<Response<Outgoing>, GatewayError> {
        let handshake = Handshake::of(&mut request)?;
        let deadline = deadline(&invocation.route);
        let inbound = inbound::prepare(request, invocation, peer, deadline).await?;
        let (messages, body) = Session::incoming();
        let inbound = Inbound { body, ..inbound };
        let answer = self.call(inbound, invocation, deadline).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(answer);
        }
        let (session, answer) = Session::accepted(handshake, messages, answer, self.logs.clone());
        peer.switch(session);
        Ok(answer)
    }

    async fn invoke(
        &self,
        request: Box<Request<Arriving>>,
        peer: &Peer,
        invocation: &Arc<Invocation>,
    ) -> Result<Response<Outgoing>, GatewayError> {
        let deadline = deadline(&invocation.route);
        let inbound = inbound::prepare(request, invocation, peer, deadline).await?;
        self.call(inbound, invocation, deadline).await
    }

    async fn call(
        &self,
        inbound: Inbound,
        invocation: &Arc<Invocation>,
        deadline: Instant,
    ) -> Result<Response<Outgoing>, GatewayError> {
        let account = Account::open(invocation.clone());
        let route = &invocation.route;

        let again = inbound.to_repeat();
        let meter = inbound.meter.clone();
        let answer = match (self.run(route, inbound, invocation, deadline).await, again) {
            // Perhaps a bystander. Once more, alone: whoever is to blame fails
            // again and takes nobody along.
            (Err(GatewayError::Failed(failed)), Some(again)) if failed.with_others => {
                Box::pin(self.run(&route.alone(), again, invocation, deadline)).await
            }
            (answer, _) => answer,
        };
        // Whatever the function made of the part that it has seen.
        let answer = match answer {
            _ if meter.is_exceeded() => {
                let limit = route.version().limits.request_body;
                Err(GatewayError::BodyTooLarge(limit))
            }
            _ if meter.is_broken() => Err(GatewayError::BodyBroken),
            answer => answer,
        };
        match answer {
            Ok(answer) => Ok(account.answered(answer, &self.detached)),
            Err(error) => {
                account.failed(&error);
                Err(error)
            }
        }
    }

    async fn run(
        &self,
        route: &Route,
        inbound: Inbound,
        invocation: &Arc<Invocation>,
        deadline: Instant,
    ) -> Result<Response<Answer>, GatewayError> {
        let permit = self.lanes.admit(route, deadline).await?; // when, and on which lane
        let instance = self.instances.take(route, permit, deadline).await?;
        let Inbound { head, body, .. } = inbound;
        Ok(instance.call(head, body, invocation, deadline).await?) // guest code, limited
    }

    /// One line for each failure: in the host's log, and in the function's when
    /// it is about one.
    fn log(&self, error: &GatewayError, route: Option<&Route>, id: &RequestId) {
        self.metrics
            .failed(route.map(Route::function), error.code());
        match route {
            Some(route) => {
                let line = format!("{}: {error}", error.code());
                self.logs
                    .write(&route.version().id, Some(id), Source::Host, line);
            }
            None => {
                tracing::debug!(target: "dunlin", request_id = %id, "{}: {error}", error.code())
            }
        }
    }

    /// Starts the drain: connections answer what they have and close.
    pub fn drain(&self) {
        self.draining.cancel();
    }
}

/// Takes the body out of an answer that can have none (RFC 9110, section 6.4.1).
/// hyper does so only in HTTP/1.
fn without_body(response: &mut Response<Outgoing>, is_head: bool) {
    let length = response.body().size_hint().exact();
    if let Some(length) = length.filter(|_| is_head && !response.body().is_end_stream()) {
        let headers = response.headers_mut();
        headers
            .entry(header::CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
    response.body_mut().withhold();
}

/// Until when an invocation that begins now has to be done.
fn deadline(route: &Route) -> Instant {
    Instant::now() + route.version().limits.deadline.as_duration()
}
