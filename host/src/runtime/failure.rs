//! How an invocation fails.

use super::backtrace::Trap;
use crate::contract::InvalidMessage;
use std::sync::Arc;
use thiserror::Error;

/// Why an invocation has no answer.
#[derive(Clone, Debug, Error)]
pub enum Failure {
    /// The guest trapped: a panic, an unreachable instruction, a bad access.
    #[error("the function trapped: {0}")]
    Trap(Arc<Trap>),
    /// The guest asked for more memory than its limit, and could not do without.
    #[error("the function needs more memory than `limits.memory` allows")]
    OutOfMemory,
    /// The guest answered, but with nothing that HTTP can carry.
    #[error("the function's answer is not valid: {0}")]
    InvalidResponse(Arc<InvalidMessage>),
    /// The guest gave up.
    #[error("the function failed: {0}")]
    Refused(Arc<str>),
    /// The guest ended without an answer.
    #[error("the function ended without an answer")]
    NoAnswer,
    /// The CPU time of the invocation is over.
    #[error("the function used more CPU time than `limits.cpu` allows")]
    CpuLimit,
    /// The wall time of the invocation is over.
    #[error("the function did not answer within `limits.deadline`")]
    Deadline,
    /// The host stops, and the time to finish is over.
    #[error("the host stops")]
    Draining,
    /// There is no room for another instance.
    #[error("there is no room for another instance: {0}")]
    NoRoom(Arc<str>),
    /// The version can't be loaded.
    #[error("the function cannot be loaded: {0}")]
    Load(Arc<str>),
}

impl Failure {
    pub(super) fn trap(error: &wasmtime::Error) -> Self {
        Self::Trap(Arc::new(Trap::new(error)))
    }
}

/// How one invocation failed.
#[derive(Clone, Debug, Error)]
#[error("{failure}{}", if *.with_others { "; several requests were in the instance" } else { "" })]
pub struct Failed {
    /// What happened.
    pub failure: Failure,
    /// It happened to an instance that had other invocations too: this one may
    /// have been the cause, or a bystander.
    pub with_others: bool,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            with_others: false,
        }
    }
}
