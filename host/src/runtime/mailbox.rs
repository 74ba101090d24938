//! The jobs that an instance has not taken yet.

use super::call::Job;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A queue of jobs from many senders to one instance.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    jobs: Mutex<Jobs>,
}

#[derive(Debug, Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    /// Waits for more.
    driver: Option<Waker>,
    /// Has been asked for jobs: its instance stands.
    asked: bool,
    /// No more can come.
    closed: bool,
    /// Nobody takes any more.
    ended: bool,
}

impl Jobs {
    /// Wakes the driver, once: it says anew that it waits.
    fn wake(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }
}

impl Mailbox {
    /// Puts a job in; gives it back when the instance has ended.
    pub(super) fn send(&self, job: Job) -> Result<(), Box<Job>> {
        let mut jobs = self.lock();
        if jobs.ended {
            return Err(Box::new(job));
        }
        jobs.waiting.push_back(job);
        jobs.wake();
        Ok(())
    }

    /// No more jobs come: the driver ends when it has done those it has.
    pub(super) fn close(&self) {
        let mut jobs = self.lock();
        jobs.closed = true;
        jobs.wake();
    }

    /// The next job; none when no more can come.
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<Job>> {
        let mut jobs = self.lock();
        jobs.asked = true;
        match jobs.waiting.pop_front() {
            Some(job) => Poll::Ready(Some(job)),
            None if jobs.closed => Poll::Ready(None),
            None => {
                jobs.driver = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The jobs that an instance which takes some does not take.
    pub(super) fn left_lying(&self, cx: &Context<'_>) -> VecDeque<Job> {
        let mut jobs = self.lock();
        if !jobs.asked || jobs.waiting.is_empty() {
            return VecDeque::new();
        }
        jobs.driver = Some(cx.waker().clone());
        std::mem::take(&mut jobs.waiting)
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        // No code that can panic runs under this lock.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The driver's end of a mailbox. When it goes, so does what nobody took.
pub(super) struct Inbox(pub(super) Arc<Mailbox>);

impl Inbox {
    /// Takes no more jobs; returns those that were left.
    pub(super) fn end(&self) -> VecDeque<Job> {
        let mut jobs = self.0.lock();
        jobs.ended = true;
        std::mem::take(&mut jobs.waiting)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        drop(self.end());
    }
}
