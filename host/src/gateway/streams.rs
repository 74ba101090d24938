//! The streams of one HTTP/2 connection: which are open, whose reader stalls,
//! how many the peer takes back.
//!
//! HTTP/1.1 needs none of this: its one request at a time stalls with the
//! socket, and hyper closes it when it is idle.

use crate::capabilities::Reader;
use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::futures::TaskLocalFuture;
use tokio::time::{Instant, Sleep};

/// Bytes of an answer that are handed over at once. hyper queues what it gets
/// whole, whatever the limit of its queue: a long body must not come in one.
const MAX_PIECE: usize = 16 * 1024;

/// Bytes of a last piece that may wait in hyper's queue when nobody watches any
/// more: of a longer one the last byte is handed over when the peer has made room.
const SMALL: usize = 1024;

/// Requests that a peer may take back before they are answered, however many
/// others it has. Each costs the host an invocation and the peer two small
/// frames (CVE-2023-44487, "rapid reset").
const MAX_TAKEN_BACK: u32 = 128;

tokio::task_local! {
    /// How the answer of the stream that this task serves gets on.
    static ANSWER: Arc<Progress>;
}

/// What is known of a connection's streams; also what starts them.
#[derive(Clone)]
pub(super) struct Streams {
    state: Arc<Mutex<State>>,
    /// Longest that a stream's reader may take no byte of its answer.
    write_timeout: Duration,
}

struct State {
    open: u32,
    started: u64,
    /// Ended by the peer before they had their answer.
    taken_back: u32,
    /// When the last one ended.
    idle_since: Instant,
    /// Told when too many were taken back.
    abusive: Arc<Notify>,
}

impl Streams {
    pub(super) fn new(write_timeout: Duration) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                open: 0,
                started: 0,
                taken_back: 0,
                idle_since: Instant::now(),
                abusive: Arc::default(),
            })),
            write_timeout,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no stream was open for `timeout`, or for `first_timeout` while
    /// there was none at all.
    pub(super) async fn idle(&self, first_timeout: Duration, timeout: Duration) {
        let start = Instant::now();
        loop {
            let now = Instant::now();
            let over = {
                let state = self.state();
                match (state.started, state.open) {
                    (0, _) => start + first_timeout,
                    (_, 0) => start.max(state.idle_since) + timeout,
                    _ => now + timeout,
                }
            };
            if over <= now {
                return;
            }
            // A first request may come and go meanwhile.
            tokio::time::sleep_until(over.min(now + timeout)).await;
        }
    }

    /// Waits until the peer has taken back more requests than it may.
    pub(super) async fn abuse(&self) {
        let abusive = self.state().abusive.clone();
        abusive.notified().await;
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, work: F) {
        {
            let mut state = self.state();
            state.open += 1;
            state.started += 1;
        }
        let progress = Arc::new(Progress::default());
        // Ends with the connection, which hyper tells every stream.
        tokio::spawn(Stream {
            work: ANSWER.scope(progress.clone(), work),
            seen: Progress::NONE,
            stalled: None,
            open: Open {
                progress,
                streams: self.clone(),
            },
        });
    }
}

pin_project! {
    /// A stream, from its request's head to its answer's last byte.
    struct Stream<F> {
        #[pin]
        work: TaskLocalFuture<Arc<Progress>, F>,
        // The piece that the peer had not taken when it was last looked.
        seen: u32,
        // Runs while the peer takes nothing.
        stalled: Option<Pin<Box<Sleep>>>,
        open: Open,
    }
}

impl<F: Future<Output = ()>> Future for Stream<F> {
    type Output = ();

    /// Ending early drops hyper's side of the stream, which resets it: CANCEL.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.work.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let piece = this.open.progress.untaken.load(Ordering::Relaxed);
        let reader = &this.open.progress.reader;
        if piece != *this.seen {
            *this.seen = piece;
            *this.stalled = None;
            reader.takes();
        }
        if piece == Progress::NONE {
            return Poll::Pending;
        }
        if reader.stalls(cx) {
            return Poll::Ready(());
        }
        let timeout = this.open.streams.write_timeout;
        let timer = this
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        timer.as_mut().poll(cx)
    }
}

/// Counts a stream for as long as it is open.
struct Open {
    progress: Arc<Progress>,
    streams: Streams,
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.streams.state();
        state.open -= 1;
        state.idle_since = Instant::now();
        if !self.progress.whole.load(Ordering::Relaxed) {
            state.taken_back += 1;
            // A proxy's own callers leave too, but most of them stay.
            if state.taken_back > MAX_TAKEN_BACK && u64::from(state.taken_back) * 2 > state.started
            {
                state.abusive.notify_one();
            }
        }
    }
}

/// How an answer gets on, as its body sees it.
#[derive(Default)]
struct Progress {
    /// The piece that waits for the peer to take it, numbered from 1; none while
    /// it is the function's turn.
    untaken: AtomicU32,
    /// hyper has got all of it, or its failure.
    whole: AtomicBool,
    reader: Arc<Reader>,
}

impl Progress {
    const NONE: u32 = 0;
}

/// Who takes the answer of the stream that this task serves.
pub(super) fn reader() -> Arc<Reader> {
    ANSWER.with(|progress| progress.reader.clone())
}

/// Makes the answer tell how it gets on.
pub(super) fn watched<B>(answer: Response<B>) -> Response<Watched<B>>
where
    B: Body<Data = Bytes>,
{
    let progress = ANSWER.with(Arc::clone);
    if answer.body().is_end_stream() {
        progress.whole.store(true, Ordering::Relaxed);
    }
    answer.map(|body| Watched {
        body,
        rest: Bytes::new(),
        piece: 0,
        progress,
    })
}

/// The body of an answer on its way to a stream.
pub(super) struct Watched<B> {
    body: B,
    /// What is left of the last frame.
    rest: Bytes,
    /// The number of the last piece.
    piece: u32,
    progress: Arc<Progress>,
}

impl<B> Body for Watched<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let progress = &this.progress;
        if this.rest.is_empty() {
            progress.untaken.store(Progress::NONE, Ordering::Relaxed);
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) if frame.is_data() => {
                    this.rest = frame.into_data().unwrap_or_default();
                }
                // The end, trailers, or a failure.
                last => {
                    progress.whole.store(true, Ordering::Relaxed);
                    return Poll::Ready(last);
                }
            }
        }
        let mut length = this.rest.len().min(MAX_PIECE);
        if length == this.rest.len() && length > SMALL && this.body.is_end_stream() {
            // With all of it hyper ends the task of the stream, and the watch.
            length -= 1;
        }
        let piece = this.rest.split_to(length);
        this.piece = this.piece.checked_add(1).unwrap_or(1);
        progress.untaken.store(this.piece, Ordering::Relaxed);
        if this.rest.is_empty() && this.body.is_end_stream() {
            progress.whole.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        let mut with_rest = SizeHint::new();
        if let Some(upper) = hint.upper() {
            with_rest.set_upper(upper + rest);
        }
        with_rest.set_lower(hint.lower() + rest);
        with_rest
    }
}
