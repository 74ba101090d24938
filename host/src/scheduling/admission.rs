//! Who may run now, who waits, and who is turned away.

use super::permit::Refused;
use crate::routing::Route;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long an invocation waits, for one thing after another.
#[derive(Debug)]
pub(super) struct Patience {
    deadline: Instant,
    max_wait: Duration,
    /// From the first wait on.
    until: Option<Instant>,
}

impl Patience {
    /// Until `max_wait` after the first wait has begun, or the deadline.
    pub(super) fn new(deadline: Instant, max_wait: Duration) -> Self {
        Self {
            deadline,
            max_wait,
            until: None,
        }
    }

    /// The wait begins, unless it has before. When it ends.
    pub(super) fn until(&mut self) -> Instant {
        let longest = || self.deadline.min(Instant::now() + self.max_wait);
        *self.until.get_or_insert_with(longest)
    }
}

/// Places of which there is a fixed number, with a queue that is bounded in
/// length and in time: whoever can't be served in time is told so at once.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    max_waiting: usize,
}

impl Places {
    pub(super) fn new(places: usize, max_waiting: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(places)),
            waiting: Arc::default(),
            max_waiting,
        }
    }

    /// A place, at once or in turn.
    pub(super) async fn take(
        &self,
        patience: &mut Patience,
    ) -> Result<OwnedSemaphorePermit, Refused> {
        match self.free.clone().try_acquire_owned() {
            Ok(place) => Ok(place),
            // Boxed, so that the common case carries no room for the wait.
            Err(_) => Box::pin(self.wait(patience.until())).await,
        }
    }

    async fn wait(&self, until: Instant) -> Result<OwnedSemaphorePermit, Refused> {
        let _waiting = Counted::below(self.waiting.clone(), self.max_waiting)
            .ok_or(Refused::HostOverloaded)?;
        tokio::time::timeout_at(until, self.free.clone().acquire_owned())
            .await
            .map_err(|_| Refused::HostOverloaded)
            .map(|place| place.expect("never closed"))
    }
}

/// One of a number that is kept below a limit, until it is dropped.
#[derive(Debug)]
pub struct Counted(Arc<AtomicUsize>);

impl Counted {
    /// One more invocation of the route's function, unless it has as many as it
    /// may.
    pub fn invocation_of(route: &Route) -> Option<Self> {
        Self::below(route.running().clone(), route.max_running())
    }

    pub(super) fn below(count: Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        if count.fetch_add(1, Ordering::Relaxed) >= limit {
            count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(longest: Duration) -> Patience {
        Patience::new(Instant::now() + Duration::from_secs(60), longest)
    }

    #[test]
    fn one_wait_after_another_is_no_longer_than_one() {
        let mut patience = waits(Duration::from_secs(5));
        let until = patience.until();
        while Instant::now() + Duration::from_secs(5) <= until {}
        assert_eq!(patience.until(), until);
    }

    #[tokio::test]
    async fn the_queue_is_bounded_in_length_and_time() {
        let long = Duration::from_secs(60);
        let places = Arc::new(Places::new(1, 1));
        let held = places.take(&mut waits(long)).await.unwrap();
        let queued = tokio::spawn({
            let places = places.clone();
            async move { places.take(&mut waits(long)).await.map(drop) }
        });
        while places.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            places.take(&mut waits(long)).await.unwrap_err(),
            Refused::HostOverloaded
        );
        drop(held);
        assert_eq!(queued.await.unwrap(), Ok(()));

        let impatient = Places::new(0, 1);
        assert_eq!(
            impatient
                .take(&mut waits(Duration::ZERO))
                .await
                .unwrap_err(),
            Refused::HostOverloaded
        );
        assert_eq!(impatient.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_count_stays_below_its_limit() {
        let count = Arc::new(AtomicUsize::new(0));
        let first = Counted::below(count.clone(), 1).unwrap();
        assert!(Counted::below(count.clone(), 1).is_none());
        drop(first);
        assert!(Counted::below(count, 1).is_some());
    }
}
