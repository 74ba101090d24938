//! The virtual clock: time passes only when everything waits.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

thread_local! {
    static CLOCK: RefCell<Clock> = const { RefCell::new(Clock::new()) };
}

struct Clock {
    now: Duration,
    /// Waits by their end; of those with the same end, the first comes first.
    waits: BTreeMap<(Duration, u64), Waker>,
    last_wait: u64,
    /// How many calls of `block_on` are under way on this thread. Without one,
    /// nobody would move the clock.
    drivers: u32,
}

impl Clock {
    const fn new() -> Self {
        Clock {
            now: Duration::ZERO,
            waits: BTreeMap::new(),
            last_wait: 0,
            drivers: 0,
        }
    }
}

/// The time that has passed on this thread's clock.
pub(crate) fn now() -> Duration {
    CLOCK.with_borrow(|clock| clock.now)
}

/// Whether somebody moves the clock.
pub(crate) fn is_driven() -> bool {
    CLOCK.with_borrow(|clock| clock.drivers > 0)
}

/// While it lives, waits on this thread are on the virtual clock.
pub(super) struct Driver(());

impl Driver {
    pub(super) fn start() -> Self {
        CLOCK.with_borrow_mut(|clock| clock.drivers += 1);
        Driver(())
    }

    /// Moves the clock to the end of the next wait, and wakes it. Answers
    /// false if nothing waits for the clock.
    pub(super) fn advance(&self) -> bool {
        let next = CLOCK.with_borrow_mut(|clock| {
            let ((due, _), waker) = clock.waits.pop_first()?;
            clock.now = clock.now.max(due);
            Some(waker)
        });
        next.map(Waker::wake).is_some()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        CLOCK.with_borrow_mut(|clock| clock.drivers -= 1);
    }
}

/// Waits on the virtual clock.
pub(crate) fn wait(duration: Duration) -> Wait {
    let key = CLOCK.with_borrow_mut(|clock| {
        clock.last_wait += 1;
        (clock.now.saturating_add(duration), clock.last_wait)
    });
    Wait { key, begun: false }
}

pub(crate) struct Wait {
    key: (Duration, u64),
    begun: bool,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        CLOCK.with_borrow_mut(|clock| {
            let waiting = clock.waits.contains_key(&self.key);
            if self.begun && !waiting {
                return Poll::Ready(());
            }
            self.begun = true;
            clock.waits.insert(self.key, context.waker().clone());
            Poll::Pending
        })
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        CLOCK.with_borrow_mut(|clock| clock.waits.remove(&self.key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;
    use crate::{join, sleep, time};
    use std::rc::Rc;

    #[test]
    fn waits_end_in_the_order_of_their_ends() {
        let ended = Rc::new(RefCell::new(Vec::new()));
        let wait = |name: &'static str, hours: u64| {
            let ended = Rc::clone(&ended);
            async move {
                sleep(Duration::from_secs(hours * 3600)).await;
                ended.borrow_mut().push(name);
            }
        };
        let start = now();
        block_on(async { join!(wait("c", 3), wait("a", 1), wait("d", 3), wait("b", 2)) });
        assert_eq!(*ended.borrow(), ["a", "b", "c", "d"]);
        assert_eq!(now() - start, Duration::from_secs(3 * 3600));
    }

    #[test]
    fn a_wait_that_is_given_up_moves_nothing() {
        let start = now();
        block_on(async {
            let hour = sleep(Duration::from_secs(3600));
            assert!(time::timeout(Duration::from_secs(1), hour).await.is_err());
            sleep(Duration::from_secs(1)).await;
        });
        assert_eq!(now() - start, Duration::from_secs(2));
        assert!(CLOCK.with_borrow(|clock| clock.waits.is_empty()));
    }
}
