//! One instance: the code that drives it, from its start to its end.

use super::advice;
use super::call::{self, Job};
use super::driver::{Blocking, Promotable};
use super::engine::Engine;
use super::failure::{Failed, Failure};
use super::loaded::{Guest, Loaded};
use super::mailbox::{Inbox, Mailbox};
use super::pace::CpuLimitReached;
use super::state::State;
use super::status::{Ended, Status};
use crate::registry::Isolation;
use crate::routing::Route;
use crate::scheduling::Seat;
use futures::stream::{FuturesUnordered, StreamExt as _};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Instant;
use wasmtime::component::Accessor;
use wasmtime::{AsContextMut as _, PoolConcurrencyLimitError, Store, Trap};

/// An instance, from outside.
pub(super) struct Handle {
    pub(super) status: Arc<Status>,
    /// It is for routes that keep computing, or for those that do not.
    pub(super) computes: bool,
    /// When it was last put aside.
    pub(super) idle_since: std::sync::Mutex<Instant>,
    mailbox: Arc<Mailbox>,
}

impl Handle {
    /// Starts an instance where `seat` is; it is instantiated there, and lives
    /// until the handle is dropped and its invocations are done.
    pub(super) fn start(
        engine: &Arc<Engine>,
        loaded: &Arc<Loaded>,
        route: &Route,
        seat: &Seat,
        blocking: &Blocking,
    ) -> Self {
        let mailbox = Arc::new(Mailbox::default());
        let status = Arc::new(Status::new(seat.lane()));
        let driver = Driver {
            engine: engine.clone(),
            loaded: loaded.clone(),
            isolation: route.isolation(),
            status: status.clone(),
        };
        let driving = Box::pin(driver.run(Inbox(mailbox.clone())));
        match seat {
            Seat::Async { handle, .. } => {
                handle.spawn(Promotable {
                    driving: Some(driving),
                    in_line: None,
                    status: status.clone(),
                    route: route.clone(),
                    grants: loaded.grants.clone(),
                    blocking: blocking.clone(),
                });
            }
            Seat::Blocking { .. } => {
                blocking.spawn(route.function().clone(), driving, status.clone());
            }
        }
        Self {
            status,
            computes: route.computes(),
            idle_since: std::sync::Mutex::new(Instant::now()),
            mailbox,
        }
    }

    /// Hands a job to the instance; gives it back when the instance has ended.
    pub(super) fn send(&self, job: Job) -> Result<(), Box<Job>> {
        self.mailbox.send(job)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

struct Driver {
    engine: Arc<Engine>,
    loaded: Arc<Loaded>,
    isolation: Isolation,
    status: Arc<Status>,
}

impl Driver {
    async fn run(self, inbox: Inbox) {
        let status = self.status.clone();
        let mut ended = Ended {
            status: status.clone(),
            failed: Failure::NoAnswer.into(),
        };
        let _listed = match self.engine.list(&status) {
            Ok(listed) => listed,
            Err(failure) => {
                ended.failed = failure.into();
                return;
            }
        };
        let mut store = State::store(&self.engine, &self.loaded, status.clone());
        let result = {
            let mut drive = pin!(self.drive(&mut store, &inbox));
            let mut stopped = pin!(status.stopped());
            let mut forsaken = pin!(self.forsaken());
            poll_fn(|cx| {
                if stopped.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Ok(()));
                }
                if forsaken.as_mut().poll(cx).is_ready() {
                    advice::left_too_long(&self.loaded.grants);
                    return Poll::Ready(Ok(()));
                }
                status.pace.start_slice();
                let polled = drive.as_mut().poll(cx);
                if polled.is_pending() && !status.pace.is_computing() {
                    // The guest waits in a call of WASI 0.2, and all the instance
                    // with it: others need not.
                    for job in inbox.0.left_lying(cx) {
                        status.waits_inside(true);
                        job.give_back();
                    }
                }
                polled
            })
            .await
        };
        match result {
            // Told to stop, at the moment when somebody sent a job.
            Ok(()) => inbox.end().into_iter().for_each(Job::give_back),
            Err(error) => ended.failed = self.classify(&store, error),
        }
    }

    /// Resolves when the guest works on although nobody has waited for anything
    /// in the time that an invocation may take. Beside [`Self::serve`], which
    /// isn't asked while a guest of WASI 0.2 waits and so holds the store.
    async fn forsaken(&self) {
        let longest = self.loaded.version.limits.deadline.as_duration();
        loop {
            let begun = self.status.begun();
            tokio::time::sleep(longest).await;
            let status = &self.status;
            if status.begun() == begun && status.is_left_behind() && !status.is_resting() {
                return;
            }
        }
    }

    async fn drive(&self, store: &mut Store<State>, inbox: &Inbox) -> wasmtime::Result<()> {
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
        let served = store
            .run_concurrent(async |accessor| self.serve(accessor, &guest, &inbox.0).await)
            .await;
        // They were never given to the guest: another instance may have them.
        self.status.retire();
        inbox.end().into_iter().for_each(Job::give_back);
        served?
    }

    /// Takes jobs and carries them on, as many at once as come, until no more
    /// can come and the guest has nothing left to do.
    async fn serve(
        &self,
        accessor: &Accessor<State>,
        guest: &Guest,
        mailbox: &Mailbox,
    ) -> wasmtime::Result<()> {
        let grace = self.loaded.version.limits.deadline.as_duration();
        let linger = (self.isolation != Isolation::Shared).then_some(grace);
        let mut left = None;
        let mut calls = FuturesUnordered::new();
        let mut open = true;
        poll_fn(|cx| {
            self.status.waits_inside(false);
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
                    match mailbox.poll_next(cx) {
                        // Whoever asked has gone, or has an answer: too late.
                        Poll::Ready(Some(job)) if job.reply.is_closed() => continue,
                        Poll::Ready(Some(mut job)) => {
                            // It computes from here on.
                            drop(job.start.take());
                            self.status.rests(false);
                            calls.push(call::call(accessor, guest, job, linger));
                            continue;
                        }
                        Poll::Ready(None) => open = false,
                        Poll::Pending => {}
                    }
                }
                if !calls.is_empty() {
                    return Poll::Pending;
                }
                if accessor.poll_no_interesting_tasks(cx).is_ready() {
                    if left.take().is_some() {
                        accessor.with(|mut access| access.get().context.nothing_left());
                    }
                    self.status.rests(true);
                    if open {
                        return Poll::Pending;
                    }
                    // A body that the guest only passes on needs the store, but
                    // nothing of the guest: who waits for its end stops us.
                    self.status.retire();
                    return if self.status.is_left_behind() {
                        Poll::Ready(Ok(()))
                    } else {
                        Poll::Pending
                    };
                }
                // Work that outlives its request outlives it so long.
                let timer = left.get_or_insert_with(|| Box::pin(tokio::time::sleep(grace)));
                ready!(timer.as_mut().poll(cx));
                if !self.status.is_left_behind() {
                    // Somebody still waits for what goes on.
                    left = None;
                    continue;
                }
                advice::left_too_long(&self.loaded.grants);
                self.status.retire();
                return Poll::Ready(Ok(()));
            }
        })
        .await
    }

    /// Whose fault the instance's end is; the guest's is logged for it.
    fn classify(&self, store: &Store<State>, error: wasmtime::Error) -> Failed {
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
        let is_one_route = running
            .windows(2)
            .all(|pair| pair[0].route.id() == pair[1].route.id());
        match running.first() {
            Some(first) if running.len() > 1 && is_one_route => {
                advice::crashed(&self.loaded.grants, &failure, first);
            }
            _ => {}
        }
        Failed {
            failure,
            with_others: self.status.live() > 1,
        }
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
