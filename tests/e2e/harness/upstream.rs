//! A server for functions to fetch from.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Barrier, watch};
use tokio::task::JoinHandle;

use super::within;

/// A server on a free port of this machine. It ends when dropped.
///
/// - `/held/N` answers when N requests for it are waiting;
/// - `/hang` answers after [`Upstream::let_go`], see also [`Upstream::hanging`];
/// - `/headers` answers the request's header fields, a line each;
/// - `/fails-once` answers 503, then like all others;
/// - `/echo` answers the body as it comes in;
/// - all others answer `hello from upstream`.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    hanging: watch::Receiver<usize>,
    let_go: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

type Body = BoxBody<Bytes, hyper::Error>;

struct State {
    held: Mutex<HashMap<usize, Arc<Barrier>>>,
    hanging: watch::Sender<usize>,
    let_go: watch::Receiver<bool>,
    failed: AtomicBool,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("is bound");
        let (count, hanging) = watch::channel(0);
        let (let_go, gone) = watch::channel(false);
        let state = Arc::new(State {
            held: Mutex::default(),
            hanging: count,
            let_go: gone,
            failed: AtomicBool::new(false),
        });
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let state = state.clone();
                let service = service_fn(move |request| answer(state.clone(), request));
                tokio::spawn(async move {
                    // Peers that go away are part of the tests.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            hanging,
            let_go,
            serving,
        }
    }

    /// The URL of `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers all requests for `/hang`, now and later.
    pub(crate) fn let_go(&self) {
        self.let_go.send_replace(true);
    }

    /// How many requests for `/hang` wait for their answer.
    pub(crate) fn hanging_now(&self) -> usize {
        *self.hanging.borrow()
    }

    /// Waits until `count` requests for `/hang` wait for their answer. One
    /// whose sender goes away does so no longer.
    pub(crate) async fn hanging(&self, count: usize) {
        let mut hanging = self.hanging.clone();
        let reached = hanging.wait_for(|&now| now == count);
        within("the number of hanging requests", reached)
            .await
            .expect("the server runs");
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    if let Some(count) = path.strip_prefix("/held/") {
        let count = count.parse().expect("a number of requests");
        let barrier = {
            let mut held = state.held.lock().expect("nothing panics under it");
            held.entry(count)
                .or_insert_with(|| Arc::new(Barrier::new(count)))
                .clone()
        };
        barrier.wait().await;
    }
    if path == "/hang" {
        let _counted = Counted::new(&state.hanging);
        let mut let_go = state.let_go.clone();
        // Fails when the server is gone.
        let _ = let_go.wait_for(|&now| now).await;
    }
    if path == "/fails-once" && !state.failed.swap(true, Ordering::Relaxed) {
        let mut answer = Response::new(whole("not now"));
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return Ok(answer);
    }
    Ok(Response::new(match path.as_str() {
        "/headers" => {
            let lines = request.headers().iter().map(|(name, value)| {
                format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))
            });
            whole(lines.collect::<String>())
        }
        "/echo" => request.into_body().boxed(),
        "/hang" => {
            // An answer before the body's end would break off who still sends.
            let _ = request.into_body().collect().await;
            whole("hello from upstream")
        }
        _ => whole("hello from upstream"),
    }))
}

fn whole(text: impl Into<Bytes>) -> Body {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed()
}

/// Counts for as long as it lives; dropped with the request's future when the
/// peer closes the connection.
struct Counted<'a>(&'a watch::Sender<usize>);

impl<'a> Counted<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
