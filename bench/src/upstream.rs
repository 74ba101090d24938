//! The service that fan-out routes call: it answers after 50 ms.

use std::{convert::Infallible, net::SocketAddr, thread, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;

use crate::{request::UPSTREAM_BODY, server::listen};

const ANSWERS_AFTER: Duration = Duration::from_millis(50);

/// Serves on a thread of its own until the process ends, outside the CPU time
/// of any peer.
pub(crate) fn start() -> anyhow::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = {
        let _inside = runtime.enter();
        listen(0)?
    };
    let address = listener.local_addr()?;
    thread::Builder::new()
        .name("upstream".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                loop {
                    let Ok((stream, _)) = listener.accept().await else {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    };
                    tokio::spawn(async move {
                        let _ = stream.set_nodelay(true);
                        let service = service_fn(async |_| {
                            tokio::time::sleep(ANSWERS_AFTER).await;
                            let body = Full::new(Bytes::from_static(UPSTREAM_BODY.as_bytes()));
                            Ok::<_, Infallible>(Response::new(body))
                        });
                        // Ends with an error when a peer is killed.
                        let _ = http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                    });
                }
            });
        })?;
    Ok(address)
}
