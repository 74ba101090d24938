//! The steps of a deployment and the time each took.

use schemars::JsonSchema;
use serde::Serialize;
use std::time::Instant;

/// One step of a deployment and the time it took.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Step {
    /// What was done.
    pub name: &'static str,
    /// In milliseconds.
    pub ms: f64,
}

/// Times the steps of one deployment.
pub(super) struct Steps(pub(super) Vec<Step>, Instant);

impl Default for Steps {
    fn default() -> Self {
        Self(Vec::new(), Instant::now())
    }
}

impl Steps {
    /// The step that began with the end of the one before is done.
    pub(super) fn done(&mut self, name: &'static str) {
        let now = Instant::now();
        self.0.push(Step {
            name,
            ms: (now - self.1).as_secs_f64() * 1e3,
        });
        self.1 = now;
    }
}
