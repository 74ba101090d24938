//! The admin listener's connections: few at once, and none without requests for
//! ever, for whoever reaches the listener can open some, token or not.

use axum::Router;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower_service::Service as _;

/// Connections at once; the next ones wait in the system's backlog.
const MAX_CONNECTIONS: usize = 128;

/// Longest wait for the whole head of a request, the next one on a connection
/// too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Pause after an error of the listener's, such as too many open files.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// Serves the admin API, over HTTP/1.1, until it is dropped.
pub async fn serve(listener: TcpListener, router: Router) {
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let permit = permits.clone().acquire_owned().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    let _permit = permit;
                    connection(stream, peer, router).await;
                });
            }
            Err(error) => {
                tracing::debug!(target: "dunlin", "cannot accept an admin connection: {error}");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    mut router: IntoMakeServiceWithConnectInfo<Router, SocketAddr>,
) {
    // Refused only for a peer that has gone.
    let _ = stream.set_nodelay(true);
    let Ok(service) = router.call(peer).await;
    let ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .await;
    if let Err(error) = ended {
        tracing::trace!(target: "dunlin", %peer, "admin connection ended: {error}");
    }
}
