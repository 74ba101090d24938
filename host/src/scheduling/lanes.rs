//! The threads of both lanes.

use super::permit::{LanePermit, Refused, Seat};
use crate::registry::Lane;
use crate::routing::Route;
use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, oneshot};

/// How much a thread of the blocking lane steps back for the async lane
/// (`nice`, 0 to 19): waiting requests are served first, computing ones share
/// what is left.
const BLOCKING_NICE: i32 = 10;

/// Polls between two looks at sockets and timers. Small, because one poll of a
/// guest may last a whole slice.
const EVENT_INTERVAL: u32 = 16;

/// The lanes' size.
#[derive(Clone, Debug)]
pub struct LanesConfig {
    /// Event loops of the async lane. Default: one per core.
    pub workers: usize,
    /// Threads of the blocking lane. Default: one per core.
    pub blocking_threads: usize,
    /// Exclusive instances that may run at once on either lane; the rest wait.
    pub max_exclusive: usize,
    /// Longest wait for an exclusive instance before the host says that it is
    /// overloaded.
    pub max_wait: Duration,
}

impl Default for LanesConfig {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: cores,
            blocking_threads: cores,
            max_exclusive: 1_000,
            max_wait: Duration::from_secs(5),
        }
    }
}

/// One event loop of the async lane.
#[derive(Debug)]
pub struct Worker {
    handle: Handle,
    connections: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
}

impl Worker {
    /// Runs `connection` on this worker, to its end.
    pub fn serve(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let count = Counted::new(self.connections.clone());
        self.handle.spawn(async move {
            connection.await;
            drop(count);
        });
    }
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

thread_local! {
    static WORKER: Cell<usize> = const { Cell::new(0) };
}

/// Both lanes.
#[derive(Debug)]
pub struct Lanes {
    workers: Vec<Worker>,
    /// Taken on drop: a runtime may not be dropped by waiting for its threads.
    blocking: Option<Runtime>,
    exclusive: Arc<Semaphore>,
    max_wait: Duration,
}

impl Lanes {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread or an event queue.
    pub fn start(config: &LanesConfig) -> io::Result<Self> {
        let workers = (0..config.workers.max(1)).map(start_worker).collect::<io::Result<_>>()?;
        let blocking = Builder::new_multi_thread()
            .worker_threads(config.blocking_threads.max(1))
            .thread_name_fn(numbered("dunlin-blocking"))
            .on_thread_start(|| {
                // Refused only where a sandbox forbids it: then both lanes are equals.
                let _ = rustix::process::nice(BLOCKING_NICE);
            })
            .event_interval(EVENT_INTERVAL)
            .enable_all()
            .build()?;
        Ok(Self {
            workers,
            blocking: Some(blocking),
            exclusive: Arc::new(Semaphore::new(config.max_exclusive)),
            max_wait: config.max_wait,
        })
    }

    /// The worker with the fewest connections.
    pub fn least_connected(&self) -> &Worker {
        self.workers
            .iter()
            .min_by_key(|worker| worker.connections.load(Ordering::Relaxed))
            .expect("there is at least one worker")
    }

    /// How many workers the async lane has.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// The event loop of the blocking lane.
    pub fn blocking(&self) -> &Handle {
        self.blocking.as_ref().expect("taken only on drop").handle()
    }

    /// Lets one invocation of `route` run, as soon as there is room for it.
    ///
    /// Called on a worker: an invocation on the async lane runs on the caller's.
    ///
    /// # Errors
    ///
    /// When there is no room for longer than the configured wait.
    pub async fn admit(&self, route: &Route) -> Result<LanePermit, Refused> {
        let seat = match route.lane() {
            Lane::Async => {
                let index = WORKER.get();
                Seat::Async { worker: index, handle: self.workers[index].handle.clone() }
            }
            Lane::Blocking => Seat::Blocking { handle: self.blocking().clone() },
        };
        if route.is_shared() {
            return Ok(LanePermit { seat, exclusive: None });
        }
        let exclusive = self.exclusive.clone();
        let exclusive = match exclusive.try_acquire_owned() {
            Ok(exclusive) => exclusive,
            // Boxed, so that the common case carries no room for the wait.
            Err(_) => Box::pin(tokio::time::timeout(self.max_wait, self.exclusive.clone().acquire_owned()))
                .await
                .map_err(|_| Refused::HostOverloaded)?
                .expect("never closed"),
        };
        Ok(LanePermit { seat, exclusive: Some(exclusive) })
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // Fails only when the worker's thread has ended already.
            let _ = worker.stop.take().map(|stop| stop.send(()));
        }
        if let Some(blocking) = self.blocking.take() {
            blocking.shutdown_background();
        }
    }
}

fn start_worker(index: usize) -> io::Result<Worker> {
    let runtime = Builder::new_current_thread().event_interval(EVENT_INTERVAL).enable_all().build()?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel();
    thread::Builder::new().name(format!("dunlin-async-{index}")).spawn(move || {
        WORKER.set(index);
        // Ends when the lanes say so or are gone.
        let _ = runtime.block_on(stopped);
    })?;
    Ok(Worker { handle, connections: Arc::default(), stop: Some(stop) })
}

fn numbered(name: &'static str) -> impl Fn() -> String + Send + Sync + 'static {
    let next = AtomicUsize::new(0);
    move || format!("{name}-{}", next.fetch_add(1, Ordering::Relaxed))
}
