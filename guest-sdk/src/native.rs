//! What stands in for the host in native tests.

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::body::BodyError;
use crate::fetch::FetchError;
use crate::request::Request;
use crate::response::Response;

/// Natively no body comes from a host.
pub(crate) struct Incoming(Infallible);

impl Incoming {
    pub(crate) async fn chunk(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        match self.0 {}
    }
}

/// A thread for each wait: simple, and tests do not wait much.
pub(crate) async fn sleep(duration: Duration) {
    let (done, ended) = oneshot::channel::<()>();
    // Dropping the wait closes `cancel`, which ends the thread early.
    let (_cancel, cancelled) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        let _ = cancelled.recv_timeout(duration);
        drop(done);
    });
    // The sender is dropped unused, so this resolves to an error: the signal.
    let _ = ended.await;
}

pub(crate) async fn fetch(_: Request) -> Result<Response, FetchError> {
    Err(FetchError::NoHost)
}

thread_local! {
    static SPAWNED: RefCell<Vec<LocalBoxFuture<'static, ()>>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn spawn(work: impl Future<Output = ()> + 'static) {
    SPAWNED.with_borrow_mut(|spawned| spawned.push(Box::pin(work)));
}

/// Runs `main` and all that it spawns, to the end.
pub(crate) async fn with_spawned<T>(main: impl Future<Output = T>) -> T {
    let mut main = pin!(main);
    let mut answer = None;
    let mut running = FuturesUnordered::new();
    std::future::poll_fn(|context| {
        if answer.is_none()
            && let Poll::Ready(value) = main.as_mut().poll(context)
        {
            answer = Some(value);
        }
        loop {
            running.extend(SPAWNED.take());
            match running.poll_next_unpin(context) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) if SPAWNED.with_borrow(Vec::is_empty) => break,
                Poll::Ready(None) => {}
                Poll::Pending if SPAWNED.with_borrow(Vec::is_empty) => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        match answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;
    use std::rc::Rc;

    #[test]
    fn spawned_work_ends_before_the_answer() {
        let steps = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&steps);
        let answer = block_on(with_spawned(async move {
            spawn(async move {
                sleep(Duration::from_millis(5)).await;
                let last = Rc::clone(&seen);
                spawn(async move { last.borrow_mut().push("inner") });
                seen.borrow_mut().push("outer");
            });
            7
        }));
        assert_eq!(answer, 7);
        assert_eq!(*steps.borrow(), ["outer", "inner"]);
    }
}
