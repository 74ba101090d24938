//! A version on trial, beside those that it may replace: how often each fails.

use crate::registry::Percent;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Fewer answers than this say nothing about a version.
const FEWEST: u64 = 20;

/// What became of a version's invocations.
#[derive(Debug, Default)]
pub(super) struct Tally {
    ended: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    pub(super) fn count(&self, failed: bool) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        if failed {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> Rate {
        // Failures first: read the other way round, there could be more of them
        // than there are invocations.
        let failed = self.failed.load(Ordering::Relaxed);
        let ended = self.ended.load(Ordering::Relaxed);
        Rate { failed, ended }
    }
}

/// How many of so many invocations failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rate {
    /// Answered by the host in place of the function, or by the function with a
    /// status of 500 or above.
    pub failed: u64,
    /// All that ended. Those whose caller went away are not among them.
    pub ended: u64,
}

impl Rate {
    /// What came since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            failed: self.failed.saturating_sub(earlier.failed),
            ended: self.ended.saturating_sub(earlier.ended),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            failed: self.failed + other.failed,
            ended: self.ended + other.ended,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of so many is near enough"
    )]
    fn share(self) -> f64 {
        match self.ended {
            0 => 0.0,
            ended => self.failed as f64 / ended as f64,
        }
    }

    /// Whether a version on trial with this rate fails too often beside the
    /// others.
    pub(super) fn exceeds(self, others: Self, abort_on: Percent) -> bool {
        self.ended >= FEWEST && self.share() > others.share() + abort_on.as_fraction()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.failed, self.ended)
    }
}

/// A version on trial that fails too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The version's number.
    pub version: u32,
    /// How often it fails.
    pub canary: Rate,
    /// How often the others do.
    pub others: Rate,
    /// How much more often it might.
    pub abort_on: Percent,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(failed: u64, ended: u64) -> Rate {
        Rate { failed, ended }
    }

    #[test]
    fn a_version_on_trial_is_judged_beside_the_others() {
        let one = "1%".parse().unwrap();
        assert!(!rate(0, 1_000).exceeds(rate(0, 9_000), one));
        assert!(!rate(10, 1_000).exceeds(rate(0, 9_000), one));
        assert!(rate(11, 1_000).exceeds(rate(0, 9_000), one));
        // An upstream that is down makes all fail alike.
        assert!(!rate(500, 1_000).exceeds(rate(4_500, 9_000), one));
        assert!(rate(520, 1_000).exceeds(rate(4_500, 9_000), one));
    }

    #[test]
    fn a_few_answers_are_no_judgement() {
        let one = "1%".parse().unwrap();
        assert!(!rate(19, 19).exceeds(rate(0, 0), one));
        assert!(rate(20, 20).exceeds(rate(0, 0), one));
    }

    #[test]
    fn a_tally_counts_from_any_moment_on() {
        let tally = Tally::default();
        tally.count(true);
        let began = tally.read();
        tally.count(false);
        tally.count(true);
        assert_eq!(tally.read().since(began), rate(1, 2));
    }
}
