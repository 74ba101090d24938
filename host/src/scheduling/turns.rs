//! Turns on the blocking lane.
//!
//! A guest on the blocking lane is polled for a slice at a time, and each slice
//! is a turn. Turns go to the function that had the least of them, so that one
//! function's flood does not take another's threads. And a function that has
//! enough to do starts nothing more: what waits to start is bounded in number
//! and in time, and refused before a guest has seen it. So an overloaded
//! function goes on finishing what it began.

use super::in_turn::InTurn;
use super::permit::Refused;
use crate::names::FunctionName;
use futures::task::AtomicWaker;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant as Deadline;

/// The turns of one blocking lane.
#[derive(Clone, Debug)]
pub struct Turns {
    shares: Arc<Mutex<Shares>>,
    max_wait: Duration,
}

#[derive(Debug)]
struct Shares {
    /// Threads that nobody has a turn on.
    free: usize,
    /// Invocations of one function that may want turns at once before the next
    /// one has to wait for its start.
    max_active: usize,
    /// Invocations that wait for their start, over all functions.
    waiting: usize,
    max_waiting: usize,
    /// Where the turns are: a function that comes anew starts here, not with
    /// the sum of what it did not use.
    clock_ns: u64,
    next_id: u64,
    functions: HashMap<FunctionName, Share>,
}

/// One function's part.
#[derive(Debug, Default)]
struct Share {
    used_ns: u64,
    /// Started, and not at work yet.
    starting: usize,
    running: usize,
    ready: VecDeque<Arc<Ticket>>,
    waiting: VecDeque<(u64, oneshot::Sender<Start>)>,
}

impl Share {
    fn active(&self) -> usize {
        self.starting + self.running + self.ready.len()
    }

    fn is_unused(&self) -> bool {
        self.active() == 0 && self.waiting.is_empty()
    }
}

/// A turn that was asked for.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    granted: AtomicBool,
    task: AtomicWaker,
}

impl Ticket {
    /// Whether the turn has come; if not, the task is woken when it does.
    pub(super) fn is_granted(&self, cx: &Context<'_>) -> bool {
        self.task.register(cx.waker());
        self.granted.load(Ordering::Acquire)
    }
}

impl Turns {
    /// Turns on `threads` threads. At most `max_waiting` invocations wait for
    /// their start, each for `max_wait`.
    pub(super) fn new(threads: usize, max_waiting: usize, max_wait: Duration) -> Self {
        let shares = Shares {
            free: threads,
            // Enough that a few long ones do not keep a short one waiting, few
            // enough that all of them end in time.
            max_active: (threads * 8).max(16),
            waiting: 0,
            max_waiting,
            clock_ns: 0,
            next_id: 0,
            functions: HashMap::new(),
        };
        Self {
            shares: Arc::new(Mutex::new(shares)),
            max_wait,
        }
    }

    /// Waits until `function` may start one more invocation.
    ///
    /// # Errors
    ///
    /// When it has to wait for too long, or until its `deadline`, or too many wait already: then the
    /// function with the longest queue is the one that is refused.
    pub(super) async fn start(
        &self,
        function: &FunctionName,
        deadline: Deadline,
    ) -> Result<Start, Refused> {
        let (id, started) = {
            let mut shares = self.lock();
            let max_active = shares.max_active;
            let share = shares.functions.entry(function.clone()).or_default();
            if share.waiting.is_empty() && share.active() < max_active {
                share.starting += 1;
                return Ok(self.started(function));
            }
            shares.make_room(function)?;
            let id = shares.next_id;
            shares.next_id += 1;
            shares.waiting += 1;
            let (sender, started) = oneshot::channel();
            let share = shares.functions.entry(function.clone()).or_default();
            share.waiting.push_back((id, sender));
            (id, started)
        };
        let _waiting = Waiting {
            turns: self,
            function,
            id,
        };
        let until = deadline.min(Deadline::now() + self.max_wait);
        match tokio::time::timeout_at(until, started).await {
            Ok(Ok(start)) => Ok(start),
            // Too long, or turned away for a function that had fewer waiting.
            Err(_) | Ok(Err(_)) => Err(Refused::HostOverloaded),
        }
    }

    /// How many invocations wait for their start.
    pub fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// Polls `inner` in turns. `computing` tells whether it was interrupted, as
    /// opposed to waiting for something.
    pub fn share<F, C>(&self, function: FunctionName, inner: F, computing: C) -> InTurn<F, C> {
        InTurn {
            turns: self.clone(),
            function,
            inner,
            computing,
            ticket: None,
        }
    }

    fn started(&self, function: &FunctionName) -> Start {
        Start {
            turns: Some(self.clone()),
            function: function.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shares> {
        // No code that can panic runs under this lock.
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a turn; the ticket is granted at once when a thread is free.
    pub(super) fn enter(&self, function: &FunctionName, cx: &Context<'_>) -> Arc<Ticket> {
        let mut shares = self.lock();
        let ticket = shares.push(function, cx);
        shares.grant();
        ticket
    }

    /// Ends a turn that took `used`; asks for the next one where there is more
    /// to compute.
    pub(super) fn leave(
        &self,
        function: &FunctionName,
        used: Duration,
        again: Option<&Context<'_>>,
    ) -> Option<Arc<Ticket>> {
        let mut shares = self.lock();
        shares.free += 1;
        if let Some(share) = shares.functions.get_mut(function) {
            share.running -= 1;
            let used_ns = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
            share.used_ns = share.used_ns.saturating_add(used_ns);
        }
        let ticket = again.map(|cx| shares.push(function, cx));
        shares.grant();
        if ticket.is_none() {
            self.start_more(&mut shares, function);
        }
        ticket
    }

    /// Gives back a turn that was asked for.
    pub(super) fn give_back(&self, function: &FunctionName, ticket: &Arc<Ticket>) {
        let mut shares = self.lock();
        if let Some(share) = shares.functions.get_mut(function) {
            if ticket.granted.load(Ordering::Relaxed) {
                share.running -= 1;
                shares.free += 1;
            } else {
                share.ready.retain(|other| !Arc::ptr_eq(other, ticket));
            }
        }
        shares.grant();
        self.start_more(&mut shares, function);
    }

    /// Starts what waits, as far as the function has room; forgets a function
    /// that has nothing to do.
    fn start_more(&self, shares: &mut Shares, function: &FunctionName) {
        let Some(share) = shares.functions.get_mut(function) else {
            return;
        };
        while share.active() < shares.max_active
            && let Some((_, sender)) = share.waiting.pop_front()
        {
            shares.waiting -= 1;
            share.starting += 1;
            if let Err(mut start) = sender.send(self.started(function)) {
                // Gave up at this very moment.
                start.turns = None;
                share.starting -= 1;
            }
        }
        if share.is_unused() {
            shares.functions.remove(function);
        }
    }
}

impl Shares {
    fn push(&mut self, function: &FunctionName, cx: &Context<'_>) -> Arc<Ticket> {
        let ticket = Arc::new(Ticket::default());
        ticket.task.register(cx.waker());
        let clock_ns = self.clock_ns;
        let share = self.functions.entry(function.clone()).or_default();
        if share.running == 0 && share.ready.is_empty() {
            share.used_ns = share.used_ns.max(clock_ns);
        }
        share.ready.push_back(ticket.clone());
        ticket
    }

    /// Gives the free threads to whoever had least.
    fn grant(&mut self) {
        while self.free > 0 {
            let ready = self.functions.values_mut();
            let least = ready
                .filter(|share| !share.ready.is_empty())
                .min_by_key(|share| share.used_ns);
            let Some(share) = least else { return };
            let Some(ticket) = share.ready.pop_front() else {
                return;
            };
            self.clock_ns = self.clock_ns.max(share.used_ns);
            self.free -= 1;
            share.running += 1;
            ticket.granted.store(true, Ordering::Release);
            ticket.task.wake();
        }
    }

    /// Room for one more of `function` to wait.
    fn make_room(&mut self, function: &FunctionName) -> Result<(), Refused> {
        if self.waiting < self.max_waiting {
            return Ok(());
        }
        let own = self.functions.get(function);
        let own = own.map_or(0, |share| share.waiting.len());
        let longest = self
            .functions
            .values_mut()
            .max_by_key(|it| it.waiting.len());
        match longest {
            Some(share) if share.waiting.len() > own + 1 => {
                share.waiting.pop_back();
                self.waiting -= 1;
                Ok(())
            }
            _ => Err(Refused::HostOverloaded),
        }
    }
}

/// An invocation that may start: counted until its instance takes it.
#[derive(Debug)]
pub struct Start {
    turns: Option<Turns>,
    function: FunctionName,
}

impl Drop for Start {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            let mut shares = turns.lock();
            if let Some(share) = shares.functions.get_mut(&self.function) {
                share.starting -= 1;
            }
            turns.start_more(&mut shares, &self.function);
        }
    }
}

/// A place in the queue, left when whoever waits goes away.
struct Waiting<'a> {
    turns: &'a Turns,
    function: &'a FunctionName,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut shares = self.turns.lock();
        let Some(share) = shares.functions.get_mut(self.function) else {
            return;
        };
        let before = share.waiting.len();
        share.waiting.retain(|(id, _)| *id != self.id);
        let left = before - share.waiting.len();
        if share.is_unused() {
            shares.functions.remove(self.function);
        }
        shares.waiting -= left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Poll, Wake, Waker};

    fn name(text: &str) -> FunctionName {
        text.parse().unwrap()
    }

    fn far() -> Deadline {
        Deadline::now() + Duration::from_secs(60)
    }

    fn max_active(turns: &Turns) -> usize {
        turns.lock().max_active
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A guest that computes for ever, and how often it was polled.
    fn hog(turns: &Turns, function: &str) -> (impl FnMut() -> bool, Arc<AtomicUsize>) {
        let polled = Arc::new(AtomicUsize::new(0));
        let counting = polled.clone();
        let inner = Box::pin(std::future::poll_fn(move |_| {
            counting.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(1));
            Poll::Pending
        }));
        let mut task = Box::pin(turns.share(name(function), inner, || true));
        let waker = Waker::from(Arc::new(Woken::default()));
        let poll = move || {
            task.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
        };
        (poll, polled)
    }

    #[test]
    fn functions_get_equal_parts_however_many_invocations_they_have() {
        let turns = Turns::new(1, 10, Duration::from_secs(60));
        let mut flood: Vec<_> = (0..10).map(|_| hog(&turns, "flood")).collect();
        let mut one = hog(&turns, "one");
        for _ in 0..300 {
            for (poll, _) in &mut flood {
                poll();
            }
            (one.0)();
        }
        let polls = |polled: &Arc<AtomicUsize>| polled.load(Ordering::Relaxed);
        let of_flood: usize = flood.iter().map(|(_, polled)| polls(polled)).sum();
        let of_one = polls(&one.1);
        assert!(of_one > 20 && of_flood > 20, "{of_flood} to {of_one}");
        let share = of_one as f64 / (of_one + of_flood) as f64;
        assert!((0.35..0.65).contains(&share), "{of_flood} to {of_one}");
    }

    #[test]
    fn a_turn_comes_back_when_its_task_is_dropped() {
        let turns = Turns::new(1, 10, Duration::from_secs(60));
        let mut first = hog(&turns, "a");
        let mut second = hog(&turns, "b");
        (first.0)();
        (second.0)();
        drop(first);
        (second.0)();
        (second.0)();
        assert!(second.1.load(Ordering::Relaxed) >= 2);
        drop(second);
        assert_eq!(turns.lock().free, 1);
        assert!(turns.lock().functions.is_empty());
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_the_longest_queue_gives_way() {
        let turns = Turns::new(1, 4, Duration::from_secs(60));
        let mut started = Vec::new();
        for _ in 0..max_active(&turns) {
            started.push(turns.start(&name("flood"), far()).await.unwrap());
        }
        let wait = |function: &'static str| {
            let turns = turns.clone();
            tokio::spawn(async move { turns.start(&name(function), far()).await })
        };
        let queued: Vec<_> = (0..4).map(|_| wait("flood")).collect();
        while turns.waiting() < 4 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            turns.start(&name("flood"), far()).await.unwrap_err(),
            Refused::HostOverloaded
        );

        // Another function starts at once, flood or not; when it has to wait,
        // the flood makes room.
        let mut other = Vec::new();
        for _ in 0..max_active(&turns) {
            other.push(turns.start(&name("other"), far()).await.unwrap());
        }
        let waiting = wait("other");
        let mut queued = futures::future::join_all(queued);
        let evicted = loop {
            tokio::task::yield_now().await;
            let shares = turns.lock();
            let length = |function| shares.functions[&name(function)].waiting.len();
            if length("other") == 1 {
                break length("flood") == 3;
            }
        };
        assert!(evicted);

        drop(other);
        assert!(waiting.await.unwrap().is_ok());
        drop(started);
        let outcomes = (&mut queued).await;
        let refused = outcomes.iter().filter(|it| it.as_ref().unwrap().is_err());
        assert_eq!(refused.count(), 1);
        drop(outcomes);
        assert_eq!(turns.waiting(), 0);
        assert!(turns.lock().functions.is_empty());
    }

    #[tokio::test]
    async fn nobody_waits_for_longer_than_he_may() {
        let turns = Turns::new(1, 4, Duration::ZERO);
        let mut started = Vec::new();
        for _ in 0..max_active(&turns) {
            started.push(turns.start(&name("a"), far()).await.unwrap());
        }
        assert_eq!(
            turns.start(&name("a"), far()).await.unwrap_err(),
            Refused::HostOverloaded
        );
        assert_eq!(turns.waiting(), 0);
        started.pop();
        assert!(turns.start(&name("a"), far()).await.is_ok());
    }
}
