//! Waiting.

use std::ops::{Add, Sub};
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};

use crate::platform;

/// Waits for `duration`. The function's instance serves other requests
/// meanwhile. Dropping the future ends the wait.
pub async fn sleep(duration: Duration) {
    platform::sleep(duration).await;
}

/// Waits for `work`, at most for `limit`.
///
/// # Errors
/// If `limit` passes first. `work` is dropped then, which cancels what it was
/// waiting for.
pub async fn timeout<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, Elapsed> {
    match select(pin!(work), pin!(sleep(limit))).await {
        Either::Left((value, _)) => Ok(value),
        Either::Right(((), _)) => Err(Elapsed { limit }),
    }
}

/// The time given to [`timeout`] has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not done within {limit:?}")]
pub struct Elapsed {
    limit: Duration,
}

/// A point in time, to measure how long something took.
///
/// ```
/// # use dunlin::prelude::*;
/// # use std::time::Duration;
/// # async fn example() {
/// let start = dunlin::time::Instant::now();
/// dunlin::sleep(Duration::from_secs(2)).await;
/// assert!(start.elapsed() >= Duration::from_secs(2));
/// # }
/// # dunlin::testing::block_on(example());
/// ```
///
/// It never goes back. In native tests it is on the virtual clock, which
/// `std::time::Instant` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Instant(platform::now())
    }

    /// How long ago this was.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Instant::now() - self
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_add(duration))
    }
}

/// Zero if `earlier` is the later one.
impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;
    use std::task::{Context, Waker};

    #[test]
    fn waits_run_side_by_side() {
        let waited = block_on(async {
            let start = Instant::now();
            let wait = || sleep(Duration::from_millis(50));
            crate::join!(wait(), wait(), wait(), wait());
            start.elapsed()
        });
        assert_eq!(waited, Duration::from_millis(50));
    }

    #[test]
    fn under_another_executor_waits_take_their_time() {
        let start = std::time::Instant::now();
        let mut context = Context::from_waker(Waker::noop());
        let mut wait = pin!(sleep(Duration::from_millis(5)));
        while wait.as_mut().poll(&mut context).is_pending() {
            std::thread::yield_now();
        }
        assert!(start.elapsed() >= Duration::from_millis(5));
    }

    #[test]
    fn a_timeout_ends_the_work() {
        let late = timeout(Duration::from_millis(5), std::future::pending::<()>());
        let message = block_on(late).unwrap_err().to_string();
        assert_eq!(message, "not done within 5ms");
        assert_eq!(
            block_on(timeout(Duration::from_secs(5), async { 1 })),
            Ok(1)
        );
    }
}
