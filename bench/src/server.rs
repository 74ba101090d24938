//! The native peers: what the same handlers cost without WebAssembly. hyper's
//! HTTP/1.1 server on tokio, one worker a core.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use clap::ValueEnum;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};

use crate::{order::Order, query::parameter, request::Declared, work::count_primes};

const BACKLOG: u32 = 4096;

/// Which native peer to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// All handlers run on the event loop.
    Native,
    /// A CPU-bound `fn` handler runs on a pool of one thread a core. One that
    /// was declared `async fn` by mistake never gets there.
    NativePool,
}

struct App {
    kind: Kind,
    client: Client<HttpConnector, Empty<Bytes>>,
}

/// Serves until SIGTERM, at which the process ends as any other does: what it
/// noted for the compiler (`bench/train`) is written then.
pub(crate) fn serve(kind: Kind, port: u16) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .max_blocking_threads(cores)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let app = Arc::new(App {
            kind,
            client: Client::builder(TokioExecutor::new()).build(connector),
        });
        let listener = listen(port)?;
        let mut end = signal(SignalKind::terminate())?;
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => accepted?.0,
                _ = end.recv() => return Ok(()),
            };
            stream.set_nodelay(true)?;
            let app = Arc::clone(&app);
            tokio::spawn(async move {
                let service = service_fn(|request| answer(&app, request));
                // Ends with an error when the client resets the connection.
                let _ = http1::Builder::new()
                    .pipeline_flush(true)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}

/// Listens on loopback with a backlog that 1,000 clients at once fit in.
pub(crate) fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket
        .bind(SocketAddr::from(([127, 0, 0, 1], port)))
        .with_context(|| format!("cannot listen on port {port}"))?;
    Ok(socket.listen(BACKLOG)?)
}

async fn answer(
    app: &App,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let result = route(app, request).await;
    Ok(result.unwrap_or_else(|error| {
        let text = format!("{error:#}");
        reply(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", text)
    }))
}

async fn route(app: &App, request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let query = |name| {
        parameter(head.uri.query().unwrap_or_default(), name)
            .with_context(|| format!("query parameter `{name}` is missing"))
    };
    let ok = |text: String| reply(StatusCode::OK, "text/plain", text);
    Ok(match (&head.method, head.uri.path()) {
        (&Method::GET, "/hello") => reply(StatusCode::OK, "text/plain", "hello"),
        (&Method::GET, "/sleep") => {
            tokio::time::sleep(Duration::from_millis(query("ms")?.parse()?)).await;
            reply(StatusCode::OK, "text/plain", "slept")
        }
        (&Method::GET, "/cpu") => ok(app.primes(Declared::Fn, query("below")?).await?),
        (&Method::GET, "/cpu-async") => ok(app.primes(Declared::AsyncFn, query("below")?).await?),
        (&Method::GET, "/fanout") => ok(app.fan_out(query("url")?).await?),
        (&Method::POST, "/echo") => {
            let order: Order = serde_json::from_slice(&body)?;
            let json = serde_json::to_vec(&order)?;
            reply(StatusCode::OK, "application/json", json)
        }
        (&Method::POST, "/bytes") => reply(StatusCode::OK, "application/octet-stream", body),
        _ => reply(StatusCode::NOT_FOUND, "text/plain", "no such route"),
    })
}

fn reply(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(content_type),
    );
    response
}

impl App {
    async fn primes(&self, declared: Declared, below: &str) -> anyhow::Result<String> {
        let below = below.parse()?;
        let count = match (self.kind, declared) {
            (Kind::NativePool, Declared::Fn) => {
                tokio::task::spawn_blocking(move || count_primes(below)).await?
            }
            (Kind::Native, _) | (Kind::NativePool, Declared::AsyncFn) => count_primes(below),
        };
        Ok(count.to_string())
    }

    async fn fan_out(&self, url: &str) -> anyhow::Result<String> {
        let (a, b, c) = tokio::try_join!(self.length(url), self.length(url), self.length(url))?;
        Ok((a + b + c).to_string())
    }

    async fn length(&self, url: &str) -> anyhow::Result<usize> {
        let response = self.client.get(url.parse()?).await?;
        Ok(response.into_body().collect().await?.to_bytes().len())
    }
}
