//! The function's side of a WebSocket, and what it uses up.

use crate::capabilities::Invocation;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::PollSender;

/// The function's side of a WebSocket.
#[derive(Debug)]
pub(in crate::gateway::websocket) struct Guest<B> {
    /// None: its stream of messages has ended.
    pub(super) messages: Option<PollSender<Bytes>>,
    /// None: it has ended.
    pub(super) body: Option<B>,
    /// None: it had ended before it began, and has nothing to be counted.
    pub(in crate::gateway::websocket) invocation: Option<Arc<Invocation>>,
    /// Since when the limits of the invocation count.
    renewed: Instant,
}

impl<B> Guest<B> {
    pub(in crate::gateway::websocket) fn new(
        messages: mpsc::Sender<Bytes>,
        body: B,
        invocation: Option<Arc<Invocation>>,
    ) -> Self {
        Self {
            messages: Some(PollSender::new(messages)),
            body: Some(body),
            invocation,
            renewed: Instant::now(),
        }
    }

    /// A message has crossed: work was done. A connection has no end to be
    /// measured at, so its limits count anew for each stretch of it that is as
    /// long as an invocation may last. Not by the clock alone: who computes
    /// without end meets its limit.
    pub(super) fn crossed(&mut self) {
        let Some(invocation) = &self.invocation else {
            return;
        };
        invocation.usage.rested();
        let longest = invocation.route.version().limits.deadline.as_duration();
        if self.renewed.elapsed() >= longest {
            invocation.usage.renew();
            self.renewed = Instant::now();
        }
    }
}
