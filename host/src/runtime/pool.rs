//! The instances of one version.

use super::call::OnFree;
use super::driver::Blocking;
use super::engine::Engine;
use super::instance::Handle;
use super::loaded::Loaded;
use crate::registry::Isolation;
use crate::routing::Route;
use crate::scheduling::Seat;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Invocations that share an instance at most. More would save little memory
/// and lose more with each trap.
const MAX_SHARED: usize = 64;

/// The instances of one version.
pub(super) struct Pool {
    engine: Arc<Engine>,
    pub(super) loaded: Arc<Loaded>,
    blocking: Blocking,
    /// Shared instances, by worker.
    shared: Vec<Mutex<Vec<Arc<Handle>>>>,
    /// Exclusive instances that are not in use, by worker; the blocking lane
    /// has the last place. Last in, first out, so that few stay warm.
    idle: Vec<Mutex<Vec<Arc<Handle>>>>,
    /// Whether there was an invocation since the last look.
    is_used: AtomicBool,
    /// The last look at which there had been one.
    used_at: Mutex<Instant>,
}

impl Pool {
    /// No instances yet.
    pub(super) fn new(
        engine: Arc<Engine>,
        loaded: Loaded,
        blocking: Blocking,
        workers: usize,
    ) -> Self {
        Self {
            engine,
            loaded: Arc::new(loaded),
            blocking,
            shared: (0..workers).map(|_| Mutex::default()).collect(),
            idle: (0..=workers).map(|_| Mutex::default()).collect(),
            is_used: AtomicBool::new(true),
            used_at: Mutex::new(Instant::now()),
        }
    }

    /// Drops instances that nobody has used for `max_idle`. Returns for how long
    /// there has been neither an invocation nor an instance, as far as looks
    /// like this one can tell.
    pub(super) fn sweep(&self, max_idle: Duration) -> Duration {
        let mut is_used = self.is_used.swap(false, Ordering::Relaxed);
        for place in self.idle.iter().chain(&self.shared) {
            let mut instances = lock(place);
            instances.retain(|handle| {
                let used = handle.status.busy.load(Ordering::Acquire) > 0
                    || lock(&handle.idle_since).elapsed() < max_idle;
                used && !handle.status.is_retired()
            });
            is_used |= !instances.is_empty();
        }
        let mut used_at = lock(&self.used_at);
        if is_used {
            *used_at = Instant::now();
        }
        used_at.elapsed()
    }

    /// An instance for one more invocation.
    pub(super) fn take(self: &Arc<Self>, route: &Route, seat: &Seat) -> Taken {
        // Read first: a write would take the line from every other core.
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Relaxed);
        }
        let taken = match route.isolation() {
            Isolation::Shared => Taken {
                handle: self.shared(route, seat),
                on_free: None,
            },
            Isolation::Serial | Isolation::Fresh => self.exclusive(route, seat),
        };
        taken.handle.status.busy.fetch_add(1, Ordering::AcqRel);
        taken
    }

    /// An instance that is waiting and has room for one more, or a new one.
    fn shared(&self, route: &Route, seat: &Seat) -> Arc<Handle> {
        let Seat::Async { worker, .. } = seat else {
            unreachable!("a route of the blocking lane is never shared");
        };
        let mut instances = lock(&self.shared[*worker]);
        instances.retain(|handle| !handle.status.is_retired());
        // Who stays for hours need not mind a moment's computing, and wants to be
        // where the others are.
        let joins_any = route.is_websocket();
        let computes = route.computes();
        // The fullest first, so that the others can become idle.
        let free = instances.iter().find(|handle| {
            (joins_any || handle.computes == computes && !handle.status.pace.is_computing())
                && handle.status.is_open()
                && handle.status.busy.load(Ordering::Relaxed) < MAX_SHARED
        });
        if let Some(handle) = free {
            return handle.clone();
        }
        let handle = self.start(route, seat);
        instances.push(handle.clone());
        handle
    }

    /// An idle instance or a new one, and what to do when it is free again.
    fn exclusive(self: &Arc<Self>, route: &Route, seat: &Seat) -> Taken {
        if route.isolation() == Isolation::Fresh {
            return Taken {
                handle: self.start(route, seat),
                on_free: None,
            };
        }
        let place = match seat {
            Seat::Async { worker, .. } => *worker,
            Seat::Blocking { .. } => self.idle.len() - 1,
        };
        let idle = {
            let mut idle = lock(&self.idle[place]);
            std::iter::from_fn(|| idle.pop()).find(|handle| !handle.status.is_retired())
        };
        let handle = idle.unwrap_or_else(|| self.start(route, seat));
        // Weak: a version that was retired meanwhile keeps no idle instance.
        let pool = Arc::downgrade(self);
        let again = handle.clone();
        let put_aside = move || {
            if let Some(pool) = pool.upgrade()
                && !again.status.is_retired()
                && pool.engine.has_room()
            {
                *lock(&again.idle_since) = Instant::now();
                lock(&pool.idle[place]).push(again);
            }
        };
        Taken {
            handle,
            on_free: Some(Box::new(put_aside)),
        }
    }

    fn start(&self, route: &Route, seat: &Seat) -> Arc<Handle> {
        Arc::new(Handle::start(
            &self.engine,
            &self.loaded,
            route,
            seat,
            &self.blocking,
        ))
    }
}

/// A place in an instance.
pub(super) struct Taken {
    pub(super) handle: Arc<Handle>,
    pub(super) on_free: Option<OnFree>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // No code that can panic runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
