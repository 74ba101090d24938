//! Waiting.

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;
    use std::time::Instant;

    #[test]
    fn waits_run_side_by_side() {
        let start = Instant::now();
        block_on(async {
            let wait = || sleep(Duration::from_millis(50));
            crate::join!(wait(), wait(), wait(), wait());
        });
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(50) && waited < Duration::from_millis(150));
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
