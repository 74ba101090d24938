//! The instances of all versions: loaded on first use, found for each request,
//! put aside and, when nobody needs them, dropped.

use super::advice;
use super::answer::Answer;
use super::call::{Job, Place, Reply};
use super::code::Code;
use super::driver::Blocking;
use super::engine::Engine;
use super::failure::{Failed, Failure};
use super::loaded::Loaded;
use super::pool::{Pool, Taken, lock};
use super::status::Waiting;
use crate::capabilities::Invocation;
use crate::contract::{Body, Head};
use crate::names::{FunctionName, VersionId};
use crate::registry::{Isolation, Registry, Version};
use crate::routing::Route;
use crate::scheduling::{LanePermit, Lanes};
use arc_swap::ArcSwap;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, join_all};
use http::StatusCode;
use rustc_hash::FxHashMap;
use std::collections::HashMap;
use std::error::Error;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

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
    pools: ArcSwap<FxHashMap<VersionId, Arc<Pool>>>,
    /// The versions that are about to have a pool. Requests for loaded versions
    /// never take the lock.
    loading: Mutex<HashMap<VersionId, Loading>>,
    unload_after: Duration,
}

/// A version that is being loaded, by a task of its own: whoever waits for it
/// may go away, and the next one waits for the same.
type Loading = Shared<BoxFuture<'static, Result<Arc<Pool>, Failure>>>;

impl Instances {
    /// No instances yet. The code of a version that had no invocation for
    /// `unload_after` leaves memory.
    pub fn new(
        engine: Arc<Engine>,
        registry: Arc<Registry>,
        lanes: &Lanes,
        unload_after: Duration,
    ) -> Self {
        Self {
            engine,
            registry,
            workers: lanes.workers(),
            blocking: Blocking {
                runtime: lanes.blocking().clone(),
                turns: lanes.turns().clone(),
            },
            pools: ArcSwap::default(),
            loading: Mutex::default(),
            unload_after,
        }
    }

    /// Takes an instance for one invocation of `route`.
    ///
    /// # Errors
    ///
    /// When the version can't be loaded, or not before the deadline.
    pub async fn take<'a>(
        self: &Arc<Self>,
        route: &'a Route,
        permit: LanePermit,
        deadline: Instant,
    ) -> Result<Instance<'a>, Failure> {
        let loaded = self.pools.load().get(&route.version().id).cloned();
        let pool = match loaded {
            Some(pool) => pool,
            // Boxed, so that the common case carries no room for it.
            None => {
                let loading = Box::pin(self.load(route.version().clone()));
                tokio::time::timeout_at(deadline, loading)
                    .await
                    .unwrap_or(Err(Failure::Deadline))?
            }
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
    pub async fn preload(self: &Arc<Self>, version: Arc<Version>) -> Result<(), Failure> {
        self.load(version).await.map(drop)
    }

    /// How many versions are loaded.
    pub fn loaded(&self) -> usize {
        self.pools.load().len()
    }

    async fn load(self: &Arc<Self>, version: Arc<Version>) -> Result<Arc<Pool>, Failure> {
        let loading = {
            let mut loading = lock(&self.loading);
            if let Some(pool) = self.pools.load().get(&version.id) {
                return Ok(pool.clone());
            }
            loading
                .entry(version.id.clone())
                .or_insert_with(|| self.start_loading(version))
                .clone()
        };
        loading.await
    }

    fn start_loading(self: &Arc<Self>, version: Arc<Version>) -> Loading {
        let instances = self.clone();
        let task = tokio::spawn(async move {
            let listed = Listed {
                instances: &instances,
                id: &version.id,
            };
            let pool = Arc::new(instances.load_now(version.clone()).await?);
            listed.instances.pools.rcu(|pools| {
                let mut next = FxHashMap::clone(pools);
                next.insert(version.id.clone(), pool.clone());
                next
            });
            Ok(pool)
        });
        let outcome = task.map(|outcome| match outcome {
            Ok(outcome) => outcome,
            // The lane ends, and the task with it.
            Err(error) if error.is_cancelled() => Err(Failure::Draining),
            Err(error) => Err(Failure::Load(error.to_string().into())),
        });
        outcome.boxed().shared()
    }

    async fn load_now(&self, version: Arc<Version>) -> Result<Pool, Failure> {
        let failure = |error: &dyn Error| Failure::Load(error.to_string().into());
        let code = Code::of(&version.component, &self.engine, &self.registry)
            .await
            .map_err(|error| failure(&error))?;
        let engine = self.engine.clone();
        let registry = self.registry.clone();
        let loading = tokio::task::spawn_blocking(move || {
            let secrets =
                registry.open_secrets(version.id.function(), &version.manifest.secrets)?;
            Loaded::new(&engine, version, secrets, &code)
        });
        let loaded = loading
            .await
            .map_err(|error| failure(&error))?
            .map_err(|error| Failure::Load(format!("{error:#}").into()))?;
        let (engine, blocking) = (self.engine.clone(), self.blocking.clone());
        Ok(Pool::new(engine, loaded, blocking, self.workers))
    }

    /// Lets go of a version that gets no more traffic: its idle instances end
    /// now, the others with their invocations.
    pub fn retire(&self, version: &VersionId) {
        self.pools.rcu(|pools| {
            let mut next = FxHashMap::clone(pools);
            next.remove(version);
            next
        });
    }

    /// Lets go of what was loaded of a function, because what it was loaded with
    /// has changed: its next request starts anew, the others finish.
    pub async fn renew(&self, function: &FunctionName) {
        // A version that is being loaded right now may have seen the old state.
        let loading: Vec<_> = lock(&self.loading)
            .iter()
            .filter(|(id, _)| id.function() == function)
            .map(|(_, loading)| loading.clone())
            .collect();
        join_all(loading).await;
        self.pools.rcu(|pools| {
            let mut next = FxHashMap::clone(pools);
            next.retain(|id, _| id.function() != function);
            next
        });
    }

    /// Drops instances that nobody has used for a while, and the code of
    /// versions; call it now and then. A request that has found its pool keeps
    /// it; the next one loads the version again.
    pub fn sweep(&self) {
        let max_idle = MAX_IDLE.min(self.unload_after);
        let pools = self.pools.load_full();
        let unused: Vec<_> = pools
            .values()
            .filter(|pool| pool.sweep(max_idle) >= self.unload_after)
            .collect();
        if unused.is_empty() {
            return;
        }
        self.pools.rcu(|pools| {
            let mut next = FxHashMap::clone(pools);
            next.retain(|_, pool| !unused.iter().any(|unused| Arc::ptr_eq(unused, pool)));
            next
        });
        tracing::debug!(
            target: "dunlin",
            "{} versions had no invocation for a while: their code leaves memory",
            unused.len()
        );
    }
}

/// A version among those that are being loaded, until this is dropped.
struct Listed<'a> {
    instances: &'a Instances,
    id: &'a VersionId,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        lock(&self.instances.loading).remove(self.id);
    }
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

/// What an answer keeps until its end.
struct Held {
    _permit: Permit,
    /// For a WebSocket: tells its instance that the connection is over.
    _open: Option<oneshot::Sender<()>>,
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
        invocation: &Arc<Invocation>,
        deadline: Instant,
    ) -> Result<http::Response<Answer>, Failed> {
        let Self {
            pool,
            taken,
            route,
            permit,
        } = self;
        let request = (head, body);
        let (response, waiting, held) = {
            // Pinned here: moved into the timeout it would be copied, twice.
            let outcome = Self::outcome(&pool, taken, route, permit, request, invocation);
            tokio::time::timeout_at(deadline, pin!(outcome))
                .await
                .unwrap_or(Err(Failure::Deadline.into()))?
        };
        let invocation = invocation.clone();
        let expired = move || {
            let line = format!("the answer broke off: {}", Failure::Deadline);
            let grants = &pool.loaded.grants;
            grants.log(Some(&invocation.request_id), line);
        };
        let is_accepted =
            route.is_websocket() && response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let deadline = (!is_accepted).then_some(deadline);
        Ok(response.map(|body| Answer::new(body, waiting, held, deadline, expired)))
    }

    /// The answer. A request that its instance has not taken when it ends goes
    /// to another one: no guest has seen it.
    async fn outcome(
        pool: &Arc<Pool>,
        mut taken: Taken,
        route: &Route,
        mut permit: LanePermit,
        (mut head, mut body): (Arc<Head>, Body),
        invocation: &Arc<Invocation>,
    ) -> Result<(http::Response<Body>, Waiting, Held), Failed> {
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
            let (open, closed) = route.is_websocket().then(oneshot::channel).unzip();
            let job = Job {
                head,
                body,
                route: invocation.route.id().0,
                reply,
                place: Place::new(status.clone(), invocation.clone(), on_free, permit.kept()),
                start: start.take(),
                closed,
            };
            if let Err(job) = handle.send(job) {
                // It is about to say so itself: the next try is another's.
                status.retire();
                job.give_back();
            }
            drop(handle);
            match replied.await {
                Ok(Reply::Done(Ok(response))) => {
                    let held = Held {
                        _permit: permit,
                        _open: open,
                    };
                    return Ok((response, waiting, held));
                }
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
