//! Bodies of outgoing requests that a guest handed over whole and nobody has
//! taken yet: memory of the host, and yet the guest's.

use crate::contract::Body;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use thiserror::Error;

/// A smaller body, in bytes, is not counted: there can't be enough of them.
const SMALL: usize = 16 * 1024;

/// What an instance may have handed over at a time: as much as it may have of
/// memory.
#[derive(Clone, Debug)]
pub(super) struct Held {
    bytes: Arc<AtomicUsize>,
    limit: usize,
}

/// There is no room for another body.
#[derive(Debug, Error)]
#[error("bodies that nobody has taken yet are as large as `limits.memory` allows")]
pub(super) struct NothingFree;

impl Held {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self {
            bytes: Arc::default(),
            limit: usize::try_from(limit_bytes).unwrap_or(usize::MAX),
        }
    }

    /// Counts a body until the last of it is dropped.
    pub(super) fn hold(&self, body: Body) -> Result<Body, NothingFree> {
        let bytes = match body {
            Body::Whole(bytes) if bytes.len() >= SMALL => bytes,
            other => return Ok(other),
        };
        let before = self.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        let counted = Counted {
            held: self.clone(),
            bytes,
        };
        if before + counted.bytes.len() > self.limit {
            return Err(NothingFree);
        }
        Ok(Body::Whole(Bytes::from_owner(counted)))
    }
}

struct Counted {
    held: Held,
    bytes: Bytes,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.held
            .bytes
            .fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_counted_until_the_last_of_it_is_gone() {
        let held = Held::new(100_000);
        let body = |bytes| Body::Whole(Bytes::from(vec![0; bytes]));
        let first = held.hold(body(60_000)).unwrap();
        let copy = first.try_clone();
        drop(first);
        assert!(held.hold(body(60_000)).is_err());
        assert!(held.hold(body(40_000)).is_ok());
        assert!(held.hold(body(SMALL - 1)).is_ok());
        drop(copy);
        assert!(held.hold(body(100_000)).is_ok());
        assert!(held.hold(body(100_001)).is_err());
        assert_eq!(held.bytes.load(Ordering::Relaxed), 0);
    }
}
