//! Answers that functions gave whole, and who takes them. Until they are taken
//! they are memory of the host: those that nobody takes give way to others.

use crate::contract::Body;
use crate::telemetry::RequestId;
use bytes::Bytes;
use futures::task::AtomicWaker;
use rustc_hash::FxHashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::Instant;
use thiserror::Error;

/// A smaller answer, in bytes, is not counted: there can't be enough of them.
const SMALL: usize = 16 * 1024;

/// How many times the memory of an instance the answers of a version may take.
const INSTANCES: u64 = 4;

/// What takes an answer: an HTTP/1.1 connection, or a stream of an HTTP/2 one.
#[derive(Debug, Default)]
pub struct Reader {
    stalled: Mutex<Option<Instant>>,
    /// To be ended when it takes nothing once more. For good: what it has not
    /// taken is no longer counted.
    given_up: AtomicBool,
    waker: AtomicWaker,
}

impl Reader {
    /// It takes nothing. Whether it is to be ended for that; if not, the task of
    /// `cx` is woken when it is.
    pub fn stalls(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        lock(&self.stalled).get_or_insert_with(Instant::now);
        self.given_up.load(Ordering::Acquire)
    }

    /// After all, it has taken something.
    pub fn takes(&self) {
        *lock(&self.stalled) = None;
    }

    fn stalled_since(&self) -> Option<Instant> {
        *lock(&self.stalled)
    }

    fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// The answers of one version that were not taken yet.
#[derive(Clone, Debug)]
pub struct Unread {
    ledger: Arc<Mutex<Ledger>>,
    limit: usize,
}

/// There is no room for another answer: those that are here are being taken.
#[derive(Debug, Error)]
#[error("the answers that are on their way take {INSTANCES} times `limits.memory`")]
pub struct NoRoom;

#[derive(Debug, Default)]
struct Ledger {
    bytes: usize,
    last: u64,
    answers: FxHashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    bytes: usize,
    reader: Arc<Reader>,
    request_id: RequestId,
}

impl Ledger {
    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.answers.remove(&id)?;
        self.bytes -= entry.bytes;
        Some(entry)
    }

    /// Gives up the answer whose reader has taken nothing for longest. It is
    /// freed as soon as its connection notices.
    fn give_one_up(&mut self) -> Result<RequestId, NoRoom> {
        let stalled = self.answers.iter();
        let stalled = stalled.filter_map(|(id, it)| Some((it.reader.stalled_since()?, *id)));
        let (_, id) = stalled.min().ok_or(NoRoom)?;
        let entry = self.remove(id).ok_or(NoRoom)?;
        entry.reader.give_up();
        Ok(entry.request_id)
    }
}

impl Unread {
    /// Nothing yet, of a version whose instances may have so many bytes of memory.
    pub fn new(memory: u64) -> Self {
        Self {
            ledger: Arc::default(),
            limit: usize::try_from(memory.saturating_mul(INSTANCES)).unwrap_or(usize::MAX),
        }
    }

    /// Counts an answer until the last of it is dropped. Others, which nobody
    /// takes, give way to it: `given_up` is told of each.
    ///
    /// # Errors
    ///
    /// When that is not enough.
    pub(super) fn count(
        &self,
        answer: Body,
        reader: &Arc<Reader>,
        request_id: &RequestId,
        given_up: impl Fn(RequestId),
    ) -> Result<Body, NoRoom> {
        let bytes = match answer {
            Body::Whole(bytes) if bytes.len() >= SMALL => bytes,
            other => return Ok(other),
        };
        if bytes.len() > self.limit {
            return Err(NoRoom);
        }
        let mut ledger = lock(&self.ledger);
        while ledger.bytes + bytes.len() > self.limit {
            given_up(ledger.give_one_up()?);
        }
        ledger.bytes += bytes.len();
        ledger.last += 1;
        let id = ledger.last;
        let entry = Entry {
            bytes: bytes.len(),
            reader: reader.clone(),
            request_id: request_id.clone(),
        };
        ledger.answers.insert(id, entry);
        let ledger = self.ledger.clone();
        Ok(Body::Whole(Bytes::from_owner(Counted {
            ledger,
            id,
            bytes,
        })))
    }
}

struct Counted {
    ledger: Arc<Mutex<Ledger>>,
    id: u64,
    bytes: Bytes,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        lock(&self.ledger).remove(self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that can panic runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::task::noop_waker_ref;

    fn answer(bytes: usize) -> Body {
        Body::Whole(Bytes::from(vec![0; bytes]))
    }

    #[test]
    fn an_answer_is_counted_until_the_last_of_it_is_gone() {
        let (unread, reader) = (Unread::new(25_000), Arc::default());
        let id = RequestId::given_or_new(None);
        let count = |bytes| unread.count(answer(bytes), &reader, &id, |_| ());
        let first = count(60_000).unwrap();
        let copy = first.try_clone();
        drop(first);
        assert!(count(60_000).is_err());
        assert!(count(40_000).is_ok());
        assert!(count(SMALL - 1).is_ok());
        drop(copy);
        assert!(count(100_000).is_ok());
        assert!(count(100_001).is_err());
        assert_eq!(lock(&unread.ledger).bytes, 0);
    }

    #[test]
    fn who_takes_nothing_for_longest_gives_way() {
        let cx = Context::from_waker(noop_waker_ref());
        let unread = Unread::new(25_000);
        let readers: [Arc<Reader>; 3] = Default::default();
        let ids = [(); 3].map(|()| RequestId::given_or_new(None));
        let mut answers = Vec::new();
        for (reader, id) in readers.iter().zip(&ids) {
            let counted = unread.count(answer(30_000), reader, id, |_| unreachable!());
            answers.push(counted.unwrap());
        }
        let (newcomer, its_id) = (Arc::default(), RequestId::given_or_new(None));
        let given_up = std::cell::RefCell::new(Vec::new());
        let count = || {
            let given_up = |id: RequestId| given_up.borrow_mut().push(id);
            unread.count(answer(30_000), &newcomer, &its_id, given_up)
        };
        assert!(count().is_err(), "all of them take something");

        for reader in [&readers[1], &readers[2], &readers[0]] {
            assert!(!reader.stalls(&cx));
        }
        readers[1].takes();
        let _fourth = count().unwrap();
        assert_eq!(*given_up.borrow(), [ids[2].clone()]);
        let ended = readers.each_ref().map(|reader| reader.stalls(&cx));
        assert_eq!(ended, [false, false, true]);
        assert_eq!(lock(&unread.ledger).bytes, 90_000);
    }
}
