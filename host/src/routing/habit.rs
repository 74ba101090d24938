//! What happens often enough to be no accident.

use crate::registry::Isolation;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Something that happened this often is a habit.
const OFTEN: u32 = 3;

/// What happens less often than this is none.
const MEMORY: Duration = Duration::from_secs(10);

/// Counts how often something happened, each time soon after the last.
#[derive(Debug, Default)]
pub(super) struct Habit {
    times: AtomicU32,
    last_ms: AtomicU64,
}

impl Habit {
    /// Notes that it happened; whether it is a habit by now.
    pub(super) fn happened(&self, now: Now) -> bool {
        let last_ms = self.last_ms.swap(now.0, Ordering::Relaxed);
        if u128::from(now.0.saturating_sub(last_ms)) > MEMORY.as_millis() {
            self.times.store(0, Ordering::Relaxed);
        }
        self.times.fetch_add(1, Ordering::Relaxed) + 1 >= OFTEN
    }
}

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Now(pub(super) u64);

impl Now {
    pub(super) fn read() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_millis();
        Self(u64::try_from(now).unwrap_or(u64::MAX))
    }
}

/// A route that keeps crashing, kept apart: each of its requests gets an
/// instance of its own, so that no other request crashes along. It ends by
/// itself when the crashes do.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    crashes: Habit,
    /// In force until then; 0: never was.
    until_ms: AtomicU64,
}

impl Quarantine {
    /// How long after the last crash.
    pub(super) const LENGTH: Duration = Duration::from_secs(60);

    /// Notes a crash; whether the quarantine begins with it.
    pub(super) fn crashed(&self, now: Now) -> bool {
        let was_in_force = self.is_in_force(now);
        if !self.crashes.happened(now) && !was_in_force {
            return false;
        }
        let length_ms = u64::try_from(Self::LENGTH.as_millis()).unwrap_or(u64::MAX);
        let before_ms = self
            .until_ms
            .swap(now.0.saturating_add(length_ms), Ordering::Relaxed);
        before_ms <= now.0
    }

    /// Whether one is in force, or was: then the clock has to be asked.
    pub(super) fn is_known(&self) -> bool {
        self.until_ms.load(Ordering::Relaxed) > 0
    }

    /// Who shares an instance of a route that was kept apart at some time.
    pub(super) fn isolation(&self) -> Isolation {
        if self.is_in_force(Now::read()) {
            Isolation::Serial
        } else {
            Isolation::Shared
        }
    }

    pub(super) fn is_in_force(&self, now: Now) -> bool {
        self.until_ms.load(Ordering::Relaxed) > now.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_rarely_is_no_habit() {
        let habit = Habit::default();
        for seconds in 0..10 {
            assert!(!habit.happened(Now(seconds * 11_000)));
        }
        let often: Vec<bool> = (0..4).map(|ms| habit.happened(Now(500_000 + ms))).collect();
        assert_eq!(often, [false, false, true, true]);
    }

    #[test]
    fn a_quarantine_begins_once_and_ends_by_itself() {
        let quarantine = Quarantine::default();
        let crash = |ms| quarantine.crashed(Now(ms));
        assert_eq!(
            [crash(1), crash(2), crash(3), crash(4)],
            [false, false, true, false]
        );
        assert!(quarantine.is_in_force(Now(60_003)));
        // Another crash extends it, however long after the last.
        assert!(!crash(50_000));
        assert!(quarantine.is_in_force(Now(100_000)));
        assert!(!quarantine.is_in_force(Now(110_001)));
        assert!(quarantine.is_known());
    }
}
