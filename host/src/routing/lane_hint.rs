//! What a route's invocations taught about the lane it belongs on.

use super::habit::{Habit, Now};
use crate::registry::Lane;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The lane on which one route's invocations start.
///
/// An invocation that computes too long on the async lane is moved to the
/// blocking lane. When that keeps happening, the route is learned: it starts
/// there, until the version is replaced or the host stops. One that keeps
/// computing for less than that is learned to be apart from those that wait.
#[derive(Debug)]
pub(super) struct LaneHint {
    declared: Lane,
    learned: AtomicBool,
    promotions: Habit,
    computes: AtomicBool,
    interruptions: Habit,
    cpu_us: AtomicU64,
}

impl LaneHint {
    pub(super) fn new(declared: Lane) -> Self {
        Self {
            declared,
            learned: AtomicBool::new(false),
            promotions: Habit::default(),
            computes: AtomicBool::new(false),
            interruptions: Habit::default(),
            cpu_us: AtomicU64::new(0),
        }
    }

    pub(super) fn lane(&self) -> Lane {
        if self.learned.load(Ordering::Relaxed) {
            Lane::Blocking
        } else {
            self.declared
        }
    }

    /// Notes one promotion; true when it makes the route a learned one.
    pub(super) fn promoted(&self) -> bool {
        self.promotions.happened(Now::read()) && !self.learned.swap(true, Ordering::Relaxed)
    }

    /// Notes that an invocation was interrupted and had still more to compute.
    pub(super) fn interrupted(&self) {
        if self.interruptions.happened(Now::read()) {
            self.computes.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the route keeps computing for so long that others notice.
    pub(super) fn computes(&self) -> bool {
        self.computes.load(Ordering::Relaxed)
    }

    /// Notes the CPU time of an invocation that was promoted or started on the
    /// blocking lane.
    pub(super) fn used(&self, cpu: Duration) {
        let cpu_us = u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX);
        self.cpu_us.fetch_max(cpu_us, Ordering::Relaxed);
    }

    /// The most CPU time seen, if the route was declared async and is not.
    pub(super) fn learned(&self) -> Option<Duration> {
        (self.declared == Lane::Async && self.learned.load(Ordering::Relaxed))
            .then(|| Duration::from_micros(self.cpu_us.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_habit_is_learned_once() {
        let hint = LaneHint::new(Lane::Async);
        assert!(!hint.promoted());
        assert!(!hint.promoted());
        assert_eq!(hint.lane(), Lane::Async);
        assert!(hint.promoted());
        assert!(!hint.promoted());
        assert_eq!(hint.lane(), Lane::Blocking);
        hint.used(Duration::from_millis(12));
        assert_eq!(hint.learned(), Some(Duration::from_millis(12)));
    }
}
