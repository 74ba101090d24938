//! How a function's invocations are kept: who shares an instance, and what
//! becomes of one that nobody waits for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who shares an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// Many invocations at once in one instance.
    Shared,
    /// One invocation at a time; the instance is used again.
    Serial,
    /// An instance for each invocation.
    Fresh,
}

/// What becomes of an invocation whose caller goes away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDisconnect {
    /// It ends: an instance of its own is dropped at once, a shared one when
    /// nobody waits for it any more.
    #[default]
    Cancel,
    /// It goes on to its end, or its deadline.
    Finish,
}
