//! An answer on its way out: it keeps its invocation alive, and ends it.

use super::failure::Failure;
use super::instance::Waiting;
use crate::contract::{Body, BodyError};
use crate::scheduling::LanePermit;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep};

/// The body of an answer. While it is read its invocation runs on, until its
/// deadline; dropped early, it ends the invocation.
#[derive(Debug)]
pub struct Answer {
    body: Body,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    waiting: Waiting,
    deadline: Pin<Box<Sleep>>,
    _permit: LanePermit,
}

impl Answer {
    pub(super) fn new(
        body: Body,
        mut waiting: Waiting,
        permit: LanePermit,
        deadline: Instant,
    ) -> Self {
        let running = if matches!(body, Body::Whole(_)) {
            waiting.done();
            None
        } else {
            let deadline = Box::pin(tokio::time::sleep_until(deadline));
            Some(Running {
                waiting,
                deadline,
                _permit: permit,
            })
        };
        Self { body, running }
    }

    /// An answer of the host itself.
    pub fn of_host(bytes: Bytes) -> Self {
        Self {
            body: Body::Whole(bytes),
            running: None,
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
            && running.deadline.as_mut().poll(cx).is_ready()
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
            Some(Err(_)) => false,
        };
        if last && let Some(mut running) = self.running.take() {
            running.waiting.done();
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
