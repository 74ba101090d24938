//! The threads of both lanes.

use super::admission::{Counted, Patience, Places};
use super::permit::{LanePermit, Refused, Seat};
use super::turns::Turns;
use crate::registry::Lane;
use crate::routing::Route;
use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How much a thread of the blocking lane steps back for the async lane
/// (`nice`, 0 to 19): waiting requests are served first, computing ones share
/// what is left.
const BLOCKING_NICE: i32 = 10;

/// Polls between two looks at sockets and timers. Small, because one poll of a
/// guest may last a whole slice.
const EVENT_INTERVAL: u32 = 16;

/// The lanes' size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanesConfig {
    /// Event loops of the async lane. Default: one per core.
    pub workers: usize,
    /// Threads of the blocking lane. Default: one per core.
    pub blocking_threads: usize,
    /// Invocations at once, over all functions. Default 10,000.
    pub max_invocations: usize,
    /// Exclusive instances that may run at once on either lane. Default 1,500:
    /// more than a function may have by default, fewer than the engine has room
    /// for.
    pub max_exclusive: usize,
    /// Invocations that may wait for one of these, or for their start on the
    /// blocking lane. Default 1,000.
    pub max_waiting: usize,
    /// Longest wait before the host says that it is overloaded. Default 5 s.
    pub max_wait: Duration,
}

impl Default for LanesConfig {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: cores,
            blocking_threads: cores,
            max_invocations: 10_000,
            max_exclusive: 1_500,
            max_waiting: 1_000,
            max_wait: Duration::from_secs(5),
        }
    }
}

/// One event loop of the async lane.
#[derive(Debug)]
pub struct Worker {
    handle: Handle,
    connections: Arc<AtomicUsize>,
    stop: Mutex<Option<(oneshot::Sender<()>, thread::JoinHandle<()>)>>,
}

impl Worker {
    /// Runs `connection` on this worker, to its end.
    pub fn serve(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let count = Counted::below(self.connections.clone(), usize::MAX);
        self.handle.spawn(async move {
            connection.await;
            drop(count);
        });
    }
}

thread_local! {
    static WORKER: Cell<usize> = const { Cell::new(0) };
}

/// Both lanes.
#[derive(Debug)]
pub struct Lanes {
    workers: Vec<Worker>,
    blocking: Handle,
    /// Taken to stop: a runtime may not be dropped by waiting for its threads.
    blocking_runtime: Mutex<Option<Runtime>>,
    turns: Turns,
    invocations: Places,
    exclusive: Places,
    max_wait: Duration,
}

impl Lanes {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread or an event queue.
    pub fn start(config: &LanesConfig) -> io::Result<Self> {
        let workers = (0..config.workers.max(1))
            .map(start_worker)
            .collect::<io::Result<_>>()?;
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
            blocking: blocking.handle().clone(),
            blocking_runtime: Mutex::new(Some(blocking)),
            turns: Turns::new(
                config.blocking_threads.max(1),
                config.max_waiting,
                config.max_wait,
            ),
            invocations: Places::new(config.max_invocations, config.max_waiting),
            exclusive: Places::new(config.max_exclusive, config.max_waiting),
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

    /// Connections that are open, over all workers.
    pub fn connections(&self) -> usize {
        let workers = self.workers.iter();
        workers
            .map(|worker| worker.connections.load(Ordering::Relaxed))
            .sum()
    }

    /// How many workers the async lane has.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// The event loops of the async lane.
    pub fn event_loops(&self) -> Vec<Handle> {
        let workers = self.workers.iter();
        workers.map(|worker| worker.handle.clone()).collect()
    }

    /// The event loop of the blocking lane.
    pub fn blocking(&self) -> &Handle {
        &self.blocking
    }

    /// Who computes when on the blocking lane.
    pub fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Lets one invocation of `route` run, as soon as there is room for it.
    ///
    /// Called on a worker: an invocation on the async lane runs on the caller's.
    ///
    /// # Errors
    ///
    /// At once when the function has as many invocations as it may, or too many
    /// wait already; when there is no room for longer than the configured wait, or until
    /// the invocation's `deadline`.
    pub async fn admit(&self, route: &Route, deadline: Instant) -> Result<LanePermit, Refused> {
        let function = Counted::invocation_of(route).ok_or(Refused::FunctionOverloaded)?;
        let mut patience = Patience::new(deadline, self.max_wait);
        let start = match route.lane() {
            Lane::Async => None,
            // Boxed, so that the async lane carries no room for the wait.
            Lane::Blocking => {
                let until = patience.until();
                Some(Box::pin(self.turns.start(route.function(), until)).await?)
            }
        };
        let invocation = self.invocations.take(&mut patience).await?;
        let exclusive = if route.is_shared() {
            None
        } else {
            Some(self.exclusive.take(&mut patience).await?)
        };
        let seat = match route.lane() {
            Lane::Async => {
                let index = WORKER.get();
                Seat::Async {
                    worker: index,
                    handle: self.workers[index].handle.clone(),
                }
            }
            Lane::Blocking => Seat::Blocking {
                handle: self.blocking().clone(),
            },
        };
        Ok(LanePermit {
            seat,
            start,
            _function: function,
            _invocation: invocation,
            _exclusive: exclusive,
        })
    }
}

impl Lanes {
    /// Ends both lanes, with all that still runs on them. Waits for the threads
    /// of the async lane: what their tasks used is still there until then.
    pub fn stop(&self) {
        let take = |worker: &Worker| {
            let mut stop = worker.stop.lock().unwrap_or_else(PoisonError::into_inner);
            stop.take()
        };
        let stopping: Vec<_> = self.workers.iter().filter_map(take).collect();
        let (stops, threads): (Vec<_>, Vec<_>) = stopping.into_iter().unzip();
        for stop in stops {
            // Fails only when the worker's thread has ended already.
            let _ = stop.send(());
        }
        for thread in threads {
            // A worker that panicked has ended too.
            let _ = thread.join();
        }
        let mut blocking = self
            .blocking_runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(blocking) = blocking.take() {
            blocking.shutdown_background();
        }
    }
}

fn start_worker(index: usize) -> io::Result<Worker> {
    let runtime = Builder::new_current_thread()
        .event_interval(EVENT_INTERVAL)
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new()
        .name(format!("dunlin-async-{index}"))
        .spawn(move || {
            WORKER.set(index);
            // Ends when the lanes say so or are gone.
            let _ = runtime.block_on(stopped);
        })?;
    Ok(Worker {
        handle,
        connections: Arc::default(),
        stop: Mutex::new(Some((stop, thread))),
    })
}

fn numbered(name: &'static str) -> impl Fn() -> String + Send + Sync + 'static {
    let next = AtomicUsize::new(0);
    move || format!("{name}-{}", next.fetch_add(1, Ordering::Relaxed))
}
