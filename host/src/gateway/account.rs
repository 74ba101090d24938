//! The account of one invocation: what it took and how it ended, counted and
//! logged once, however it ends.

use super::error::GatewayError;
use crate::capabilities::Invocation;
use crate::contract::BodyError;
use crate::registry::Lane;
use crate::runtime::Answer;
use crate::telemetry::Outcome;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Dropped, it closes: an invocation that nobody said anything about was
/// abandoned by its caller.
#[derive(Debug)]
pub(super) struct Account {
    invocation: Arc<Invocation>,
    began: Instant,
    status: Option<StatusCode>,
    /// It speaks against the version that answered, or was to.
    blames: bool,
    /// None: it was never begun.
    outcome: Option<Outcome>,
}

impl Account {
    /// Opens the account of an invocation that begins now.
    pub(super) fn open(invocation: Arc<Invocation>) -> Self {
        Self {
            invocation,
            began: Instant::now(),
            status: None,
            blames: false,
            outcome: Some(Outcome::Cancelled),
        }
    }

    /// The host answers in place of the function.
    pub(super) fn failed(mut self, error: &GatewayError) {
        self.status = Some(error.status());
        self.blames = error.blames_version();
        self.close(match error {
            GatewayError::Refused(_) => None,
            _ => Some(Outcome::Failed),
        });
    }

    /// The function answers; the account closes with the answer's last byte.
    /// `detached` counts it if it goes on without a caller.
    pub(super) fn answered(
        mut self,
        answer: Response<Answer>,
        detached: &TaskTracker,
    ) -> Response<Outgoing> {
        self.status = Some(answer.status());
        self.blames = answer.status().is_server_error();
        let (parts, answer) = answer.into_parts();
        let account = if answer.is_whole() {
            self.close(Some(Outcome::Answered));
            None
        } else {
            Some(self)
        };
        let detached = account.is_some().then(|| detached.clone());
        let outgoing = Outgoing {
            answer,
            account,
            detached,
        };
        Response::from_parts(parts, outgoing)
    }

    fn close(mut self, outcome: Option<Outcome>) {
        self.outcome = outcome;
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let Some(outcome) = self.outcome else { return };
        let invocation = &self.invocation;
        let (took, cpu) = (self.began.elapsed(), invocation.usage.cpu());
        let lane = invocation.lane();
        let route = &invocation.route;
        route
            .metrics()
            .ended(lane == Lane::Blocking, outcome, took, cpu);
        if outcome != Outcome::Cancelled {
            route.ended(self.blames);
        }
        let spec = route.spec();
        tracing::debug!(
            target: "dunlin",
            version = %route.version().id,
            request_id = %invocation.request_id,
            route = format_args!("{} {}", spec.method, spec.path),
            status = self.status.map(|status| status.as_u16()),
            outcome = outcome.as_str(),
            %lane,
            ms = took.as_secs_f64() * 1e3,
            cpu_ms = cpu.as_secs_f64() * 1e3,
            "invocation",
        );
    }
}

/// The body of an answer, with the account of its invocation.
#[derive(Debug)]
pub(super) struct Outgoing {
    answer: Answer,
    account: Option<Account>,
    /// None: it is not an invocation's, or is whole.
    detached: Option<TaskTracker>,
}

impl Outgoing {
    /// An answer of the host itself.
    pub(super) fn of_host(bytes: Bytes) -> Self {
        Self {
            answer: Answer::of_host(bytes),
            account: None,
            detached: None,
        }
    }

    /// Keeps the body back. What of it is still to come is read to its end all
    /// the same: the invocation is none that its caller has left.
    pub(super) fn withhold(&mut self) {
        let answer = std::mem::replace(&mut self.answer, Answer::of_host(Bytes::new()));
        if let Some(account) = self.account.take() {
            self.finish(answer, account);
        }
    }

    /// Reads an answer that nobody gets.
    fn finish(&self, mut answer: Answer, account: Account) {
        let (Some(detached), Ok(runtime)) = (&self.detached, Handle::try_current()) else {
            return;
        };
        let reading = async move {
            let outcome = loop {
                match answer.frame().await {
                    Some(Ok(_)) => {}
                    Some(Err(_)) => break Outcome::Failed,
                    None => break Outcome::Answered,
                }
            };
            account.close(Some(outcome));
        };
        detached.spawn_on(reading, &runtime);
    }

    /// The invocation that it is an answer of, while that runs on.
    pub(super) fn invocation(&self) -> Option<&Arc<Invocation>> {
        self.account.as_ref().map(|account| &account.invocation)
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.answer).poll_frame(cx);
        let outcome = match &polled {
            Poll::Ready(None) => Outcome::Answered,
            // Trailers are the last that comes; some readers ask no further.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Outcome::Answered,
            Poll::Ready(Some(Err(_))) => Outcome::Failed,
            _ => return polled,
        };
        if let Some(mut account) = self.account.take() {
            account.blames |= outcome == Outcome::Failed;
            account.close(Some(outcome));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let Some(account) = &self.account
            && account.invocation.route.finishes()
        {
            // Nobody reads it, and yet it is to be finished.
            self.withhold();
        }
    }
}
