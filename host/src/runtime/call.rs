//! One invocation inside an instance, in each of the three ways to call one.

use super::failure::Failure;

use super::loaded::Guest;
use super::state::State;
use super::status::Status;
use crate::capabilities::{Context, Invocation};
use crate::contract::{
    Body, Expected, Function, Head, InvalidMessage, request_to_guest, response_from_guest,
};
use crate::scheduling::{LanePermit, Start};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p3;
use wasmtime_wasi_http::p3::bindings::Service;

/// An answer, or why there is none.
pub(super) type Outcome = Result<http::Response<Body>, Failure>;

/// What comes back for a job.
#[derive(Debug)]
pub(super) enum Reply {
    /// It was done, well or not.
    Done(Outcome),
    /// The instance ended before it took the job: here is the request.
    Untouched(Arc<Head>, Body),
}

/// One request for an instance.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) head: Arc<Head>,
    pub(super) body: Body,
    pub(super) route: u32,
    pub(super) reply: oneshot::Sender<Reply>,
    pub(super) place: Place,
    /// On the blocking lane: counted until the instance takes the job.
    pub(super) start: Option<Start>,
    /// For a WebSocket: resolves when its connection is over.
    pub(super) closed: Option<oneshot::Receiver<()>>,
}

impl Job {
    /// Sends the request back to where it came from.
    pub(super) fn give_back(self) {
        // Nobody listens when the client is gone.
        let _ = self.reply.send(Reply::Untouched(self.head, self.body));
    }
}

/// An invocation's place in an instance: kept by all that still works for it,
/// inside and outside, and freed with the last of them.
#[derive(Clone, Debug)]
pub(super) struct Place {
    inner: Arc<PlaceInner>,
    invocation: Arc<Invocation>,
}

/// Called when a place is free again, unless its instance has ended.
pub(super) type OnFree = Box<dyn FnOnce() + Send + Sync>;

struct PlaceInner {
    status: Arc<Status>,
    on_free: Option<OnFree>,
    /// The guest has come to the end of it, rather than its instance.
    is_done: AtomicBool,
    _permit: Option<Arc<LanePermit>>,
}

impl std::fmt::Debug for PlaceInner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Place {
    pub(super) fn new(
        status: Arc<Status>,
        invocation: Arc<Invocation>,
        on_free: Option<OnFree>,
        permit: Option<Arc<LanePermit>>,
    ) -> Self {
        let inner = PlaceInner {
            status,
            on_free,
            is_done: AtomicBool::new(false),
            _permit: permit,
        };
        Self {
            inner: Arc::new(inner),
            invocation,
        }
    }
}

impl Drop for PlaceInner {
    fn drop(&mut self) {
        self.status.busy.fetch_sub(1, Ordering::AcqRel);
        if let Some(on_free) = self.on_free.take()
            && *self.is_done.get_mut()
        {
            on_free();
        }
    }
}

/// Runs one job to its end. With `linger` its place is not free until the guest
/// has nothing left to do; one that goes on for longer than that is ended.
///
/// # Errors
///
/// A trap, with which the whole instance is lost.
pub(super) async fn call(
    accessor: &Accessor<State>,
    guest: &Guest,
    mut job: Job,
    linger: Option<Duration>,
) -> wasmtime::Result<()> {
    let place = job.place.clone();
    let closed = job.closed.take();
    match guest {
        Guest::Function(guest) => call_function(accessor, guest, job).await?,
        // Boxed, so that a function's call carries no room for them.
        Guest::WasiHttp03(guest) => Box::pin(call_wasi_http_03(accessor, guest, job)).await?,
        Guest::WasiHttp02(guest) => Box::pin(call_wasi_http_02(accessor, guest, job)).await?,
    }
    if let Some(closed) = closed {
        // Refused or accepted, its sender is dropped in the end.
        let _ = closed.await;
    }
    if let Some(longest) = linger {
        let quiet = poll_fn(|cx| accessor.poll_no_interesting_tasks(cx));
        if tokio::time::timeout(longest, quiet).await.is_err() {
            place.inner.status.stop();
        }
    }
    place.inner.is_done.store(true, Ordering::Relaxed);
    Ok(())
}

async fn call_function(
    accessor: &Accessor<State>,
    guest: &Function,
    job: Job,
) -> wasmtime::Result<()> {
    let Job {
        head,
        body,
        route,
        reply,
        place,
        ..
    } = job;
    let handle = guest.dunlin_function_handler().func_handle();
    let call = accessor.with(|mut access| {
        let request = request_to_guest(&mut access, &head, body)?;
        let call = handle.start_call_concurrent(&mut access, (route, request))?;
        access.get().context.begin(call.task(), &place.invocation);
        wasmtime::error::Ok(call)
    })?;
    let invocation = place.invocation.clone();
    let expected = if invocation.route.is_websocket() {
        Expected::AnswerOrUpgrade
    } else {
        Expected::Answer
    };
    let outcome = match handle.finish_call_concurrent(accessor, call).await?.0 {
        Ok(response) => accessor
            .with(|mut access| {
                let store = access.as_context_mut();
                let response = response_from_guest(store, response, expected, place)?;
                wasmtime::error::Ok(
                    response.map(|it| count(&access.get().context, it, &invocation)),
                )
            })?
            .map_err(|error| Failure::InvalidResponse(Arc::new(error)))
            .flatten(),
        Err(text) => Err(Failure::Refused(text.into())),
    };
    send(reply, outcome, &invocation);
    Ok(())
}

/// Counts an answer's body until it is taken.
fn count(context: &Context, response: http::Response<Body>, invocation: &Invocation) -> Outcome {
    let (head, body) = response.into_parts();
    let body = context
        .count_answer(body, invocation)
        .map_err(|_| Failure::OutOfMemory)?;
    Ok(http::Response::from_parts(head, body))
}

/// Hands over what came of an invocation. From here on a failure is no longer
/// the caller's to report, even if the caller has not looked yet.
fn send(reply: oneshot::Sender<Reply>, outcome: Outcome, invocation: &Invocation) {
    if outcome.is_ok() {
        invocation.answered();
    }
    // Nobody listens when the client is gone.
    let _ = reply.send(Reply::Done(outcome));
}

/// A standard guest's answer, if its status is one that ends a request.
fn checked(response: http::Response<Body>) -> Outcome {
    let status = response.status().as_u16();
    if (200..600).contains(&status) {
        return Ok(response);
    }
    let error = InvalidMessage::Status(status);
    Err(Failure::InvalidResponse(Arc::new(error)))
}

/// Resolves when a standard guest's answer was sent, or not.
type Sent = Pin<Box<dyn Future<Output = Result<(), crate::contract::BodyError>> + Send>>;

async fn call_wasi_http_03(
    accessor: &Accessor<State>,
    guest: &Service,
    job: Job,
) -> wasmtime::Result<()> {
    let Job {
        head,
        body,
        reply,
        place,
        ..
    } = job;
    let request = Arc::unwrap_or_clone(head).into_standard(body);
    let handle = guest.wasi_http_handler().func_handle();
    let (call, sent) = accessor.with(|mut access| {
        let view = access.get().http();
        let (request, sent) = p3::Request::from_http(view.hooks, request);
        // Boxed, it borrows nothing, whatever its type says.
        let sent: Sent = Box::pin(sent);
        let request = view.table.push(request)?;
        let call = handle.start_call_concurrent(&mut access, (request,))?;
        access.get().context.begin(call.task(), &place.invocation);
        wasmtime::error::Ok((call, sent))
    })?;
    let invocation = place.invocation.clone();
    let outcome = match handle.finish_call_concurrent(accessor, call).await?.0 {
        Ok(response) => accessor
            .with(|mut access| {
                let response = access.get().http().table.delete(response)?;
                response.into_http(&mut access, sent)
            })
            .map(|response| checked(response.map(|body| Held::stream(body, place))))?,
        Err(code) => Err(Failure::Refused(code.to_string().into())),
    };
    send(reply, outcome, &invocation);
    Ok(())
}

async fn call_wasi_http_02(
    accessor: &Accessor<State>,
    guest: &Proxy,
    job: Job,
) -> wasmtime::Result<()> {
    let Job {
        head,
        body,
        reply,
        place,
        ..
    } = job;
    let request = Arc::unwrap_or_clone(head).into_standard(body);
    let handle = guest.wasi_http_incoming_handler().func_handle();
    // The guest answers through a callback, early, late or never.
    let reply = Arc::new(Mutex::new(Some(reply)));
    let answer = {
        let reply = reply.clone();
        let place = place.clone();
        move |outcome: Outcome| {
            if let Some(reply) = reply.lock().unwrap_or_else(PoisonError::into_inner).take() {
                let outcome = outcome.and_then(|response| {
                    checked(response.map(|body| Held::stream(body, place.clone())))
                });
                send(reply, outcome, &place.invocation);
            }
        }
    };
    let call = accessor.with(|mut access| {
        let mut view = access.get().http();
        let scheme = match request.uri().scheme() {
            Some(scheme) if *scheme == http::uri::Scheme::HTTPS => Scheme::Https,
            _ => Scheme::Http,
        };
        let request = view.new_incoming_request(scheme, request)?;
        let answer = answer.clone();
        let out = view.new_response_outparam_from_callback(move |result| {
            answer(match result {
                Ok(response) => Ok(response.map(Body::Stream)),
                Err(code) => Err(Failure::Refused(format!("{code:?}").into())),
            });
        })?;
        let call = handle.start_call_concurrent(&mut access, (request, out))?;
        access.get().context.begin(call.task(), &place.invocation);
        wasmtime::error::Ok(call)
    })?;
    handle.finish_call_concurrent(accessor, call).await?;
    answer(Err(Failure::NoAnswer));
    Ok(())
}

/// A body that keeps its invocation's place until it is read or dropped.
struct Held<B> {
    body: B,
    _place: Place,
}

impl<B> Held<B>
where
    B: HttpBody<Data = Bytes, Error = crate::contract::BodyError> + Send + Unpin + 'static,
{
    fn stream(body: B, place: Place) -> Body {
        Body::stream(Self {
            body,
            _place: place,
        })
    }
}

impl<B: HttpBody + Unpin> HttpBody for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
