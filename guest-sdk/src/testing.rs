//! For native tests.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Runs a future to its end on this thread: a handler, or
/// [`App::call`](crate::App::call).
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
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
