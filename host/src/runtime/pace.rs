//! How an instance computes: slices, CPU time, and when it has to change lanes.
//!
//! CPU time is sampled. The engine's clock interrupts a guest that computes at
//! each tick; one that is done sooner is never interrupted, and so costs
//! nothing to measure and has, as far as anybody can tell, used nothing. What
//! goes on after its first tick is measured.

use crate::capabilities::Actor;
use crate::registry::Lane;
use crate::routing::Route;
use rustix::time::{ClockId, clock_gettime};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The length of a tick.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// CPU time that an invocation may use on the async lane.
pub(super) const ASYNC_BUDGET: Duration = Duration::from_millis(10);

/// The same for work that outlived its request: nobody waits for it, others
/// wait behind it. One tick may be the end of an answer.
pub(super) const LEFT_BEHIND_BUDGET: Duration = Duration::from_millis(2);

/// CPU time from which on others notice that an invocation computes. One tick may
/// be the end of an answer.
const NOTICEABLE: Duration = Duration::from_millis(2);

/// Ticks that a guest computes before it goes to the back of the queue.
const ASYNC_SLICE_TICKS: u64 = 1;
const BLOCKING_SLICE_TICKS: u64 = 10;

/// What a tick brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ticked {
    /// Nothing to tell.
    GoOn,
    /// The instance has to go on on the blocking lane.
    Promoted,
    /// So it has, and the invocation's route makes a habit of it: from now on it
    /// starts there.
    RouteLearned,
}

/// How one instance computes. Written by whoever polls it, read by others.
#[derive(Debug)]
pub(super) struct Pace {
    /// On the blocking lane, from the start or since it was promoted.
    blocking: AtomicBool,
    /// Interrupted while computing, rather than waiting for something.
    computing: AtomicBool,
    /// To be moved to the blocking lane.
    promote: AtomicBool,
    /// Polled anew: the clock starts here.
    new_slice: AtomicBool,
    /// The thread's CPU time when the slice began, in nanoseconds; 0 where it was
    /// not asked for, because few of those that wait compute for a whole slice.
    began_ns: AtomicU64,
}

impl Pace {
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            blocking: AtomicBool::new(lane == Lane::Blocking),
            computing: AtomicBool::new(false),
            promote: AtomicBool::new(false),
            new_slice: AtomicBool::new(true),
            began_ns: AtomicU64::new(0),
        }
    }

    /// Whether the guest was interrupted while computing.
    pub(super) fn is_computing(&self) -> bool {
        self.computing.load(Ordering::Relaxed)
    }

    /// How many ticks the guest may compute now.
    pub(super) fn slice_ticks(&self) -> u64 {
        if self.is_blocking() {
            BLOCKING_SLICE_TICKS
        } else {
            ASYNC_SLICE_TICKS
        }
    }

    /// The instance is about to be polled.
    pub(super) fn start_slice(&self) {
        let goes_on = self.is_computing();
        self.computing.store(false, Ordering::Relaxed);
        self.new_slice.store(true, Ordering::Relaxed);
        let is_measured = goes_on || self.is_blocking();
        let began_ns = if is_measured { thread_cpu_ns() } else { 0 };
        self.began_ns.store(began_ns, Ordering::Relaxed);
    }

    /// Whether this is the first time that it is asked in this slice.
    pub(super) fn is_slice_new(&self) -> bool {
        self.new_slice.swap(false, Ordering::Relaxed)
    }

    /// The guest has computed for a whole slice, on behalf of `actor`. With
    /// `budget` used up, it has to leave the async lane.
    ///
    /// # Errors
    ///
    /// When that has used up its CPU time.
    pub(super) fn tick(
        &self,
        actor: &Actor,
        limit: Duration,
        budget: Duration,
    ) -> Result<Ticked, CpuLimitReached> {
        self.computing.store(true, Ordering::Relaxed);
        let slice = match self.began_ns.load(Ordering::Relaxed) {
            0 => TICK,
            began_ns => {
                let now_ns = thread_cpu_ns();
                self.began_ns.store(now_ns, Ordering::Relaxed);
                Duration::from_nanos(now_ns.saturating_sub(began_ns))
            }
        };
        let used = actor.usage().add_cpu(slice);
        let route = actor.invocation().map(|invocation| &invocation.route);
        let is_due = used.at_a_stretch >= budget && !self.blocking.swap(true, Ordering::Relaxed);
        if let Some(route) = route.filter(|_| self.is_blocking()) {
            route.used(used.at_a_stretch);
        }
        if used.of_limit > limit {
            return Err(CpuLimitReached);
        }
        let before = used.at_a_stretch.saturating_sub(slice);
        let is_noticed = before < NOTICEABLE && used.at_a_stretch >= NOTICEABLE;
        if let Some(route) = route.filter(|_| is_noticed && !self.is_blocking()) {
            route.interrupted();
        }
        if !is_due {
            return Ok(Ticked::GoOn);
        }
        self.promote.store(true, Ordering::Relaxed);
        if route.is_some_and(Route::promoted) {
            return Ok(Ticked::RouteLearned);
        }
        Ok(Ticked::Promoted)
    }

    /// Whether the instance has to be moved to the blocking lane now.
    pub(super) fn take_promotion(&self) -> bool {
        self.promote.load(Ordering::Relaxed) && self.promote.swap(false, Ordering::Relaxed)
    }

    fn is_blocking(&self) -> bool {
        self.blocking.load(Ordering::Relaxed)
    }
}

/// The CPU time that this thread has used.
fn thread_cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + nanos.unwrap_or(0)
}

/// Ends an invocation that has used up its CPU time.
#[derive(Debug)]
pub(super) struct CpuLimitReached;

impl fmt::Display for CpuLimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the CPU time is used up")
    }
}

impl std::error::Error for CpuLimitReached {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// As in filling a memory, which is one instruction.
    #[test]
    fn a_slice_that_nothing_interrupts_is_counted_in_full() {
        let pace = Pace::new(Lane::Async);
        let actor = Actor::Left(Arc::default());
        let tick = || pace.tick(&actor, Duration::from_secs(1), ASYNC_BUDGET);

        pace.start_slice();
        assert_eq!(tick().unwrap(), Ticked::GoOn);
        assert_eq!(actor.usage().cpu(), TICK);

        pace.start_slice();
        let until_ns = thread_cpu_ns() + 20_000_000;
        while thread_cpu_ns() < until_ns {}
        assert_eq!(tick().unwrap(), Ticked::Promoted);
        assert!(actor.usage().cpu() >= Duration::from_millis(20));
    }
}
