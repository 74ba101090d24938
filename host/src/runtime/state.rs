//! What one instance's store holds.

use super::engine::Engine;
use super::limits::MemoryLimit;
use super::loaded::Loaded;
use super::pace::{ASYNC_BUDGET, Ticked};
use super::status::Status;
use crate::capabilities::{Context, Grants, Invocation};
use std::sync::Arc;
use wasmtime::{Store, UpdateDeadline};
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
        let state = Self {
            context: Context::new(loaded.grants.clone()),
            memory: MemoryLimit::new(loaded.version.manifest.limits.memory.as_bytes()),
        };
        let mut store = Store::new(&engine.wasmtime, state);
        store.limiter(|state| &mut state.memory);
        store.set_epoch_deadline(status.pace.slice_ticks());
        let grants = loaded.grants.clone();
        let limit = loaded.version.manifest.limits.cpu.as_duration();
        store.epoch_deadline_callback(move |store| {
            let invocation = Context::current(store);
            let ticked = status.pace.tick(invocation.as_deref(), limit)?;
            if let (Ticked::RouteLearned, Some(invocation)) = (ticked, &invocation) {
                tell_learned(&grants, invocation);
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

/// Tells the function's author that a handler is declared wrongly.
fn tell_learned(grants: &Grants, invocation: &Invocation) {
    let spec = invocation.route.spec();
    let line = format!(
        "`{} {}` is declared async but computes for more than {} ms: from now on it starts on the \
         blocking lane; declare its handler `fn`",
        spec.method,
        spec.path,
        ASYNC_BUDGET.as_millis(),
    );
    grants.log(Some(&invocation.request_id), line);
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
