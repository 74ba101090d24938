//! Running futures on the test's own thread.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use super::clock::Driver;
use super::fakes;

/// Runs a future to its end on this thread: a handler, or
/// [`App::call`](crate::App::call). Waits are on the virtual clock, as with a
/// [`TestClient`](super::TestClient).
///
/// ```
/// # use dunlin::prelude::*;
/// #[get("/")]
/// async fn hello() -> &'static str { "Hello!" }
///
/// # fn main() {
/// assert_eq!(dunlin::testing::block_on(hello()), "Hello!");
/// # }
/// ```
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark {
        thread: Thread,
        woken: AtomicBool,
    }
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.woken.store(true, Ordering::Release);
            self.thread.unpark();
        }
    }

    let unpark = Arc::new(Unpark {
        thread: thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let clock = Driver::start();
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        // The clock moves only when nothing else is left to do.
        while !unpark.woken.swap(false, Ordering::Acquire) {
            if !clock.advance() {
                // Another thread may wake it.
                thread::park();
            }
        }
    }
}

/// Work that handlers spawned.
#[derive(Default)]
pub(super) struct Spawned(RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>>);

impl Spawned {
    /// Runs `main` to its end, and the spawned work beside it.
    pub(super) async fn beside<T>(&self, main: impl Future<Output = T>) -> T {
        let mut main = pin!(main);
        poll_fn(|context| {
            let answer = main.as_mut().poll(context);
            let _ = self.poll_all(context);
            answer
        })
        .await
    }

    /// Runs the spawned work to its end.
    pub(super) async fn to_the_end(&self) {
        poll_fn(|context| self.poll_all(context)).await;
    }

    /// Ready when nothing is left.
    fn poll_all(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut running = self.0.borrow_mut();
        loop {
            running.extend(fakes::take_spawned());
            match running.poll_next_unpin(context) {
                Poll::Ready(Some(())) => {}
                // What was polled may have spawned more.
                ended if fakes::nothing_spawned() => return ended.map(drop),
                _ => {}
            }
        }
    }
}

/// Runs `main` and all that it spawns, to the end.
pub(crate) async fn with_spawned<T>(main: impl Future<Output = T>) -> T {
    let spawned = Spawned::default();
    let answer = spawned.beside(main).await;
    spawned.to_the_end().await;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sleep, spawn};
    use std::rc::Rc;
    use std::time::Duration;

    #[test]
    fn spawned_work_ends_before_the_answer() {
        let steps = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&steps);
        let answer = block_on(with_spawned(async move {
            spawn(async move {
                sleep(Duration::from_secs(5)).await;
                let last = Rc::clone(&seen);
                spawn(async move { last.borrow_mut().push("inner") });
                seen.borrow_mut().push("outer");
            });
            7
        }));
        assert_eq!(answer, 7);
        assert_eq!(*steps.borrow(), ["outer", "inner"]);
    }

    #[test]
    fn another_thread_may_wake() {
        let (sender, receiver) = futures::channel::oneshot::channel();
        let thread = thread::spawn(move || sender.send(7));
        assert_eq!(block_on(receiver), Ok(7));
        thread.join().unwrap().unwrap();
    }
}
