//! One instance: the task that drives it, and what others may know of it.

use super::call::{self, Job};
use super::engine::Engine;
use super::failure::Failure;
use super::loaded::{Guest, Loaded};
use super::pace::{CpuLimitReached, Pace};
use super::state::State;
use crate::registry::{Isolation, Lane};
use futures::stream::{FuturesUnordered, StreamExt as _};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::{Notify, SetOnce, mpsc};
use wasmtime::component::Accessor;
use wasmtime::{AsContextMut as _, PoolConcurrencyLimitError, Store, Trap};

/// What others may know of an instance.
#[derive(Debug)]
pub(super) struct Status {
    /// Invocations that the instance has taken and not ended.
    pub(super) busy: AtomicUsize,
    /// Invocations that somebody waits for.
    live: AtomicUsize,
    /// Takes no more invocations.
    retired: AtomicBool,
    /// How it computes.
    pub(super) pace: Pace,
    /// Asks the driver to drop the instance now.
    stop: Notify,
    /// Why the instance is gone.
    fate: SetOnce<Failure>,
}

impl Status {
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            busy: AtomicUsize::new(0),
            live: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            pace: Pace::new(lane),
            stop: Notify::new(),
            fate: SetOnce::new(),
        }
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    /// Drops the instance now, with all that it does.
    pub(super) fn stop(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.stop.notify_one();
    }

    /// Waits until the instance is gone, and tells why.
    pub(super) async fn fate(&self) -> Failure {
        self.fate.wait().await.clone()
    }
}

/// Somebody waits for one invocation. Dropped before it is done, the invocation
/// is abandoned: its instance takes no more, and goes as soon as nobody waits
/// for any other that it has.
#[derive(Debug)]
pub(super) struct Waiting {
    status: Arc<Status>,
    done: bool,
}

impl Waiting {
    pub(super) fn new(status: Arc<Status>) -> Self {
        status.live.fetch_add(1, Ordering::Relaxed);
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
            self.status.retired.store(true, Ordering::Relaxed);
        }
        let live = self.status.live.fetch_sub(1, Ordering::AcqRel) - 1;
        if live == 0 && self.status.is_retired() {
            self.status.stop.notify_one();
        }
    }
}

/// An instance, from outside.
pub(super) struct Handle {
    pub(super) jobs: mpsc::UnboundedSender<Job>,
    pub(super) status: Arc<Status>,
    pub(super) loaded: Arc<Loaded>,
    /// When it was last put aside.
    pub(super) idle_since: std::sync::Mutex<Instant>,
}

impl Handle {
    /// Starts an instance on `runtime`; it is instantiated there, and lives
    /// until the handle is dropped and its invocations are done.
    pub(super) fn start(
        engine: &Arc<Engine>,
        loaded: &Arc<Loaded>,
        lane: Lane,
        isolation: Isolation,
        runtime: &tokio::runtime::Handle,
        blocking: &tokio::runtime::Handle,
    ) -> Self {
        let (jobs, queue) = mpsc::unbounded_channel();
        let status = Arc::new(Status::new(lane));
        let driver = Driver {
            engine: engine.clone(),
            loaded: loaded.clone(),
            isolation,
            status: status.clone(),
        };
        let driver = Box::pin(driver.run(queue));
        runtime.spawn(Promotable {
            driver: Some(driver),
            status: status.clone(),
            blocking: blocking.clone(),
        });
        Self {
            jobs,
            status,
            loaded: loaded.clone(),
            idle_since: std::sync::Mutex::new(Instant::now()),
        }
    }
}

/// Drives an instance on the lane it started on, until its pace says that it
/// belongs on the blocking lane: then the driver, with the guest suspended
/// inside it, goes on there.
struct Promotable {
    driver: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    status: Arc<Status>,
    blocking: tokio::runtime::Handle,
}

impl Future for Promotable {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(driver) = &mut self.driver else {
            return Poll::Ready(());
        };
        if driver.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !self.status.pace.take_promotion() {
            return Poll::Pending;
        }
        // Those who came along finish there; new ones get another instance.
        self.status.retired.store(true, Ordering::Relaxed);
        if let Some(driver) = self.driver.take() {
            self.blocking.spawn(driver);
        }
        Poll::Ready(())
    }
}

struct Driver {
    engine: Arc<Engine>,
    loaded: Arc<Loaded>,
    isolation: Isolation,
    status: Arc<Status>,
}

impl Driver {
    async fn run(self, queue: mpsc::UnboundedReceiver<Job>) {
        let ended = Ended {
            status: &self.status,
            failure: Some(Failure::NoAnswer),
        };
        let status = self.status.clone();
        let mut store = State::store(&self.engine, &self.loaded, status.clone());
        let result = {
            let mut drive = pin!(self.drive(&mut store, queue));
            let mut stopped = pin!(status.stop.notified());
            poll_fn(|cx| {
                if stopped.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Ok(()));
                }
                status.pace.start_slice();
                drive.as_mut().poll(cx)
            })
            .await
        };
        ended.with(result.err().map(|error| self.classify(&store, error)));
    }

    async fn drive(
        &self,
        store: &mut Store<State>,
        mut queue: mpsc::UnboundedReceiver<Job>,
    ) -> wasmtime::Result<()> {
        let guest = self
            .loaded
            .exports
            .instantiate(store)
            .await
            .map_err(|error| {
                // Told apart from a guest's trap later.
                if error.is::<Trap>() {
                    error
                } else {
                    error.context(InstantiationFailed)
                }
            })?;
        store
            .run_concurrent(async |accessor| self.serve(accessor, &guest, &mut queue).await)
            .await?
    }

    /// Takes jobs and carries them on, as many at once as come, until no more
    /// can come and the guest has nothing left to do.
    async fn serve(
        &self,
        accessor: &Accessor<State>,
        guest: &Guest,
        queue: &mut mpsc::UnboundedReceiver<Job>,
    ) -> wasmtime::Result<()> {
        let grace = self.loaded.version.manifest.limits.deadline.as_duration();
        let linger = (self.isolation != Isolation::Shared).then_some(grace);
        let mut over = None;
        let mut calls = FuturesUnordered::new();
        let mut open = true;
        poll_fn(|cx| {
            if self.status.pace.is_slice_new() {
                // What passed while the guest waited is not its computing.
                let ticks = self.status.pace.slice_ticks();
                accessor.with(|mut access| access.as_context_mut().set_epoch_deadline(ticks));
            }
            loop {
                match calls.poll_next_unpin(cx) {
                    Poll::Ready(Some(Ok(()))) => continue,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) | Poll::Pending => {}
                }
                if open {
                    match queue.poll_recv(cx) {
                        Poll::Ready(Some(job)) => {
                            calls.push(call::call(accessor, guest, job, linger));
                            continue;
                        }
                        Poll::Ready(None) => open = false,
                        Poll::Pending => return Poll::Pending,
                    }
                }
                if !calls.is_empty() {
                    return Poll::Pending;
                }
                if accessor.poll_no_interesting_tasks(cx).is_ready() {
                    return Poll::Ready(Ok(()));
                }
                // Work that outlives its requests outlives them so long.
                let over = over.get_or_insert_with(|| Box::pin(tokio::time::sleep(grace)));
                return over.as_mut().poll(cx).map(Ok);
            }
        })
        .await
    }

    /// Whose fault the instance's end is; the guest's is logged for it.
    fn classify(&self, store: &Store<State>, error: wasmtime::Error) -> Failure {
        let failure = if store.data().memory.breached() {
            Failure::OutOfMemory
        } else if error.is::<CpuLimitReached>() {
            Failure::CpuLimit
        } else if error.is::<PoolConcurrencyLimitError>() {
            Failure::NoRoom(format!("{error:#}").into())
        } else if error.is::<InstantiationFailed>() {
            Failure::Load(format!("{error:#}").into())
        } else {
            Failure::trap(&error)
        };
        // Who waits for an answer's head reports it; the others are told here.
        let running = store.data().context.running();
        for invocation in running.iter().filter(|it| it.is_answered()) {
            let line = format!("the answer broke off: {failure}");
            self.loaded.grants.log(Some(&invocation.request_id), line);
        }
        if running.is_empty() {
            self.loaded.grants.log(None, failure.to_string());
        }
        if self.status.live.load(Ordering::Acquire) > 1 {
            return Failure::Together(Arc::new(failure));
        }
        failure
    }
}

/// Marks an error of instantiation that is not the guest's trap.
#[derive(Debug)]
struct InstantiationFailed;

impl std::fmt::Display for InstantiationFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the instance could not be made")
    }
}

/// Tells whoever waits why the instance is gone, even when the driver's task is
/// dropped or panics.
struct Ended<'a> {
    status: &'a Status,
    failure: Option<Failure>,
}

impl Ended<'_> {
    fn with(mut self, failure: Option<Failure>) {
        if failure.is_some() {
            self.failure = failure;
        }
    }
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.status.retired.store(true, Ordering::Relaxed);
        if let Some(failure) = self.failure.take() {
            // Set only here, and once.
            let _ = self.status.fate.set(failure);
        }
    }
}
