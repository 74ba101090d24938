//! The proof that an invocation may run, and where.

use super::admission::Counted;
use super::turns::Start;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

pub use crate::registry::Lane;

/// The event loop that an invocation got.
#[derive(Clone, Debug)]
pub enum Seat {
    /// A worker of the async lane: the one that the connection is on.
    Async {
        /// Its index.
        worker: usize,
        /// Its event loop.
        handle: Handle,
    },
    /// The blocking lane.
    Blocking {
        /// Its event loop.
        handle: Handle,
    },
}

impl Seat {
    /// The lane that the seat is on.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Async { .. } => Lane::Async,
            Self::Blocking { .. } => Lane::Blocking,
        }
    }

    /// The event loop to run on.
    pub fn handle(&self) -> &Handle {
        match self {
            Self::Async { handle, .. } | Self::Blocking { handle } => handle,
        }
    }
}

/// Lets one invocation run. Without it no instance can be had; dropping it
/// makes room for the next.
#[derive(Debug)]
pub struct LanePermit {
    pub(super) seat: Seat,
    /// To be dropped when the instance takes the invocation.
    pub(super) start: Option<Start>,
    pub(super) _function: Counted,
    pub(super) _invocation: OwnedSemaphorePermit,
    pub(super) _exclusive: Option<OwnedSemaphorePermit>,
}

impl LanePermit {
    /// Where the invocation runs.
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// What has to go with the invocation until its instance takes it.
    pub fn take_start(&mut self) -> Option<Start> {
        self.start.take()
    }
}

/// Why an invocation may not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// The function has as many invocations as `limits.concurrency` allows.
    #[error("the function has as many requests as it may have at once")]
    FunctionOverloaded,
    /// The host's fault: it has more work than it can do in time.
    #[error("the host has more work than it can do in time")]
    HostOverloaded,
}
