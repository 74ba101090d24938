//! Where an instance is driven: on the async lane by a task of its own or, when
//! a request comes in on the same event loop, by whoever brings it; after a
//! promotion, in turns on the blocking lane.

use super::advice;
use super::status::Status;
use crate::capabilities::Grants;
use crate::names::FunctionName;
use crate::routing::Route;
use crate::scheduling::{Counted, Turns};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};
use std::thread::ThreadId;
use tokio::runtime::Handle;

/// All that an instance does, to its end.
pub(super) type Driving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The blocking lane, as an instance gets there.
#[derive(Clone, Debug)]
pub(super) struct Blocking {
    pub(super) runtime: Handle,
    pub(super) turns: Turns,
}

impl Blocking {
    /// Drives an instance here from now on.
    pub(super) fn spawn(&self, function: FunctionName, driving: Driving, status: Arc<Status>) {
        let is_computing = move || status.pace.is_computing();
        self.runtime
            .spawn(self.turns.share(function, driving, is_computing));
    }
}

/// An instance on the async lane. It stays until its pace says that it belongs
/// on the blocking lane: then it goes on there, with the guest suspended inside.
pub(super) struct OnAsyncLane {
    slot: Mutex<Slot>,
    status: Arc<Status>,
    /// One of the function's, whichever: it counts for all of them.
    route: Route,
    grants: Arc<Grants>,
    blocking: Blocking,
}

struct Slot {
    /// None: being polled, moved away, or at its end.
    driving: Option<Driving>,
    /// The instance's own task, which every event wakes, and its thread.
    task: Option<(Waker, ThreadId)>,
}

impl OnAsyncLane {
    /// Starts to drive an instance on `runtime`.
    pub(super) fn spawn(
        runtime: &Handle,
        route: Route,
        grants: Arc<Grants>,
        driving: Driving,
        status: Arc<Status>,
        blocking: Blocking,
    ) -> Arc<Self> {
        let slot = Slot {
            driving: Some(driving),
            task: None,
        };
        let this = Arc::new(Self {
            slot: Mutex::new(slot),
            status,
            route,
            grants,
            blocking,
        });
        runtime.spawn(Task(this.clone()));
        this
    }

    /// Drives the instance from within another task of its event loop, as far
    /// as it goes without waiting: a call that does not wait is done when this
    /// returns. False when the instance has to be woken instead.
    pub(super) fn poll_here(&self) -> bool {
        let slot = match self.slot.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let Some((task, thread)) = slot.task.clone() else {
            return false;
        };
        if slot.driving.is_none() || thread != std::thread::current().id() {
            return false;
        }
        let mut cx = Context::from_waker(&task);
        if self.poll(slot, &mut cx).is_ready() {
            // The task has nothing left to do but to see that.
            task.wake();
        }
        true
    }

    fn poll(&self, mut slot: MutexGuard<'_, Slot>, cx: &mut Context<'_>) -> Poll<()> {
        // Taken out, so that a panic loses it.
        let Some(mut driving) = slot.driving.take() else {
            return Poll::Ready(());
        };
        if driving.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if self.status.pace.take_promotion() {
            // Those who came along finish there; new ones get another instance.
            self.status.retire();
            self.go_on(driving);
            return Poll::Ready(());
        }
        slot.driving = Some(driving);
        Poll::Pending
    }

    /// Goes on, on the blocking lane. Work that nobody waits for counts as an
    /// invocation while it computes: else a function could have any number of
    /// it, answering at once.
    fn go_on(&self, driving: Driving) {
        let spawn = |driving| {
            let function = self.route.function().clone();
            self.blocking.spawn(function, driving, self.status.clone());
        };
        if !self.status.is_left_behind() {
            spawn(driving);
        } else if let Some(counted) = Counted::invocation_of(&self.route) {
            spawn(Box::pin(async move {
                driving.await;
                drop(counted);
            }));
        } else {
            advice::no_room_for_left(&self.grants);
        }
    }
}

/// The task of an instance on the async lane.
struct Task(Arc<OnAsyncLane>);

impl Future for Task {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let lane = &self.0;
        let mut slot = lane.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = slot
            .task
            .as_ref()
            .is_some_and(|(waker, _)| waker.will_wake(cx.waker()));
        if !is_known {
            slot.task = Some((cx.waker().clone(), std::thread::current().id()));
        }
        lane.poll(slot, cx)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // The lane ends before its instances: they go with it.
        let mut slot = self.0.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let driving = slot.driving.take();
        drop(slot);
        drop(driving);
    }
}
