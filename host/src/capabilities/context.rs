//! What the capabilities of one instance know: grants, tables, invocations.

use super::egress::{EgressClient, EgressError, Hops};
use super::held::{Held, NothingFree};
use super::output::{Output, OutputStream};
use super::running::Running;
use super::unread::{NoRoom, Reader, Unread};
use super::wasi::EgressHooks;
use crate::contract::Body;
use crate::names::VersionId;
use crate::registry::{Lane, Secrets};
use crate::routing::Route;
use crate::telemetry::{Logs, RequestId, Source};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use wasmtime::component::{GuestTaskId, HasData, ResourceTable};
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi::{WasiCtx, WasiCtxView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView};

/// Most bytes that one call of `wasi:random` returns.
const MAX_RANDOM_BYTES: u64 = 64 * 1024;

/// Most handles (streams, bodies, requests …) that a guest holds at a time.
const MAX_HANDLES: usize = 16 * 1024;

/// Most tasks whose left work is counted apart, in one instance; that of all
/// others is counted as one.
const MAX_LEFT: usize = 256;

/// What a version's manifest grants its instances.
#[derive(Debug)]
pub struct Grants {
    /// Whose instances these are.
    pub version: VersionId,
    /// Configuration, seen by the guest as environment variables.
    pub vars: BTreeMap<String, String>,
    /// The same, for what nobody else may see.
    pub secrets: Secrets,
    /// Outgoing HTTP, under the function's policy.
    pub egress: EgressClient,
    /// Outgoing requests that one invocation may make.
    pub outgoing_requests: u32,
    /// Bytes of memory that one instance may have.
    pub memory: u64,
    /// Bytes that one invocation may log; the rest is cut.
    pub log_bytes: u64,
    /// Answers that nobody has taken yet.
    pub unread: Unread,
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
    /// Who takes its answer.
    reader: Arc<Reader>,
    answered: AtomicBool,
    moved: AtomicBool,
    /// What it has used up.
    pub usage: Usage,
}

impl Invocation {
    /// A new invocation, which has used nothing yet.
    pub fn new(request_id: RequestId, hops: Hops, route: Route, reader: Arc<Reader>) -> Self {
        Self {
            request_id,
            hops,
            route,
            reader,
            answered: AtomicBool::new(false),
            moved: AtomicBool::new(false),
            usage: Usage::default(),
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

    /// Its instance was moved to the blocking lane.
    pub fn moved(&self) {
        self.moved.store(true, Ordering::Relaxed);
    }

    /// The lane that it is on.
    pub fn lane(&self) -> Lane {
        if self.moved.load(Ordering::Relaxed) {
            Lane::Blocking
        } else {
            self.route.lane()
        }
    }
}

/// What an invocation, or work that it left behind, has used of its limits.
#[derive(Debug, Default)]
pub struct Usage {
    cpu_us: AtomicU64,
    /// What of it no longer counts, neither for the limit nor for the lane: of
    /// a WebSocket, which has no end to be measured at.
    past_us: AtomicU64,
    rested_us: AtomicU64,
    outgoing: AtomicU32,
    /// Of what was left behind: how far its request had come.
    hops: Hops,
    pub(super) logged: AtomicU64,
}

impl Usage {
    /// Adds CPU time; returns the sums so far.
    pub fn add_cpu(&self, cpu: Duration) -> CpuUsed {
        let cpu_us = u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX);
        let sum_us = self.cpu_us.fetch_add(cpu_us, Ordering::Relaxed) + cpu_us;
        let since = |mark: &AtomicU64| {
            Duration::from_micros(sum_us.saturating_sub(mark.load(Ordering::Relaxed)))
        };
        CpuUsed {
            of_limit: since(&self.past_us),
            at_a_stretch: since(&self.rested_us),
        }
    }

    /// All limits begin anew.
    pub fn renew(&self) {
        self.past_us
            .store(self.cpu_us.load(Ordering::Relaxed), Ordering::Relaxed);
        self.outgoing.store(0, Ordering::Relaxed);
        self.logged.store(0, Ordering::Relaxed);
    }

    /// A piece of work was done: what comes next is measured by itself when it
    /// is about the lane.
    pub fn rested(&self) {
        self.rested_us
            .store(self.cpu_us.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The CPU time used so far, as far as it was long enough to be measured:
    /// who never computes for a whole tick has used none.
    pub fn cpu(&self) -> Duration {
        Duration::from_micros(self.cpu_us.load(Ordering::Relaxed))
    }
}

/// CPU time that was used.
#[derive(Clone, Copy, Debug)]
pub struct CpuUsed {
    /// What counts for `limits.cpu`.
    pub of_limit: Duration,
    /// What counts for the lane.
    pub at_a_stretch: Duration,
}

/// On whose behalf a guest is acting.
#[derive(Clone, Debug)]
pub enum Actor {
    /// An invocation that somebody waits for.
    Invocation(Arc<Invocation>),
    /// None: the guest is starting, or does what an invocation left behind. That
    /// has the limits of an invocation once more.
    Left(Arc<Usage>),
}

impl Actor {
    /// The invocation, if somebody waits for it.
    pub fn invocation(&self) -> Option<&Arc<Invocation>> {
        match self {
            Self::Invocation(invocation) => Some(invocation),
            Self::Left(_) => None,
        }
    }

    /// What it has used up.
    pub fn usage(&self) -> &Usage {
        match self {
            Self::Invocation(invocation) => &invocation.usage,
            Self::Left(usage) => usage,
        }
    }

    pub(super) fn request_id(&self) -> Option<&RequestId> {
        self.invocation().map(|invocation| &invocation.request_id)
    }

    pub(super) fn hops(&self) -> Hops {
        match self {
            Self::Invocation(invocation) => invocation.hops,
            Self::Left(usage) => usage.hops,
        }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self.usage(), other.usage())
    }
}

impl Grants {
    /// Writes a line of the host into the function's log.
    pub fn log(&self, request_id: Option<&RequestId>, line: String) {
        self.logs
            .write(&self.version, request_id, Source::Host, line);
    }

    /// Counts one more outgoing request.
    pub(super) fn count_outgoing(&self, actor: &Actor) -> Result<(), EgressError> {
        let limit = self.outgoing_requests;
        if actor.usage().outgoing.fetch_add(1, Ordering::Relaxed) >= limit {
            return Err(EgressError::TooManyRequests { limit });
        }
        Ok(())
    }
}

/// What the capabilities of one instance know.
pub struct Context {
    pub(super) grants: Arc<Grants>,
    pub(super) output: Arc<Output>,
    held: Held,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: EgressHooks,
    table: ResourceTable,
    running: Running,
    /// Tasks that went on after their invocation, and acted since.
    left: Vec<(GuestTaskId, Arc<Usage>)>,
    /// What the instance did outside of every task.
    own: Arc<Usage>,
}

impl Context {
    /// The context of a new instance.
    pub fn new(grants: Arc<Grants>) -> Self {
        let own = Arc::<Usage>::default();
        let output = Arc::new(Output::new(grants.clone(), own.clone()));
        let mut wasi = WasiCtx::builder();
        wasi.stdout(OutputStream::new(output.clone(), Source::Stdout))
            .stderr(OutputStream::new(output.clone(), Source::Stderr))
            .max_random_size(MAX_RANDOM_BYTES);
        for (name, value) in &grants.vars {
            wasi.env(name, value);
        }
        for (name, value) in &grants.secrets {
            wasi.env(name.as_str(), value.expose());
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        let running = Running::default();
        Self {
            hooks: EgressHooks::new(grants.clone(), running.clone()),
            held: Held::new(grants.memory),
            grants,
            output,
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            table,
            running,
            left: Vec::new(),
            own,
        }
    }

    /// Notes that `task` runs `invocation`, so that its log lines and outgoing
    /// requests are counted as its own for as long as somebody holds it.
    pub fn begin(&mut self, task: GuestTaskId, invocation: &Arc<Invocation>) {
        // Tasks are numbered anew as they end.
        self.left.retain(|(left, _)| *left != task);
        let alone = self.running.begin(task, invocation);
        self.output.set_alone(alone);
    }

    /// Counts the body of a request that the guest handed over, until it is gone.
    ///
    /// # Errors
    ///
    /// When too much of what it handed over is still there.
    pub(super) fn hold(&self, body: Body) -> Result<Body, NothingFree> {
        self.held.hold(body)
    }

    /// Counts the answer of `invocation` until it is taken.
    ///
    /// # Errors
    ///
    /// When the version's answers that were not taken yet leave no room for it.
    pub fn count_answer(&self, answer: Body, invocation: &Invocation) -> Result<Body, NoRoom> {
        let (reader, id) = (&invocation.reader, &invocation.request_id);
        self.grants.unread.count(answer, reader, id, |id| {
            let line = "the answer broke off: nobody takes it, and others need the memory";
            self.grants.log(Some(&id), line.into());
        })
    }

    /// Nothing is left of any invocation.
    pub fn nothing_left(&mut self) {
        self.left.clear();
        self.running.none_left();
    }

    /// The invocations that somebody still carries.
    pub fn running(&self) -> Vec<Arc<Invocation>> {
        self.running.all()
    }

    /// On whose behalf the guest is calling the host right now.
    pub fn actor<T>(mut store: StoreContextMut<'_, T>) -> Actor
    where
        T: AsMut<Context> + 'static,
    {
        let task = store
            .as_context_mut()
            .async_call_stack()
            .ok()
            .and_then(Iterator::last);
        let context = store.data_mut().as_mut();
        match task {
            Some(task) => context.actor_of(task),
            None => context.alone(),
        }
    }

    fn actor_of(&mut self, task: GuestTaskId) -> Actor {
        if let Some(invocation) = self.running.find(task) {
            return Actor::Invocation(invocation);
        }
        if let Some((_, usage)) = self.left.iter().find(|(id, _)| *id == task) {
            return Actor::Left(usage.clone());
        }
        if self.left.len() == MAX_LEFT {
            // Together: one that was forgotten would begin anew.
            return Actor::Left(self.own.clone());
        }
        let usage = Arc::new(Usage {
            hops: self.running.hops(task),
            ..Usage::default()
        });
        self.left.push((task, usage.clone()));
        Actor::Left(usage)
    }

    /// Who acts when it can't be told: the only invocation, or the instance.
    fn alone(&self) -> Actor {
        let alone = self.running.alone().map(Actor::Invocation);
        alone.unwrap_or_else(|| Actor::Left(self.own.clone()))
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
