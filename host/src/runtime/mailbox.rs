//! The jobs that an instance has not taken yet.

use super::call::Job;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A queue of jobs from many senders to one instance. Sending wakes nobody:
/// whoever sends either drives the instance himself or wakes its driver.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    jobs: Mutex<Jobs>,
}

#[derive(Debug, Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    /// Waits for more.
    driver: Option<Waker>,
    /// No more can come.
    closed: bool,
    /// Nobody takes any more.
    ended: bool,
}

impl Mailbox {
    /// Puts a job in; gives it back when the instance has ended.
    pub(super) fn send(&self, job: Job) -> Result<(), Box<Job>> {
        let mut jobs = self.lock();
        if jobs.ended {
            return Err(Box::new(job));
        }
        jobs.waiting.push_back(job);
        Ok(())
    }

    /// Wakes the driver, so that it looks.
    pub(super) fn wake(&self) {
        let driver = self.lock().driver.clone();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// No more jobs come: the driver ends when it has done those it has.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake();
    }

    /// The next job; none when no more can come.
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<Job>> {
        let mut jobs = self.lock();
        match &mut jobs.driver {
            Some(driver) => driver.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        match jobs.waiting.pop_front() {
            Some(job) => Poll::Ready(Some(job)),
            None if jobs.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
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
