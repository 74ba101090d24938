//! One connection, until its end or the host's: HTTP/1.1 or HTTP/2, by prior
//! knowledge or, over TLS, as agreed in the handshake.

use super::request::Gateway;
use super::socket::{Broken, Socket};
use super::streams::{self, Streams};
use super::websocket::Session;
use crate::arriving::Arriving;
use crate::capabilities::Reader;
use http::uri::Scheme;
use http::{HeaderValue, Version};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{self, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Longest a peer may take for its part of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that a request's head may have.
const MAX_HEAD: usize = 64 * 1024;

/// Fields that a request's head may have.
const MAX_FIELDS: usize = 128;

/// Requests that one HTTP/2 connection may have open.
const MAX_STREAMS: u32 = 256;

/// Bytes of answers that one HTTP/2 stream may have waiting for the peer, beside
/// the piece that its task holds.
const MAX_QUEUED: usize = 64 * 1024;

/// Bytes of request bodies that one HTTP/2 connection may have sent and no
/// function has taken.
const MAX_UNTAKEN: u32 = 1024 * 1024;

/// Streams that an HTTP/2 peer may take back before they are looked at, and
/// streams that the host may have to reset because of what it sent.
const MAX_EARLY_RESETS: usize = 20;
const MAX_OWN_RESETS: usize = 128;

/// Longest wait, once the host stops, for the first bytes of a connection that
/// was made before, and for its handshake.
const DRAIN_GRACE: Duration = Duration::from_millis(100);
const DRAIN_GRACE_TLS: Duration = Duration::from_secs(1);

/// Longest wait for a peer that was told that its connection ends, once it has
/// no requests any more.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves one connection to its end.
pub(super) async fn serve(stream: net::TcpStream, peer: SocketAddr, gateway: Arc<Gateway>) {
    if let Err(error) = try_serve(stream, peer, gateway).await {
        // Mostly peers that went away: of interest only to who looks for it.
        tracing::trace!(target: "dunlin", %peer, "connection ended: {error}");
    }
}

/// What is known of whoever is on the other side of a connection.
#[derive(Debug)]
pub(super) struct Peer {
    /// Its address, as a header value.
    pub(super) address: HeaderValue,
    /// What it speaks to us.
    pub(super) scheme: Scheme,
    /// Takes the answers, over HTTP/1.1.
    reader: Arc<Reader>,
    /// What the connection becomes when its last answer is written.
    next: Mutex<Option<Box<Session>>>,
    /// Its last request was HTTP/1.0: an answer of unknown length ends with the
    /// connection.
    is_old: AtomicBool,
    socket: Broken,
}

impl Peer {
    fn new(address: HeaderValue, scheme: Scheme, reader: Arc<Reader>, socket: Broken) -> Self {
        Self {
            address,
            scheme,
            reader,
            next: Mutex::default(),
            is_old: AtomicBool::new(false),
            socket,
        }
    }

    /// An answer broke off: whoever could take it for whole sees a reset.
    fn answer_broke_off(&self) {
        if self.is_old.load(Ordering::Relaxed) {
            self.socket.set();
        }
    }

    /// The connection goes on as a WebSocket.
    pub(super) fn switch(&self, session: Session) {
        *self.next() = Some(Box::new(session));
    }

    fn next(&self) -> MutexGuard<'_, Option<Box<Session>>> {
        // No code that can panic runs under this lock.
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn try_serve(stream: net::TcpStream, peer: SocketAddr, gateway: Arc<Gateway>) -> Ended {
    stream.set_nodelay(true)?;
    let (reader, broken) = <(Arc<Reader>, Broken)>::default();
    let timeout = gateway.config.write_timeout;
    let stream = TcpStream::from_std(stream)?;
    let mut stream = Socket::new(stream, timeout, reader.clone(), broken.clone());
    let address = HeaderValue::from_str(&peer.ip().to_string())?;
    let header_timeout = gateway.config.header_timeout;
    let Some(tls) = &gateway.tls else {
        let is_http2 = tokio::select! {
            biased;
            // First: a request that is here is answered, even when the host stops.
            preface = tokio::time::timeout(header_timeout, stream.has_http2_preface()) => preface??,
            () = drained(&gateway, DRAIN_GRACE) => return Ok(()),
        };
        let peer = Peer::new(address, Scheme::HTTP, reader, broken);
        return speak(stream, is_http2, peer, gateway).await;
    };
    let handshake = tls.acceptor().accept(stream);
    let stream = tokio::select! {
        biased;
        handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake) => handshake??,
        () = drained(&gateway, DRAIN_GRACE_TLS) => return Ok(()),
    };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let peer = Peer::new(address, Scheme::HTTPS, reader, broken);
    // Boxed: a TLS session is large, and most of it idle.
    Box::pin(speak(stream, is_http2, peer, gateway)).await
}

/// Waits for the drain, and for what a peer may have sent before it: a socket's
/// bytes are seen when its event loop has been asked, and a handshake takes time.
async fn drained(gateway: &Gateway, grace: Duration) {
    gateway.draining.cancelled().await;
    tokio::time::sleep(grace).await;
}

/// Speaks HTTP until the connection or the host ends.
async fn speak<S>(stream: S, is_http2: bool, peer: Peer, gateway: Arc<Gateway>) -> Ended
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    if is_http2 {
        speak_http2(stream, peer, gateway).await
    } else {
        speak_http1(stream, peer, gateway).await
    }
}

async fn speak_http1<S>(stream: S, peer: Peer, gateway: Arc<Gateway>) -> Ended
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // Its own: those of all connections share a lock.
    let draining = gateway.draining.child_token();
    let peer = Arc::new(peer);
    let head_timeout = gateway
        .config
        .header_timeout
        .min(gateway.config.idle_timeout);
    // Counted by this connection alone, request after request.
    let both = Arc::new((gateway, peer.clone()));
    let service = service_fn(move |request| {
        let both = both.clone();
        async move {
            let (gateway, peer) = &*both;
            if request.version() < Version::HTTP_11 {
                peer.is_old.store(true, Ordering::Relaxed);
            }
            let request = Box::new(Arriving::request(request));
            let reader = peer.reader.clone();
            Ok::<_, Infallible>(gateway.answer(request, peer, reader).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    {
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            biased;
            result = connection.as_mut() => result,
            () = draining.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.as_mut().await
            }
        };
        if let Err(error) = ended {
            // The answer's own error; the others are the peer's.
            if error.is_user() {
                peer.answer_broke_off();
            }
            return Err(error.into());
        }
    }
    let next = peer.next().take();
    if let Some(session) = next {
        // Boxed: few connections become one.
        Box::pin(session.run(&draining)).await;
    }
    Ok(())
}

async fn speak_http2<S>(stream: S, peer: Peer, gateway: Arc<Gateway>) -> Ended
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let config = &gateway.config;
    let (header_timeout, idle_timeout) = (config.header_timeout, config.idle_timeout);
    let draining = gateway.draining.child_token();
    let streams = Streams::new(config.write_timeout);
    let both = Arc::new((gateway, Arc::new(peer)));
    let service = service_fn(move |request| {
        let both = both.clone();
        async move {
            let (gateway, peer) = &*both;
            let request = Box::new(Arriving::request(request));
            let answer = gateway.answer(request, peer, streams::reader()).await;
            Ok::<_, Infallible>(streams::watched(answer))
        }
    });
    let connection = http2::Builder::new(streams.clone())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD as u32)
        .max_send_buf_size(MAX_QUEUED)
        .initial_connection_window_size(MAX_UNTAKEN)
        .initial_stream_window_size(MAX_UNTAKEN)
        .max_pending_accept_reset_streams(MAX_EARLY_RESETS)
        .max_local_error_reset_streams(MAX_OWN_RESETS)
        .keep_alive_interval(header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return Ok(result?),
        () = draining.cancelled() => {}
        () = streams.idle(header_timeout, idle_timeout) => {}
        () = streams.abuse() => return Err("too many requests were taken back".into()),
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        result = connection.as_mut() => Ok(result?),
        // The peer does not confirm that it has understood.
        () = streams.idle(CLOSE_TIMEOUT, CLOSE_TIMEOUT) => Ok(()),
        () = streams.abuse() => Err("too many requests were taken back".into()),
    }
}
