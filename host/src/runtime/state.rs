//! What one instance's store holds.

use super::engine::Engine;
use super::instance::Status;
use super::limits::MemoryLimit;
use super::loaded::Loaded;
use crate::capabilities::Context;
use crate::registry::Lane;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

/// What one instance's store holds.
pub(super) struct State {
    pub(super) context: Context,
    pub(super) memory: MemoryLimit,
    status: Arc<Status>,
}

impl State {
    /// A store for one instance of `loaded`, which yields as befits the lane.
    pub(super) fn store(
        engine: &Engine,
        loaded: &Loaded,
        lane: Lane,
        status: Arc<Status>,
    ) -> Store<Self> {
        let state = Self {
            context: Context::new(loaded.grants.clone()),
            memory: MemoryLimit::new(loaded.version.manifest.limits.memory.as_bytes()),
            status,
        };
        let mut store = Store::new(&engine.wasmtime, state);
        store.limiter(|state| &mut state.memory);
        let slice_ticks = slice_ticks(lane);
        store.set_epoch_deadline(slice_ticks);
        store.epoch_deadline_callback(move |store| {
            store.data().status.computing.store(true, Ordering::Relaxed);
            // Tokio's own yield: wasmtime's would be polled again at once,
            // from the slot that a worker keeps for the task it woke last.
            Ok(UpdateDeadline::YieldCustom(slice_ticks, Box::pin(tokio::task::yield_now())))
        });
        store
    }
}

/// How many ticks a guest computes before it goes to the back of the queue.
fn slice_ticks(lane: Lane) -> u64 {
    match lane {
        Lane::Async => 1,
        Lane::Blocking => 10,
    }
}

impl AsMut<Context> for State {
    fn as_mut(&mut self) -> &mut Context {
        &mut self.context
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.context.wasi()
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.context.http()
    }
}
