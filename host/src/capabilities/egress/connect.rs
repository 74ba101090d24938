//! From a destination to a connection: resolve, check every address, connect to
//! those that passed.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use tower_service::Service;

use super::address::non_public;
use super::outgoing;
use super::socket::{Place, Places, Socket};
use super::{Denial, EgressError, EgressPhase, EgressTimeouts};
use crate::names::HostName;
use crate::registry::{Destination, EgressPolicy, Host};

/// Turns names into addresses. What it answers is not trusted: the policy is
/// applied to each address.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of a name.
    ///
    /// # Errors
    /// Whatever the resolver says; the guest sees a DNS failure.
    fn resolve(&self, name: &HostName) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The machine's own resolver, with its hosts file and search domains.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: &HostName) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let name = name.clone();
        async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        }
        .boxed()
    }
}

/// How many names one version may have in resolution at once. The system's
/// resolver holds a thread for each, even after nobody waits for it any more,
/// so this is also the number of threads that a function can tie up.
pub(super) const CONCURRENT_LOOKUPS: usize = 16;

/// Makes the connections of one version, under its policy.
#[derive(Clone)]
pub(super) struct EgressConnector {
    pub(super) dial: Dial,
    pub(super) tls: Arc<rustls::ClientConfig>,
    pub(super) runtime: Handle,
}

impl Service<Uri> for EgressConnector {
    type Response = MaybeHttpsStream<Socket>;
    type Error = EgressError;
    type Future = BoxFuture<'static, Result<Self::Response, EgressError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let limit = self.dial.timeouts.connect;
        let (dial, tls) = (self.dial.clone(), Arc::clone(&self.tls));
        let runtime = self.runtime.clone();
        async move {
            let destination = outgoing::destination(&uri)?;
            let Ok(place) = tokio::time::timeout(limit, dial.places.take()).await else {
                return Err(EgressError::Timeout {
                    destination,
                    phase: EgressPhase::Place,
                    limit,
                });
            };
            let placed = Placed {
                dial,
                place: Arc::new(place),
            };
            let mut https = HttpsConnector::from((placed, tls));
            // Spawned, because a socket is driven by the runtime that made it,
            // and the caller may be on the blocking lane, whose threads guests
            // keep busy. Aborted with the call.
            let connecting = runtime.spawn(tokio::time::timeout(limit, https.call(uri)));
            match AbortOnDropHandle::new(connecting).await {
                Ok(Ok(Ok(stream))) => Ok(stream),
                Ok(Ok(Err(error))) => Err(match error.downcast::<EgressError>() {
                    Ok(dialing) => *dialing,
                    Err(tls) => EgressError::Tls {
                        destination,
                        source: tls.into(),
                    },
                }),
                Ok(Err(_elapsed)) => Err(EgressError::Timeout {
                    destination,
                    phase: EgressPhase::Connect,
                    limit,
                }),
                Err(runtime_gone) => Err(EgressError::Connect {
                    destination,
                    source: Arc::new(runtime_gone),
                }),
            }
        }
        .boxed()
    }
}

/// The part below TLS.
#[derive(Clone)]
pub(super) struct Dial {
    pub(super) policy: Arc<EgressPolicy>,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) lookups: Arc<Semaphore>,
    pub(super) timeouts: EgressTimeouts,
    pub(super) places: Places,
}

/// The same with a place for the socket.
#[derive(Clone)]
struct Placed {
    dial: Dial,
    place: Arc<Place>,
}

impl Service<Uri> for Placed {
    type Response = Socket;
    type Error = EgressError;
    type Future = BoxFuture<'static, Result<Self::Response, EgressError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { dial, place } = self.clone();
        async move {
            let destination = outgoing::destination(&uri)?;
            let resolved = dial.resolve(&destination).await?;
            let addresses = reachable(&dial.policy, &destination, &resolved)?;
            match dial.connect(uri, addresses).await {
                Ok(stream) => Ok(Socket {
                    stream,
                    _place: place,
                }),
                Err(error) => Err(EgressError::Connect {
                    destination,
                    source: error.into(),
                }),
            }
        }
        .boxed()
    }
}

impl Dial {
    async fn resolve(&self, destination: &Destination) -> Result<Vec<IpAddr>, EgressError> {
        let name = match &destination.host {
            Host::Address(address) => return Ok(vec![*address]),
            Host::Name(name) => name,
        };
        let permit = Arc::clone(&self.lookups)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let lookup = self.resolver.resolve(name);
        // In a task of its own, so that the permit is held for as long as the
        // resolver's thread is, whether or not somebody still waits.
        let lookup = tokio::spawn(async move {
            let _held = permit;
            lookup.await
        });
        let failed = |source| EgressError::Dns {
            destination: destination.clone(),
            source,
        };
        match lookup.await {
            Ok(Ok(addresses)) if addresses.is_empty() => Err(failed(None)),
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(failed(Some(Arc::new(error)))),
            Err(panicked) => Err(failed(Some(Arc::new(panicked)))),
        }
    }

    /// Connects to one of `addresses` and to nothing else: they are handed to
    /// the connector as the answer of its resolver. It tries the address
    /// families side by side (RFC 8305) and divides its time among them.
    async fn connect(
        &self,
        uri: Uri,
        addresses: Vec<SocketAddr>,
    ) -> Result<TokioIo<TcpStream>, Box<dyn Error + Send + Sync>> {
        let mut connector = HttpConnector::new_with_resolver(Checked(addresses));
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(self.timeouts.connect));
        Ok(connector.call(uri).await?)
    }
}

/// A resolver that has one answer.
#[derive(Clone)]
struct Checked(Vec<SocketAddr>);

impl Service<Name> for Checked {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(self.0.clone().into_iter()))
    }
}

/// The addresses that may be connected to.
///
/// # Errors
/// `Denied` when that is none of them.
pub(super) fn reachable(
    policy: &EgressPolicy,
    destination: &Destination,
    resolved: &[IpAddr],
) -> Result<Vec<SocketAddr>, EgressError> {
    let mut refused = None;
    let mut passed = Vec::with_capacity(resolved.len());
    for &address in resolved {
        match non_public(address) {
            Some(range) if !policy.opens(destination, address) => refused = Some((address, range)),
            _ => passed.push(SocketAddr::new(address, destination.port)),
        }
    }
    match refused {
        Some((address, range)) if passed.is_empty() => {
            // The log may name the address; the guest, which gets the error, is
            // not to learn what private names resolve to.
            tracing::warn!(%destination, %address, %range, "egress refuses the address");
            Err(Denial::Address(destination.clone(), range).into())
        }
        _ => Ok(passed),
    }
}
