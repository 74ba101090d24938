//! What the capabilities of one instance know: grants, tables, invocations.

use super::egress::{EgressClient, EgressError, Hops};
use super::output::{Output, OutputStream};
use super::wasi::EgressHooks;
use crate::names::VersionId;
use crate::routing::Route;
use crate::telemetry::{Logs, RequestId, Source};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use wasmtime::component::{GuestTaskId, HasData, ResourceTable};
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi::{WasiCtx, WasiCtxView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView};

/// Most bytes that one call of `wasi:random` returns.
const MAX_RANDOM_BYTES: u64 = 64 * 1024;

/// Most handles (streams, bodies, requests …) that a guest holds at a time.
const MAX_HANDLES: usize = 16 * 1024;

/// What a version's manifest grants its instances.
#[derive(Debug)]
pub struct Grants {
    /// Whose instances these are.
    pub version: VersionId,
    /// Configuration, seen by the guest as environment variables.
    pub vars: BTreeMap<String, String>,
    /// Outgoing HTTP, under the function's policy.
    pub egress: EgressClient,
    /// Outgoing requests that one invocation may make.
    pub outgoing_requests: u32,
    /// Bytes that one invocation may log; the rest is cut.
    pub log_bytes: u64,
    /// Where log lines go.
    pub logs: Arc<Logs>,
}

/// The host's record of one running invocation.
#[derive(Debug)]
pub struct Invocation {
    /// The request that it answers.
    pub request_id: RequestId,
    /// How many hosts like this one the request went through before.
    pub hops: Hops,
    /// The route that it is an invocation of.
    pub route: Route,
    cpu_us: AtomicU64,
    answered: AtomicBool,
    outgoing: AtomicU32,
    pub(super) logged: AtomicU64,
}

impl Invocation {
    /// A new invocation, which has used nothing yet.
    pub fn new(request_id: RequestId, hops: Hops, route: Route) -> Self {
        Self {
            request_id,
            hops,
            route,
            cpu_us: AtomicU64::new(0),
            answered: AtomicBool::new(false),
            outgoing: AtomicU32::new(0),
            logged: AtomicU64::new(0),
        }
    }

    /// The head of its answer is on its way: whoever waited for it knows.
    pub fn answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// Whether the head of its answer is on its way.
    pub fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Adds CPU time; returns the sum so far.
    pub fn add_cpu(&self, cpu: Duration) -> Duration {
        let cpu_us = u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.cpu_us.fetch_add(cpu_us, Ordering::Relaxed) + cpu_us)
    }

    /// The CPU time used so far, as far as it was long enough to be measured:
    /// an invocation that never computes for a whole tick has none.
    pub fn cpu(&self) -> Duration {
        Duration::from_micros(self.cpu_us.load(Ordering::Relaxed))
    }
}

impl Grants {
    /// Writes a line of the host into the function's log.
    pub fn log(&self, request_id: Option<&RequestId>, line: String) {
        self.logs
            .write(&self.version, request_id, Source::Host, line);
    }

    /// Counts one more outgoing request of an invocation.
    pub(super) fn count_outgoing(
        &self,
        invocation: Option<&Invocation>,
    ) -> Result<(), EgressError> {
        let limit = self.outgoing_requests;
        match invocation {
            Some(it) if it.outgoing.fetch_add(1, Ordering::Relaxed) >= limit => {
                Err(EgressError::TooManyRequests { limit })
            }
            _ => Ok(()),
        }
    }
}

/// What the capabilities of one instance know.
pub struct Context {
    pub(super) grants: Arc<Grants>,
    pub(super) output: Arc<Output>,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: EgressHooks,
    table: ResourceTable,
    /// Several at a time in a shared instance. Weak: whoever carries the
    /// invocation, up to the last byte of its answer, keeps it alive.
    invocations: Vec<(GuestTaskId, Weak<Invocation>)>,
}

impl Context {
    /// The context of a new instance.
    pub fn new(grants: Arc<Grants>) -> Self {
        let output = Arc::new(Output::new(grants.clone()));
        let mut wasi = WasiCtx::builder();
        wasi.stdout(OutputStream::new(output.clone(), Source::Stdout))
            .stderr(OutputStream::new(output.clone(), Source::Stderr))
            .max_random_size(MAX_RANDOM_BYTES);
        for (name, value) in &grants.vars {
            wasi.env(name, value);
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Self {
            hooks: EgressHooks::new(grants.clone()),
            grants,
            output,
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            table,
            invocations: Vec::new(),
        }
    }

    /// Notes that `task` runs `invocation`, so that its log lines and outgoing
    /// requests are counted as its own for as long as somebody holds it.
    pub fn begin(&mut self, task: GuestTaskId, invocation: &Arc<Invocation>) {
        self.invocations
            .retain(|(_, running)| running.strong_count() > 0);
        self.invocations.push((task, Arc::downgrade(invocation)));
        let alone = match self.invocations.as_slice() {
            [(_, alone)] => alone.clone(),
            _ => Weak::new(),
        };
        self.hooks.set_current(alone.clone());
        self.output.set_current(alone);
    }

    /// The invocations that somebody still carries.
    pub fn running(&self) -> Vec<Arc<Invocation>> {
        let running = self.invocations.iter();
        running
            .filter_map(|(_, invocation)| invocation.upgrade())
            .collect()
    }

    /// The invocation on whose behalf the guest is calling the host right now.
    ///
    /// None where the guest acts outside of every invocation: while it starts,
    /// or in work that outlives its request.
    pub fn current<T>(mut store: StoreContextMut<'_, T>) -> Option<Arc<Invocation>>
    where
        T: AsMut<Context> + 'static,
    {
        if let [(_, alone)] = store.data_mut().as_mut().invocations.as_slice() {
            return alone.upgrade();
        }
        let task = store.as_context_mut().async_call_stack().ok()?.last()?;
        let running = &store.data_mut().as_mut().invocations;
        running.iter().find(|(id, _)| *id == task)?.1.upgrade()
    }

    /// The standard interfaces' view.
    pub fn wasi(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }

    /// The view of `wasi:http`.
    pub fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.hooks,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// Tells the linker that a capability works on a [`Context`].
pub struct HasContext;

impl HasData for HasContext {
    type Data<'a> = &'a mut Context;
}
