//! `[limits]` of a manifest.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{ByteSize, TimeLimit};

/// `[limits]`: what one function, or one invocation of it, may use up. The
/// host's own maxima clamp each of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The sum over an instance's linear memories. Default 128 MiB.
    pub memory: ByteSize,
    /// CPU time of an invocation. Default 10 s. Waiting does not count.
    pub cpu: TimeLimit,
    /// Wall time of an invocation, to the end of the response body. Default 30 s.
    pub deadline: TimeLimit,
    /// The body of an incoming request. Default 10 MiB.
    pub request_body: ByteSize,
    /// Outgoing requests of an invocation. Default 50; 0 forbids them.
    pub outgoing_requests: u32,
    /// Invocations of the function at once. Default 1,000.
    pub concurrency: NonZeroU32,
    /// Log output of an invocation; what is beyond is cut. Default 256 KiB.
    pub log_output: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(128),
            cpu: TimeLimit::seconds(10),
            deadline: TimeLimit::seconds(30),
            request_body: ByteSize::mib(10),
            outgoing_requests: 50,
            concurrency: const { NonZeroU32::new(1_000).expect("1,000 is not zero") },
            log_output: ByteSize::kib(256),
        }
    }
}
