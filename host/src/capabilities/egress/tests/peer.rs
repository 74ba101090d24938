//! Peers on loopback.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// An HTTP server for as long as it is held.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Peer {
    pub(super) async fn start() -> Self {
        Self::start_at("127.0.0.1:0", None).await
    }

    pub(super) async fn start_at(listen: &str, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind(listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                open.spawn(serve(tcp, tls.clone()));
            }
        });
        Self {
            address,
            connections,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Connections accepted so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// A URL on `host` with this peer's port.
    pub(super) fn url(&self, scheme_and_host: &str, path: &str) -> String {
        format!("{scheme_and_host}:{}{path}", self.address.port())
    }
}

/// A peer that is no HTTP server: one connection, handled by `behave`.
pub(super) async fn raw<F>(behave: impl FnOnce(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        behave(tcp).await;
    });
    address
}

async fn serve(tcp: TcpStream, tls: Option<Arc<rustls::ServerConfig>>) {
    // Errors are the client's to notice.
    match tls {
        None => serve_http1(TokioIo::new(tcp)).await,
        Some(tls) => {
            let Ok(stream) = TlsAcceptor::from(tls).accept(tcp).await else {
                return;
            };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let _ = http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .await;
            } else {
                serve_http1(TokioIo::new(stream)).await;
            }
        }
    }
}

async fn serve_http1<I: Read + Write + Unpin + Send + 'static>(io: I) {
    let _ = http1::Builder::new()
        .serve_connection(io, service_fn(answer))
        .await;
}

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    let say = |text: String| Full::from(text).map_err(|never| match never {}).boxed();
    Ok(match request.uri().path() {
        "/echo" => Response::new(request.into_body().boxed()),
        "/redirect" => Response::builder()
            .status(302)
            .header("location", "/hello")
            .body(say(String::new()))
            .unwrap(),
        "/head" => {
            // The request's head, as it arrived, sorted.
            let http2 = request.version() == Version::HTTP_2;
            let mut lines: Vec<_> = request
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            lines.sort();
            lines.insert(0, format!("{} {} {http2}", request.method(), request.uri()));
            Response::builder()
                .header("keep-alive", "timeout=5")
                .body(say(lines.join("\n")))
                .unwrap()
        }
        _ => Response::new(say("hello".to_owned())),
    })
}
