//! Which versions of a function get its traffic, now and before.

use super::{Percent, Split};
use crate::names::FunctionName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A function's traffic from one moment on. Never changed: the next deployment
/// takes its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Deployment {
    /// Whose traffic it is.
    pub function: FunctionName,
    /// Counts the function's deployments, from 1. The highest is in force.
    pub revision: u32,
    /// Who gets what.
    pub split: Split,
    /// What it came from.
    pub cause: Cause,
    /// The deployment that a rollback goes back to, if there is one.
    pub before: Option<u32>,
    /// The version that is on trial, if one is.
    pub canary: Option<Canary>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
}

/// What a deployment came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// A new version.
    Deploy,
    /// Other weights.
    Split,
    /// Somebody went back.
    Rollback,
    /// A version on trial failed.
    Abort,
}

impl Cause {
    /// Its name, as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Split => "split",
            Self::Rollback => "rollback",
            Self::Abort => "abort",
        }
    }
}

/// A version on trial: it loses its traffic when it fails more often than the
/// others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Which one.
    pub version: u32,
    /// How much more often than the others it may fail.
    pub abort_on: Percent,
}

/// What is to become of a function's traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Who gets what from now on.
    pub split: Split,
    /// What it comes from.
    pub cause: Cause,
    /// The deployment that a rollback goes back to from there.
    pub before: Option<u32>,
    /// The version that is on trial.
    pub canary: Option<Canary>,
}
