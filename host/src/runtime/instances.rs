//! The instances of all versions: loaded on first use, found for each request,
//! put aside and, when nobody needs them, dropped.

use super::advice;
use super::answer::Answer;
use super::call::{Job, OnFree, Place, Reply};
use super::driver::Blocking;
use super::engine::Engine;
use super::failure::{Failed, Failure};
use super::instance::Handle;
use super::loaded::Loaded;
use super::status::Waiting;
use crate::capabilities::Invocation;
use crate::contract::{Body, Head};
use crate::names::{FunctionName, VersionId};
use crate::registry::{Isolation, Registry, Version};
use crate::routing::Route;
use crate::scheduling::{LanePermit, Lanes, Seat};
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Invocations that share an instance at most. More would save little memory
/// and lose more with each trap.
const MAX_SHARED: usize = 64;

/// How often a request goes to another instance because its own ended before
/// it began.
const MAX_TRIES: u32 = 3;

/// An instance that nobody used for this long is dropped.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// The instances of all versions.
pub struct Instances {
    engine: Arc<Engine>,
    registry: Arc<Registry>,
    workers: usize,
    /// Where instances of the async lane go when they compute.
    blocking: Blocking,
    pools: ArcSwap<HashMap<VersionId, Arc<Pool>>>,
    /// Serialises loading; requests for loaded versions never take it.
    loading: tokio::sync::Mutex<()>,
}

/// The instances of one version.
struct Pool {
    engine: Arc<Engine>,
    loaded: Arc<Loaded>,
    blocking: Blocking,
    /// Shared instances, by worker.
    shared: Vec<Mutex<Vec<Arc<Handle>>>>,
    /// Exclusive instances that are not in use, by worker; the blocking lane
    /// has the last place. Last in, first out, so that few stay warm.
    idle: Vec<Mutex<Vec<Arc<Handle>>>>,
}

impl Instances {
    /// No instances yet.
    pub fn new(engine: Arc<Engine>, registry: Arc<Registry>, lanes: &Lanes) -> Self {
        Self {
            engine,
            registry,
            workers: lanes.workers(),
            blocking: Blocking {
                runtime: lanes.blocking().clone(),
                turns: lanes.turns().clone(),
            },
            pools: ArcSwap::default(),
            loading: tokio::sync::Mutex::default(),
        }
    }

    /// Takes an instance for one invocation of `route`.
    ///
    /// # Errors
    ///
    /// When the version can't be loaded.
    pub async fn take<'a>(
        &self,
        route: &'a Route,
        permit: LanePermit,
    ) -> Result<Instance<'a>, Failure> {
        let loaded = self.pools.load().get(&route.version().id).cloned();
        let pool = match loaded {
            Some(pool) => pool,
            // Boxed, so that the common case carries no room for it.
            None => Box::pin(self.load(route.version().clone())).await?,
        };
        Ok(Instance {
            taken: pool.take(route, permit.seat()),
            route,
            pool,
            permit,
        })
    }

    /// Loads a version, unless it is, so that its first request need not wait.
    ///
    /// # Errors
    ///
    /// When it can't be loaded.
    pub async fn preload(&self, version: Arc<Version>) -> Result<(), Failure> {
        self.load(version).await.map(drop)
    }

    async fn load(&self, version: Arc<Version>) -> Result<Arc<Pool>, Failure> {
        let _loading = self.loading.lock().await;
        if let Some(pool) = self.pools.load().get(&version.id) {
            return Ok(pool.clone());
        }
        let engine = self.engine.clone();
        let compiled = self
            .registry
            .compiled(&version.component, &engine.fingerprint());
        if !compiled.exists() {
            let component = self.registry.component(&version.component).ok_or_else(|| {
                Failure::Load("its component is missing from the data directory".into())
            })?;
            super::compile_in_child(&engine, component, compiled.clone())
                .await
                .map_err(|error| Failure::Load(error.to_string().into()))?;
        }
        let id = version.id.clone();
        let registry = self.registry.clone();
        let loading = tokio::task::spawn_blocking(move || {
            let secrets =
                registry.open_secrets(version.id.function(), &version.manifest.secrets)?;
            Loaded::new(&engine, version, secrets, &compiled)
        });
        let loaded = loading
            .await
            .map_err(|error| Failure::Load(error.to_string().into()))?
            .map_err(|error| Failure::Load(format!("{error:#}").into()))?;
        let pool = Arc::new(Pool {
            engine: self.engine.clone(),
            loaded: Arc::new(loaded),
            blocking: self.blocking.clone(),
            shared: (0..self.workers).map(|_| Mutex::default()).collect(),
            idle: (0..=self.workers).map(|_| Mutex::default()).collect(),
        });
        self.pools.rcu(|pools| {
            let mut next = HashMap::clone(pools);
            next.insert(id.clone(), pool.clone());
            next
        });
        Ok(pool)
    }

    /// Lets go of a version that gets no more traffic: its idle instances end
    /// now, the others with their invocations.
    pub fn retire(&self, version: &VersionId) {
        self.pools.rcu(|pools| {
            let mut next = HashMap::clone(pools);
            next.remove(version);
            next
        });
    }

    /// Lets go of what was loaded of a function, because what it was loaded with
    /// has changed: its next request starts anew, the others finish.
    pub async fn renew(&self, function: &FunctionName) {
        // A version that is being loaded right now may have seen the old state.
        let _loading = self.loading.lock().await;
        self.pools.rcu(|pools| {
            let mut next = HashMap::clone(pools);
            next.retain(|id, _| id.function() != function);
            next
        });
    }

    /// Drops instances that nobody has used for a while; call it now and then.
    pub fn sweep(&self) {
        for pool in self.pools.load().values() {
            for place in pool.idle.iter().chain(&pool.shared) {
                lock(place).retain(|handle| {
                    let used = handle.status.busy.load(Ordering::Acquire) > 0
                        || lock(&handle.idle_since).elapsed() < MAX_IDLE;
                    used && !handle.status.is_retired()
                });
            }
        }
    }
}

impl Pool {
    /// An instance for one more invocation.
    fn take(self: &Arc<Self>, route: &Route, seat: &Seat) -> Taken {
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
        // The fullest first, so that the others can become idle.
        let free = instances.iter().find(|handle| {
            !handle.status.pace.is_computing()
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
            {
                *lock(&again.idle_since) = std::time::Instant::now();
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
struct Taken {
    handle: Arc<Handle>,
    on_free: Option<OnFree>,
}

/// What lets an invocation run.
enum Permit {
    /// It ends with the answer.
    OfInvocation(LanePermit),
    /// An instance of its own is taken until it is free, answered or not.
    OfInstance(Arc<LanePermit>),
}

impl Permit {
    fn get(&self) -> &LanePermit {
        match self {
            Self::OfInvocation(permit) => permit,
            Self::OfInstance(permit) => permit,
        }
    }

    fn kept(&self) -> Option<Arc<LanePermit>> {
        match self {
            Self::OfInvocation(_) => None,
            Self::OfInstance(permit) => Some(permit.clone()),
        }
    }
}

/// An instance with a place taken in it.
pub struct Instance<'a> {
    pool: Arc<Pool>,
    taken: Taken,
    route: &'a Route,
    permit: LanePermit,
}

impl Instance<'_> {
    /// Runs one invocation. Dropping the future, or the answer before it is
    /// read, ends the invocation.
    ///
    /// # Errors
    ///
    /// When the guest or the host fails before the answer's head.
    pub async fn call(
        self,
        head: Arc<Head>,
        body: Body,
        invocation: Arc<Invocation>,
        deadline: Instant,
    ) -> Result<http::Response<Answer>, Failed> {
        let loaded = self.pool.loaded.clone();
        let (response, waiting, permit) =
            tokio::time::timeout_at(deadline, self.outcome(head, body, &invocation))
                .await
                .unwrap_or(Err(Failure::Deadline.into()))?;
        let expired = move || {
            let line = format!("the answer broke off: {}", Failure::Deadline);
            loaded.grants.log(Some(&invocation.request_id), line);
        };
        Ok(response.map(|body| Answer::new(body, waiting, permit, deadline, expired)))
    }

    /// The answer. A request that its instance has not taken when it ends goes
    /// to another one: no guest has seen it.
    async fn outcome(
        self,
        mut head: Arc<Head>,
        mut body: Body,
        invocation: &Arc<Invocation>,
    ) -> Result<(http::Response<Body>, Waiting, Permit), Failed> {
        let Self {
            pool,
            mut taken,
            route,
            mut permit,
        } = self;
        let mut start = permit.take_start();
        let permit = match route.isolation() {
            Isolation::Shared => Permit::OfInvocation(permit),
            Isolation::Serial | Isolation::Fresh => Permit::OfInstance(Arc::new(permit)),
        };
        let mut tries = MAX_TRIES;
        loop {
            let Taken { handle, on_free } = taken;
            let status = handle.status.clone();
            let (reply, replied) = oneshot::channel();
            let mut waiting = Waiting::new(status.clone());
            let job = Job {
                head,
                body,
                route: invocation.route.id().0,
                reply,
                place: Place::new(status.clone(), invocation.clone(), on_free, permit.kept()),
                start: start.take(),
            };
            if let Err(job) = handle.send(job) {
                job.give_back();
            }
            drop(handle);
            match replied.await {
                Ok(Reply::Done(Ok(response))) => return Ok((response, waiting, permit)),
                Ok(Reply::Done(Err(failure))) => {
                    waiting.done();
                    return Err(failure.into());
                }
                Ok(Reply::Untouched(its_head, its_body)) if tries > 0 => {
                    waiting.done();
                    tries -= 1;
                    (head, body) = (its_head, its_body);
                    taken = pool.take(route, permit.get().seat());
                }
                // Gone without an answer: its fate says why.
                Ok(Reply::Untouched(..)) | Err(_) => {
                    let failed = status.fate().await;
                    waiting.done();
                    if !failed.with_others {
                        advice::crashed(&pool.loaded.grants, &failed.failure, invocation);
                    }
                    return Err(failed);
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // No code that can panic runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
