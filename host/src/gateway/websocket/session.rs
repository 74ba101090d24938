//! An accepted WebSocket, from the answer to the end of its connection.

use super::handshake::Handshake;
use super::pump::{Guest, Patience, Pump};
use crate::contract::Body;
use crate::gateway::account::Outgoing;
use crate::telemetry::{Logs, Source};
use bytes::Bytes;
use http::Response;
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// An accepted WebSocket that waits for its connection to be one.
#[derive(Debug)]
pub(in crate::gateway) struct Session {
    upgrade: OnUpgrade,
    guest: Guest<Outgoing>,
    logs: Arc<Logs>,
}

impl Session {
    /// The way of messages to the guest, and the body that it reads them from.
    pub(in crate::gateway) fn incoming() -> (mpsc::Sender<Bytes>, Body) {
        let (messages, mut taken) = mpsc::channel(1);
        let frames = futures::stream::poll_fn(move |cx| {
            let message = taken.poll_recv(cx);
            message.map(|it| it.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes))))
        });
        (messages, Body::stream(StreamBody::new(frames)))
    }

    /// The session of a function that has accepted, and the answer to its client.
    pub(in crate::gateway) fn accepted(
        handshake: Handshake,
        messages: mpsc::Sender<Bytes>,
        answer: Response<Outgoing>,
        logs: Arc<Logs>,
    ) -> (Self, Response<Outgoing>) {
        let (head, body) = answer.into_parts();
        let (accept, upgrade) = handshake.into_parts();
        let invocation = body.invocation().cloned();
        let session = Self {
            upgrade,
            guest: Guest::new(messages, body, invocation),
            logs,
        };
        (session, Handshake::accepted(accept, head.headers))
    }

    /// Carries messages until both sides have ended; begins to end when the host
    /// drains.
    pub(in crate::gateway) async fn run(self, draining: &CancellationToken) {
        let Self {
            upgrade,
            guest,
            logs,
        } = self;
        // Else the client left before it had its answer.
        let Ok(upgraded) = upgrade.await else { return };
        let invocation = guest.invocation.clone();
        let left = invocation.as_ref().map(|it| it.route.left().clone());
        let left = left.unwrap_or_default();
        let leaving = async {
            tokio::select! {
                () = draining.cancelled() => {}
                () = left.cancelled() => {}
            }
        };
        let pump = Pump::new(TokioIo::new(upgraded), guest, Patience::default()).await;
        if let Err(error) = pump.run(leaving).await
            && let Some(invocation) = invocation
        {
            let version = &invocation.route.version().id;
            let line = format!("the WebSocket was closed: {error}");
            logs.write(version, Some(&invocation.request_id), Source::Host, line);
        }
    }
}
