//! The one wasmtime engine, its linker, and the clock that makes guests yield.

use super::backtrace::Backtraces;
use super::failure::Failure;
use super::pace;
use super::state::State;
use super::status::Status;
use crate::capabilities::{self, egress::Egress};
use crate::telemetry::Logs;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use wasmtime::component::Linker;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

/// Bytes of a linear memory that stay mapped when its instance is gone, so that
/// the next one in the slot faults less. Kept small: each idle slot costs it.
const KEEP_RESIDENT: usize = 128 * 1024;

/// The same for the stacks that guests run on.
const KEEP_STACK_RESIDENT: usize = 16 * 1024;

/// Most elements of one table. Each slot reserves address space for them.
const MAX_TABLE_ELEMENTS: usize = 100_000;

/// The engine's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Instances that may live at once, over all functions. Each reserves
    /// address space, not memory. Default 2,000.
    pub max_instances: u32,
    /// Bytes that one linear memory may grow to, 4 GiB at most. Default 1 GiB.
    pub max_memory: u64,
    /// What backtraces tell. Default: names.
    pub backtraces: Backtraces,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            max_instances: 2_000,
            max_memory: 1024 * 1024 * 1024,
            backtraces: Backtraces::Names,
        }
    }
}

/// What all instances share: the machine, its ticker, and where their traffic
/// and log lines go.
pub struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
    pub(super) linker: Linker<State>,
    pub(super) egress: Egress,
    pub(super) logs: Arc<Logs>,
    pub(super) backtraces: Backtraces,
    /// The instances that live.
    live: Mutex<HashMap<usize, Arc<Status>>>,
    /// No instance lives any longer.
    stopping: AtomicBool,
    max_instances: usize,
    is_pooling: bool,
    /// Ends the ticker when the engine goes.
    _alive: Arc<()>,
}

impl Engine {
    /// Starts the engine and its ticker.
    ///
    /// # Errors
    ///
    /// When the machine can't run compiled WebAssembly, or refuses a thread.
    pub fn new(config: &EngineConfig, egress: Egress, logs: Arc<Logs>) -> wasmtime::Result<Self> {
        let (wasmtime, is_pooling) = match wasmtime::Engine::new(&pooling(config)) {
            Ok(engine) => (engine, true),
            Err(error) => {
                tracing::warn!(
                    "instances are allocated one by one, which is slower: {error:#}; lower \
                     `host.instances` or raise the address-space limit (`ulimit -v`)"
                );
                (wasmtime::Engine::new(&common(config.backtraces))?, false)
            }
        };
        let mut linker = Linker::new(&wasmtime);
        capabilities::link(&mut linker)?;

        let alive = Arc::new(());
        let watched = Arc::downgrade(&alive);
        let ticking = wasmtime.clone();
        // A thread, not a task: guests may hold every event loop.
        thread::Builder::new()
            .name("dunlin-ticker".to_owned())
            .spawn(move || {
                while watched.strong_count() > 0 {
                    thread::sleep(pace::TICK);
                    ticking.increment_epoch();
                }
            })?;
        Ok(Self {
            wasmtime,
            linker,
            egress,
            logs,
            backtraces: config.backtraces,
            live: Mutex::default(),
            stopping: AtomicBool::new(false),
            max_instances: usize::try_from(config.max_instances).unwrap_or(usize::MAX),
            is_pooling,
            _alive: alive,
        })
    }

    /// How many instances live.
    pub fn instances(&self) -> usize {
        self.live().len()
    }

    /// Whether instances may be kept for later: there is room for others' too.
    pub(super) fn has_room(&self) -> bool {
        self.instances() < self.max_instances / 4 * 3
    }

    /// Ends every instance; whoever waits for one learns that the host stops.
    pub fn stop_instances(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for status in self.live().values() {
            status.stop_because(Failure::Draining);
        }
    }

    /// Lists an instance among those that live, until the guard is dropped.
    ///
    /// # Errors
    ///
    /// When there are as many as may be. Where instances have slots, those are
    /// as many; where they have none, nothing else would bound them.
    pub(super) fn list(&self, status: &Arc<Status>) -> Result<Listed<'_>, Failure> {
        // An address is unique among what lives.
        let key = Arc::as_ptr(status).addr();
        {
            let mut live = self.live();
            if live.len() >= self.max_instances {
                let most = format!("{} live, as many as `host.instances` allows", live.len());
                return Err(Failure::NoRoom(most.into()));
            }
            live.insert(key, status.clone());
        }
        if self.stopping.load(Ordering::SeqCst) {
            status.stop_because(Failure::Draining);
        }
        Ok(Listed { engine: self, key })
    }

    fn live(&self) -> MutexGuard<'_, HashMap<usize, Arc<Status>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether instances come from slots that were laid out once; else the
    /// machine has no address space for them.
    pub fn is_pooling(&self) -> bool {
        self.is_pooling
    }

    /// Names everything that compiled code depends on: code of another engine
    /// is compiled again.
    pub fn fingerprint(&self) -> String {
        use std::hash::{Hash as _, Hasher as _};
        let mut hasher = std::hash::DefaultHasher::new();
        self.wasmtime
            .precompile_compatibility_hash()
            .hash(&mut hasher);
        super::code::SEAL.hash(&mut hasher);
        format!("{}-{:016x}", env!("CARGO_PKG_VERSION"), hasher.finish())
    }
}

/// See [`Engine::list`].
pub(super) struct Listed<'a> {
    engine: &'a Engine,
    key: usize,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.engine.live().remove(&self.key);
    }
}

/// What all engines have in common, the compiling child's too.
fn common(backtraces: Backtraces) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_async(true)
        .epoch_interruption(true)
        // Else a stack keeps what its deepest guest has touched, for ever.
        .async_stack_zeroing(true)
        .wasm_backtrace_details(match backtraces {
            Backtraces::Names => WasmBacktraceDetails::Disable,
            Backtraces::Lines => WasmBacktraceDetails::Enable,
        });
    config
}

/// Instances come from slots that were laid out once: taking one costs
/// microseconds.
fn pooling(config: &EngineConfig) -> Config {
    // wit-component wraps a guest's module with up to three small ones.
    let core_instances = config.max_instances.saturating_mul(4);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(config.max_instances)
        .total_core_instances(core_instances)
        .total_memories(config.max_instances)
        .total_tables(core_instances)
        .total_stacks(config.max_instances.saturating_mul(2))
        .max_memory_size(usize::try_from(config.max_memory).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT / 8)
        .table_elements(MAX_TABLE_ELEMENTS)
        .async_stack_keep_resident(KEEP_STACK_RESIDENT)
        .max_unused_warm_slots(256);
    let mut all = common(config.backtraces);
    all.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    all
}

/// An engine that only compiles: without slots, and without a ticker.
pub(super) fn compiler(backtraces: Backtraces) -> wasmtime::Result<wasmtime::Engine> {
    wasmtime::Engine::new(&common(backtraces))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capabilities::egress::EgressConfig;
    use crate::registry::Lane;

    #[tokio::test]
    async fn instances_are_bounded_with_slots_and_without() {
        let runtime = tokio::runtime::Handle::current();
        let egress = Egress::new(&EgressConfig::default(), runtime).unwrap();
        let config = EngineConfig {
            max_instances: 2,
            ..EngineConfig::default()
        };
        let engine = Engine::new(&config, egress, Arc::default()).unwrap();
        let status = || Arc::new(Status::new(Lane::Async));
        let (first, second, third) = (status(), status(), status());
        let listed = engine.list(&first).unwrap();
        let _also = engine.list(&second).unwrap();
        assert!(matches!(engine.list(&third), Err(Failure::NoRoom(_))));
        assert_eq!(engine.instances(), 2);
        drop(listed);
        assert!(engine.list(&third).is_ok());
    }
}
