//! What stands in for the host in native tests.

use std::convert::Infallible;
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use futures::channel::oneshot;

use crate::body::BodyError;
use crate::testing::clock;

pub(crate) use crate::testing::{fetch, with_spawned};

/// Natively no body comes from a host.
pub(crate) struct Incoming(Infallible);

impl Incoming {
    pub(crate) async fn chunk(&mut self, _: usize) -> Result<Option<Vec<u8>>, BodyError> {
        match self.0 {}
    }
}

/// On the virtual clock; under an executor other than ours, which would not
/// move it, the wait takes its time.
pub(crate) async fn sleep(duration: Duration) {
    if clock::is_driven() {
        clock::wait(duration).await;
    } else {
        sleep_on_a_thread(duration).await;
    }
}

async fn sleep_on_a_thread(duration: Duration) {
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

/// The time since some fixed point.
pub(crate) fn now() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    if clock::is_driven() {
        clock::now()
    } else {
        START.get_or_init(Instant::now).elapsed()
    }
}

pub(crate) fn spawn(work: impl Future<Output = ()> + 'static) {
    crate::testing::spawn(Box::pin(work));
}
