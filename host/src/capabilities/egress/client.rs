//! The pooled HTTP client that carries a version's outgoing requests.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioTimer;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::connect::{
    CONCURRENT_LOOKUPS, Dial, EgressConnector, Resolve, SystemResolver, reachable,
};
use super::outgoing;
use super::progress::{Progress, Stalled};
use super::socket::Places;
use super::{Denial, EgressError, EgressPhase, Hops};
use crate::registry::{Destination, EgressPolicy, Host};

type BoxError = Box<dyn Error + Send + Sync>;
type RequestBody = UnsyncBoxBody<Bytes, GuestBodyError>;

/// What the host's configuration says about egress.
#[derive(Debug, Clone)]
pub struct EgressConfig {
    /// A PEM file with certificates of authorities to trust beside the public
    /// ones (those of Mozilla's list).
    pub ca_file: Option<PathBuf>,
    /// How long to wait for what.
    pub timeouts: EgressTimeouts,
    /// Outgoing connections at once, in use or kept for the next request; one
    /// version gets half of them at most. Default 256.
    pub max_connections: usize,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            ca_file: None,
            timeouts: EgressTimeouts::default(),
            max_connections: 256,
        }
    }
}

/// How long an outgoing request waits for what. All of them end inside the
/// invocation's deadline, whatever they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EgressTimeouts {
    /// Name, TCP and TLS together. Default 10 s.
    pub connect: Duration,
    /// To the head of the response, counted from when the request last got on:
    /// a long upload is not a silent peer. Default 30 s.
    pub response_head: Duration,
    /// How long an unused connection is kept. Default 90 s.
    pub idle: Duration,
}

impl Default for EgressTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            response_head: Duration::from_secs(30),
            idle: Duration::from_secs(90),
        }
    }
}

/// Why egress cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum EgressSetupError {
    /// The file of authorities cannot be read as PEM.
    #[error("`{}` (`egress.ca_file`) is not a readable PEM file", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The file of authorities holds none, which is never what was meant.
    #[error("`{}` (`egress.ca_file`) holds no certificate: expected `BEGIN CERTIFICATE`", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// TLS refuses an authority, or itself.
    #[error("TLS for egress cannot be set up: check `egress.ca_file`")]
    Tls(#[from] rustls::Error),
}

/// What all outgoing traffic of the host shares: trust, resolver, time limits,
/// and the runtimes that drive the connections.
#[derive(Clone)]
pub struct Egress {
    tls: Arc<rustls::ClientConfig>,
    resolver: Arc<dyn Resolve>,
    timeouts: EgressTimeouts,
    max_connections: usize,
    places: Arc<Semaphore>,
    runtime: Handle,
    event_loops: Vec<Handle>,
}

impl Egress {
    /// Sets egress up. Connections are driven by `runtime`, whichever lane asks:
    /// a socket that belonged to the blocking lane would wait behind the guests
    /// that compute there, and be reused by the async lane.
    ///
    /// # Errors
    /// When `ca_file` is unreadable or holds something other than certificates.
    pub fn new(config: &EgressConfig, runtime: Handle) -> Result<Self, EgressSetupError> {
        Ok(Self {
            tls: Arc::new(tls(config)?),
            resolver: Arc::new(SystemResolver),
            timeouts: config.timeouts,
            max_connections: config.max_connections,
            places: Arc::new(Semaphore::new(config.max_connections)),
            runtime,
            event_loops: Vec::new(),
        })
    }

    /// Each of these drives the connections that are asked for on it, so that a
    /// call crosses no thread.
    pub fn with_event_loops(self, event_loops: Vec<Handle>) -> Self {
        Self {
            event_loops,
            ..self
        }
    }

    /// The same with another resolver.
    pub fn with_resolver(self, resolver: impl Resolve) -> Self {
        Self {
            resolver: Arc::new(resolver),
            ..self
        }
    }

    /// The client of one version, with connection pools of its own.
    ///
    /// Pools are not shared between versions, for two reasons. A pooled
    /// connection was checked against one policy, and another may forbid its
    /// address. And the streams of an HTTP/2 connection share one window: a
    /// function that does not read its responses would stall its neighbours'.
    /// The price is a handshake per version and peer. Idle connections go with
    /// the last clone of the client; exchanges in flight finish.
    pub fn client(&self, policy: EgressPolicy) -> EgressClient {
        let policy = Arc::new(policy);
        let dial = Dial {
            policy: Arc::clone(&policy),
            resolver: Arc::clone(&self.resolver),
            lookups: Arc::new(Semaphore::new(CONCURRENT_LOOKUPS)),
            timeouts: self.timeouts,
            places: Places::of_version(&self.places, self.max_connections),
        };
        let runtimes = std::iter::once(&self.runtime).chain(&self.event_loops);
        EgressClient {
            policy,
            pools: runtimes.map(|it| self.pool(&dial, it)).collect(),
            timeouts: self.timeouts,
        }
    }

    fn pool(&self, dial: &Dial, runtime: &Handle) -> Pool {
        let connector = EgressConnector {
            dial: dial.clone(),
            tls: Arc::clone(&self.tls),
            runtime: runtime.clone(),
        };
        let client = Client::builder(On(runtime.clone()))
            .pool_idle_timeout(self.timeouts.idle)
            .pool_max_idle_per_host(32)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            // One stream may use an eighth of the connection's window: some that
            // are not read leave the others room. 4 MiB bounds what a peer can
            // make the host buffer.
            .http2_initial_stream_window_size(512 * 1024)
            .http2_initial_connection_window_size(4 * 1024 * 1024)
            // Finds out about dead peers, whose streams would each wait in turn.
            .http2_keep_alive_interval(Duration::from_secs(20))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            // A reused connection that turns out closed costs the guest nothing:
            // what was not sent at all is sent on a new one.
            .retry_canceled_requests(true)
            .build(connector);
        Pool {
            runtime: runtime.clone(),
            client,
        }
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// Sends the requests of one version under its policy. Cheap to clone.
#[derive(Clone)]
pub struct EgressClient {
    policy: Arc<EgressPolicy>,
    /// One for each event loop, behind the one for all others.
    pools: Arc<[Pool]>,
    timeouts: EgressTimeouts,
}

/// Connections that one runtime drives.
struct Pool {
    runtime: Handle,
    client: Client<EgressConnector, RequestBody>,
}

impl EgressClient {
    /// Sends one request and resolves with the head of its response; both
    /// bodies stream. Dropping the future cancels the request. Redirects are
    /// answers like any other.
    ///
    /// HTTP/2 or HTTP/1.1 as the peer chooses on `https`, HTTP/1.1 on `http`.
    /// Fields about the connection, `host` and `dunlin-hops` are the host's:
    /// what the guest wrote there is dropped. `hops` is the count of the
    /// request being served. A `GET` or `HEAD` has content only when its body
    /// has a known length; otherwise the body is read to its end and discarded.
    ///
    /// # Errors
    /// See [`EgressError`]; nothing was sent for `Denied` and `InvalidRequest`
    /// without a source.
    pub async fn send<B>(
        &self,
        request: Request<B>,
        hops: Hops,
    ) -> Result<Response<Incoming>, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut head, body) = request.into_parts();
        let size = body.size_hint();
        let destination = outgoing::prepare(&mut head, &size, hops)?;
        self.check(&destination)?;

        let progress = Progress::new();
        let body = if outgoing::is_sent_without_content(&head, &size) {
            self.discard(body);
            Empty::new().map_err(|never| match never {}).boxed_unsync()
        } else {
            progress
                .track(Box::pin(body))
                .map_err(|error| GuestBodyError(error.into()))
                .boxed_unsync()
        };
        let limit = self.timeouts.response_head;
        let exchange = self.pool().client.request(Request::from_parts(head, body));
        let mut response = match progress.watch(limit, exchange).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(told(error, destination)),
            Err(Stalled) => {
                return Err(EgressError::Timeout {
                    destination,
                    phase: EgressPhase::ResponseHead,
                    limit,
                });
            }
        };
        let status = response.status().as_u16();
        if !(200..600).contains(&status) {
            return Err(EgressError::Protocol {
                destination,
                source: BoxError::from(format!("the status {status} is no answer")).into(),
            });
        }
        outgoing::strip_hop_by_hop(response.headers_mut());
        Ok(response)
    }

    /// The connections of the event loop that this is called on.
    fn pool(&self) -> &Pool {
        let here = Handle::try_current().ok().map(|here| here.id());
        let its = |pool: &&Pool| Some(pool.runtime.id()) == here;
        self.pools.iter().find(its).unwrap_or(&self.pools[0])
    }

    /// All that can be refused before a name is resolved.
    fn check(&self, destination: &Destination) -> Result<(), EgressError> {
        if !self.policy.admits(destination) {
            return Err(Denial::Host(destination.clone()).into());
        }
        if let Host::Address(address) = destination.host {
            reachable(&self.policy, destination, &[address])?;
        }
        Ok(())
    }

    /// Reads a body that nobody sends to its end. Guests often close the empty
    /// body of a `GET` late; dropped early, they would see their own write fail
    /// and take it for a connection reset.
    fn discard<B>(&self, body: B)
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        let mut body = Box::pin(body);
        // Ends with the guest's end of the body, at the latest at the limit.
        self.pool().runtime.spawn(tokio::time::timeout(
            self.timeouts.response_head,
            async move {
                let mut discarded = 0;
                while let Some(Ok(frame)) = body.frame().await {
                    discarded += frame.data_ref().map_or(0, Bytes::len);
                }
                if discarded > 0 {
                    tracing::warn!(
                        discarded,
                        "content of a GET or HEAD was not sent: give it a `content-length`"
                    );
                }
            },
        ));
    }
}

impl fmt::Debug for EgressClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EgressClient")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// Runs the tasks of connections on one runtime, whoever asks.
#[derive(Clone)]
struct On(Handle);

impl<F> hyper::rt::Executor<F> for On
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

/// Marks the error that a guest ended its body with, to be found again inside
/// the client's.
#[derive(Debug, thiserror::Error)]
#[error("the guest ended its request body with an error")]
struct GuestBodyError(#[source] BoxError);

/// The client's error in our words.
fn told(error: hyper_util::client::legacy::Error, destination: Destination) -> EgressError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    let mut broken_body = None;
    while let Some(current) = cause {
        if let Some(connector) = current.downcast_ref::<EgressError>() {
            return connector.clone();
        }
        if current.is::<GuestBodyError>() {
            broken_body = Some("its body ended with an error");
        }
        if current
            .downcast_ref()
            .is_some_and(hyper::Error::is_body_write_aborted)
        {
            broken_body = Some("its body is shorter than its `content-length`");
        }
        cause = current.source();
    }
    let source = Arc::new(error);
    match broken_body {
        Some(reason) => EgressError::InvalidRequest {
            reason: reason.to_owned(),
            source: Some(source),
        },
        None => EgressError::Protocol {
            destination,
            source,
        },
    }
}

fn tls(config: &EgressConfig) -> Result<rustls::ClientConfig, EgressSetupError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = &config.ca_file {
        let path = || path.clone();
        let unreadable = |source| EgressSetupError::CaFile {
            path: path(),
            source,
        };
        let mut found = false;
        for certificate in CertificateDer::pem_file_iter(path()).map_err(unreadable)? {
            roots.add(certificate.map_err(unreadable)?)?;
            found = true;
        }
        if !found {
            return Err(EgressSetupError::NoCertificate { path: path() });
        }
    }
    // The provider is named, because with two of them in the program (other
    // crates bring theirs) rustls refuses to choose.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}
