//! An answer on its way out: it keeps its invocation alive, and ends it.

use super::failure::Failure;
use super::status::Waiting;
use crate::contract::{Body, BodyError};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The body of an answer. While it is read its invocation runs on, until its
/// deadline; dropped early, it ends the invocation.
#[derive(Debug)]
pub struct Answer {
    body: Body,
    /// Told when the body is whole; closed when the deadline has passed.
    running: Option<oneshot::Sender<()>>,
    /// A failure is an end like another: of a WebSocket, whose instance goes on
    /// serving the others.
    failure_is_end: bool,
}

impl Answer {
    /// The answer of an invocation that somebody waits for. `held` is kept until
    /// its end; `expired` is called when the deadline, if it has one, ends it.
    pub(super) fn new(
        body: Body,
        mut waiting: Waiting,
        held: impl Send + 'static,
        deadline: Option<Instant>,
        expired: impl FnOnce() + Send + 'static,
    ) -> Self {
        if matches!(body, Body::Whole(_)) {
            waiting.done();
            return Self {
                body,
                running: None,
                failure_is_end: false,
            };
        }
        let (whole, told) = oneshot::channel();
        // A task of its own: a reader that does not read must not keep the
        // deadline from being seen.
        tokio::spawn(async move {
            let told = match deadline {
                Some(deadline) => tokio::time::timeout_at(deadline, told).await,
                None => Ok(told.await),
            };
            match told {
                Ok(Ok(())) => waiting.done(),
                Ok(Err(_)) => {}
                Err(_) => expired(),
            }
            drop(held);
        });
        Self {
            body,
            running: Some(whole),
            failure_is_end: deadline.is_none(),
        }
    }

    /// Whether all of it is here, and its invocation at its end.
    pub fn is_whole(&self) -> bool {
        self.running.is_none()
    }

    /// An answer of the host itself.
    pub fn of_host(bytes: Bytes) -> Self {
        Self {
            body: Body::Whole(bytes),
            running: None,
            failure_is_end: false,
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(running) = &mut self.running
            && running.poll_closed(cx).is_ready()
        {
            self.running = None;
            let error = BodyError::InternalError(Some(Failure::Deadline.to_string()));
            return Poll::Ready(Some(Err(error)));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let last = match &frame {
            None => true,
            // Trailers are the last that comes; some readers ask no further.
            Some(Ok(frame)) => frame.is_trailers(),
            Some(Err(_)) => self.failure_is_end,
        };
        if last && let Some(running) = self.running.take() {
            // Refused when the deadline was faster by a moment.
            let _ = running.send(());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
