//! A request body that remembers when it last moved.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, timeout_at};

/// When a request last got on, so that a long upload is not mistaken for a
/// silent peer.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    since: Instant,
    /// Milliseconds after `since`; an atomic because the body is polled by the
    /// connection's task.
    last_ms: Arc<AtomicU64>,
}

/// A request got on with nothing for its limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stalled;

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            last_ms: Arc::default(),
        }
    }

    /// Awaits `future` until nothing has moved for `limit`.
    pub(super) async fn watch<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, Stalled> {
        let mut future = std::pin::pin!(future);
        loop {
            let deadline = self.last() + limit;
            match timeout_at(deadline, future.as_mut()).await {
                Ok(output) => return Ok(output),
                Err(_) if self.last() + limit > deadline => {}
                Err(_) => return Err(Stalled),
            }
        }
    }

    /// `body`, noting here whenever a piece of it is taken.
    pub(super) fn track<B>(&self, body: B) -> Tracked<B> {
        Tracked {
            body,
            progress: self.clone(),
        }
    }

    fn last(&self) -> Instant {
        self.since + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }

    fn note(&self) {
        let ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(ms, Ordering::Relaxed);
    }
}

/// See [`Progress::track`].
pub(super) struct Tracked<B> {
    body: B,
    progress: Progress,
}

impl<B: Body + Unpin> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.progress.note();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn progress_extends_the_wait() {
        let progress = Progress::new();
        // Notes in each poll, so that no pause of a busy machine counts as
        // silence.
        let working = async {
            while progress.since.elapsed() < LIMIT * 3 {
                progress.note();
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(progress.watch(LIMIT, working).await, Ok(()));
    }

    #[tokio::test]
    async fn silence_ends_it() {
        let progress = Progress::new();
        assert_eq!(
            progress.watch(LIMIT, std::future::pending::<()>()).await,
            Err(Stalled)
        );
        assert!(progress.since.elapsed() >= LIMIT);
    }
}
