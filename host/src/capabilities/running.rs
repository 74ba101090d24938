//! The invocations that run in one instance, and what is counted for all of
//! them where it can't be told whose it is.

use super::egress::Hops;
use super::{Actor, Invocation};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use wasmtime::component::GuestTaskId;

/// Most tasks that are remembered for how far their requests had come.
const MAX_COME_FAR: usize = 256;

/// The list of one instance. Its clones are the same list.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<List>>);

/// Several at a time in a shared instance.
#[derive(Default)]
struct List {
    /// Weak: whoever carries the invocation, up to the last byte of its answer,
    /// keeps it alive.
    invocations: Vec<(GuestTaskId, Weak<Invocation>)>,
    /// Tasks whose requests came from other functions: what such a task sends has
    /// come further, even when nobody carries its invocation any more.
    come_far: VecDeque<(GuestTaskId, Hops)>,
    /// How many there were since nothing was left of any.
    begun: u64,
    /// Outgoing requests of nobody knows which of them.
    outgoing: u64,
}

/// Who sends a request, as far as that can be told.
pub(super) enum Sender {
    /// The only one who runs.
    Alone(Actor),
    /// One of several: with the hops of the one that has most.
    OneOf(Hops),
}

impl Running {
    /// `task` runs `invocation` from now on; returns it if it runs alone.
    pub(super) fn begin(
        &self,
        task: GuestTaskId,
        invocation: &Arc<Invocation>,
    ) -> Weak<Invocation> {
        let mut list = self.lock();
        list.invocations
            .retain(|(_, running)| running.strong_count() > 0);
        list.invocations.push((task, Arc::downgrade(invocation)));
        list.begun += 1;
        // Tasks are numbered anew as they end.
        list.come_far.retain(|(far, _)| *far != task);
        if invocation.hops > Hops::default() {
            if list.come_far.len() == MAX_COME_FAR {
                list.come_far.pop_front();
            }
            list.come_far.push_back((task, invocation.hops));
        }
        match list.invocations.as_slice() {
            [(_, alone)] => alone.clone(),
            _ => Weak::new(),
        }
    }

    /// Nothing is left of any invocation.
    pub(super) fn none_left(&self) {
        let mut list = self.lock();
        (list.begun, list.outgoing) = (0, 0);
        list.come_far.clear();
    }

    /// The invocation that a task runs, if somebody still carries it.
    pub(super) fn find(&self, task: GuestTaskId) -> Option<Arc<Invocation>> {
        let list = self.lock();
        // The newest: tasks are numbered anew as they end.
        let mut newest = list.invocations.iter().rev();
        let found = newest.find(|(id, _)| *id == task);
        found.and_then(|(_, invocation)| invocation.upgrade())
    }

    /// How far the request had come that `task` runs or ran, 0 where that is no
    /// longer known.
    pub(super) fn hops(&self, task: GuestTaskId) -> Hops {
        let list = self.lock();
        let mut far = list.come_far.iter();
        let found = far.find(|(id, _)| *id == task);
        found.map_or_else(Hops::default, |(_, hops)| *hops)
    }

    /// The invocation, if there is but one that somebody still carries.
    pub(super) fn alone(&self) -> Option<Arc<Invocation>> {
        let list = self.lock();
        let mut running = list.invocations.iter().filter_map(|(_, it)| it.upgrade());
        let alone = running.next()?;
        running.next().is_none().then_some(alone)
    }

    /// The invocations that somebody still carries.
    pub(super) fn all(&self) -> Vec<Arc<Invocation>> {
        let list = self.lock();
        let running = list.invocations.iter();
        running
            .filter_map(|(_, invocation)| invocation.upgrade())
            .collect()
    }

    /// Who sends a request where the interface does not say which task it is.
    pub(super) fn sender(&self) -> Sender {
        if let Some(alone) = self.alone() {
            return Sender::Alone(Actor::Invocation(alone));
        }
        let far = self.lock().come_far.iter().map(|(_, hops)| *hops).max();
        let running = self.all().into_iter().map(|it| it.hops);
        let hops = running.chain(far).max();
        Sender::OneOf(hops.unwrap_or_default())
    }

    /// Counts an outgoing request that one of several sends; false when there
    /// were as many as `limit` allows all of them together.
    pub(super) fn count_outgoing(&self, limit: u32) -> bool {
        let mut list = self.lock();
        // What an instance sends before its first invocation is its first's.
        let allowed = list.begun.max(1).saturating_mul(limit.into());
        let may = list.outgoing < allowed;
        list.outgoing += u64::from(may);
        may
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        // No code that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
