//! What others may know of an instance, and ask of it.

use super::failure::{Failed, Failure};
use super::pace::Pace;
use crate::registry::Lane;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::{Notify, SetOnce};

/// What others may know of an instance.
#[derive(Debug)]
pub(super) struct Status {
    /// Invocations that the instance has taken and not ended.
    pub(super) busy: AtomicUsize,
    /// Invocations that somebody waits for.
    live: AtomicUsize,
    /// How many there have been.
    begun: AtomicUsize,
    /// The guest has nothing to do.
    resting: AtomicBool,
    /// The guest waits without letting others of its instance go on.
    waiting_inside: AtomicBool,
    /// Takes no more invocations.
    retired: AtomicBool,
    /// How it computes.
    pub(super) pace: Pace,
    /// Asks the driver to drop the instance now.
    stop: Notify,
    /// Why the instance is gone.
    fate: SetOnce<Failed>,
}

impl Status {
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            busy: AtomicUsize::new(0),
            live: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            resting: AtomicBool::new(false),
            waiting_inside: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            pace: Pace::new(lane),
            stop: Notify::new(),
            fate: SetOnce::new(),
        }
    }

    /// The guest waits without letting others of its instance go on, or does no
    /// longer.
    pub(super) fn waits_inside(&self, waits: bool) {
        self.waiting_inside.store(waits, Ordering::Relaxed);
    }

    /// Whether an invocation would be taken at once.
    pub(super) fn is_open(&self) -> bool {
        !self.waiting_inside.load(Ordering::Relaxed)
    }

    /// Invocations that somebody waits for.
    pub(super) fn live(&self) -> usize {
        self.live.load(Ordering::SeqCst)
    }

    /// How many invocations somebody has waited for.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// The guest has nothing to do, or has again.
    pub(super) fn rests(&self, rests: bool) {
        self.resting.store(rests, Ordering::Relaxed);
    }

    /// Whether the guest has nothing to do.
    pub(super) fn is_resting(&self) -> bool {
        self.resting.load(Ordering::Relaxed)
    }

    /// Whether nobody waits for anything that the instance does.
    pub(super) fn is_left_behind(&self) -> bool {
        self.live() == 0
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    /// Takes no more invocations; those that it has go on.
    ///
    /// In one order with the last of them: either that one sees it, or whoever
    /// asks after this sees that nobody waits.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
    }

    /// Drops the instance now, with all that it does.
    pub(super) fn stop(&self) {
        self.retire();
        self.stop.notify_one();
    }

    /// Drops the instance now; whoever waits for it learns why.
    pub(super) fn stop_because(&self, failure: Failure) {
        // An instance that has ended already had its own reason.
        let _ = self.fate.set(failure.into());
        self.stop();
    }

    /// Resolves when the instance is to be dropped.
    pub(super) async fn stopped(&self) {
        self.stop.notified().await;
    }

    /// Waits until the instance is gone, and tells why.
    pub(super) async fn fate(&self) -> Failed {
        self.fate.wait().await.clone()
    }
}

/// Somebody waits for one invocation. Dropped before it is done, the invocation
/// is abandoned: its instance takes no more, and goes as soon as nobody waits
/// for any other that it has.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) status: Arc<Status>,
    done: bool,
}

impl Waiting {
    pub(super) fn new(status: Arc<Status>) -> Self {
        status.live.fetch_add(1, Ordering::SeqCst);
        status.begun.fetch_add(1, Ordering::Relaxed);
        Self {
            status,
            done: false,
        }
    }

    /// The whole answer has come.
    pub(super) fn done(&mut self) {
        self.done = true;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.done {
            self.status.retire();
        }
        let live = self.status.live.fetch_sub(1, Ordering::SeqCst) - 1;
        if live == 0 && self.status.is_retired() {
            self.status.stop.notify_one();
        }
    }
}

/// Tells whoever waits why the instance is gone, even when its driver is
/// dropped or panics.
pub(super) struct Ended {
    pub(super) status: Arc<Status>,
    pub(super) failed: Failed,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.status.retire();
        // Refused where the instance was told to stop, and why.
        let _ = self.status.fate.set(self.failed.clone());
    }
}
