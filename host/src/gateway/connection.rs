//! One connection, until its end or the host's: HTTP/1.1 or HTTP/2, by prior
//! knowledge or, over TLS, as agreed in the handshake.

use super::request::Gateway;
use http::HeaderValue;
use http::uri::Scheme;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::{self, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4), as far as
/// no HTTP/1.1 request does.
const HTTP2_PREFACE: &[u8] = b"PRI";

/// How often to look again when a peer has sent less than that.
const PREFACE_PAUSE: Duration = Duration::from_millis(5);

/// Longest a peer may take for its part of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that a request's head may have.
const MAX_HEAD: usize = 64 * 1024;

/// Fields that a request's head may have.
const MAX_FIELDS: usize = 128;

/// Requests that one HTTP/2 connection may have open.
const MAX_STREAMS: u32 = 256;

/// Serves one connection to its end.
pub(super) async fn serve(stream: net::TcpStream, peer: SocketAddr, gateway: Arc<Gateway>) {
    if let Err(error) = try_serve(stream, peer, gateway).await {
        // Mostly peers that went away: of interest only to who looks for it.
        tracing::trace!(target: "dunlin", %peer, "connection ended: {error}");
    }
}

/// What is known of whoever is on the other side of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Its address, as a header value.
    pub(super) address: HeaderValue,
    /// What it speaks to us.
    pub(super) scheme: Scheme,
}

type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn try_serve(stream: net::TcpStream, peer: SocketAddr, gateway: Arc<Gateway>) -> Ended {
    stream.set_nodelay(true)?;
    let stream = TcpStream::from_std(stream)?;
    let address = HeaderValue::from_str(&peer.ip().to_string())?;
    let header_timeout = gateway.config.header_timeout;
    let Some(tls) = &gateway.tls else {
        let is_http2 = tokio::select! {
            biased;
            // First: a request that is here is answered, even when the host stops.
            preface = tokio::time::timeout(header_timeout, has_http2_preface(&stream)) => preface??,
            () = gateway.draining.cancelled() => return Ok(()),
        };
        let scheme = Scheme::HTTP;
        return speak(stream, is_http2, Peer { address, scheme }, gateway).await;
    };
    let handshake = tls.acceptor().accept(stream);
    let stream = tokio::select! {
        biased;
        handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake) => handshake??,
        () = gateway.draining.cancelled() => return Ok(()),
    };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let scheme = Scheme::HTTPS;
    // Boxed: a TLS session is large, and most of it idle.
    Box::pin(speak(stream, is_http2, Peer { address, scheme }, gateway)).await
}

/// Speaks HTTP until the connection or the host ends.
async fn speak<S>(stream: S, is_http2: bool, peer: Peer, gateway: Arc<Gateway>) -> Ended
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let header_timeout = gateway.config.header_timeout;
    let draining = gateway.draining.clone();
    let service = service_fn(move |request| {
        let (gateway, peer) = (gateway.clone(), peer.clone());
        async move { Ok::<_, Infallible>(gateway.answer(request, peer).await) }
    });
    // Both kinds of connection stop in the same way.
    macro_rules! until_drained {
        ($connection:expr) => {{
            let mut connection = pin!($connection);
            tokio::select! {
                result = connection.as_mut() => return Ok(result?),
                () = draining.cancelled() => {}
            }
            connection.as_mut().graceful_shutdown();
            connection.await?;
        }};
    }
    if is_http2 {
        until_drained!(
            http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(MAX_STREAMS)
                .max_header_list_size(MAX_HEAD as u32)
                .keep_alive_interval(header_timeout)
                .serve_connection(TokioIo::new(stream), service)
        );
    } else {
        until_drained!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(header_timeout)
                .max_buf_size(MAX_HEAD)
                .max_headers(MAX_FIELDS)
                .serve_connection(TokioIo::new(stream), service)
        );
    }
    Ok(())
}

/// Looks at the first bytes without taking them.
async fn has_http2_preface(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; HTTP2_PREFACE.len()];
    loop {
        let seen = stream.peek(&mut first).await?;
        if seen == first.len() || seen == 0 || first[..seen] != HTTP2_PREFACE[..seen] {
            return Ok(first == HTTP2_PREFACE);
        }
        tokio::time::sleep(PREFACE_PAUSE).await;
    }
}
