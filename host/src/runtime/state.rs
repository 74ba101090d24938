//! What one instance's store holds.

use super::advice;
use super::engine::Engine;
use super::limits::MemoryLimit;
use super::loaded::Loaded;
use super::pace::{ASYNC_BUDGET, LEFT_BEHIND_BUDGET, Ticked};
use super::status::Status;
use crate::capabilities::Context;
use std::sync::Arc;
use wasmtime::{AsContextMut as _, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

/// What one instance's store holds.
pub(super) struct State {
    pub(super) context: Context,
    pub(super) memory: MemoryLimit,
}

impl State {
    /// A store for one instance of `loaded`, which yields as befits the lane.
    pub(super) fn store(engine: &Engine, loaded: &Loaded, status: Arc<Status>) -> Store<Self> {
        let memory = loaded.version.limits.memory.as_bytes();
        let state = Self {
            context: Context::new(loaded.grants.clone()),
            memory: MemoryLimit::new(memory),
        };
        let mut store = Store::new(&engine.wasmtime, state);
        store.limiter(|state| &mut state.memory);
        // What one call hands over: no more than the guest can have.
        store.set_hostcall_fuel(usize::try_from(memory).unwrap_or(usize::MAX));
        store.set_epoch_deadline(status.pace.slice_ticks());
        let grants = loaded.grants.clone();
        let limit = loaded.version.limits.cpu.as_duration();
        store.epoch_deadline_callback(move |mut store| {
            let actor = Context::actor(store.as_context_mut());
            let budget = if status.is_left_behind() {
                LEFT_BEHIND_BUDGET
            } else {
                ASYNC_BUDGET
            };
            let ticked = status.pace.tick(&actor, limit, budget)?;
            if ticked != Ticked::GoOn {
                // All that share the instance go along.
                let running = store.data_mut().context.running();
                running.iter().for_each(|invocation| invocation.moved());
            }
            if let (Ticked::RouteLearned, Some(invocation)) = (ticked, actor.invocation()) {
                advice::learned(&grants, invocation);
            }
            // Tokio's own yield: wasmtime's would be polled again at once,
            // from the slot that a worker keeps for the task it woke last.
            let yielded = Box::pin(tokio::task::yield_now());
            Ok(UpdateDeadline::YieldCustom(
                status.pace.slice_ticks(),
                yielded,
            ))
        });
        store
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
