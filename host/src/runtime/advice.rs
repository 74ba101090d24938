//! Lines in a function's log about what its routes should be, or became.

use super::failure::Failure;
use super::pace::ASYNC_BUDGET;
use crate::capabilities::{Grants, Invocation};

/// A route that is declared async, and was learned to compute.
pub(super) fn learned(grants: &Grants, invocation: &Invocation) {
    let spec = invocation.route.spec();
    let cpu = invocation.route.learned_cpu().unwrap_or(ASYNC_BUDGET);
    let line = format!(
        "`{} {}` is declared async but computes for up to {} ms, more than {}: from now on it \
         starts on the blocking lane; declare its handler `fn`",
        spec.method,
        spec.path,
        cpu.as_millis(),
        ASYNC_BUDGET.as_millis(),
    );
    grants.log(Some(&invocation.request_id), line);
}

/// Notes that an invocation's route took an instance down, and tells if that
/// has become a habit.
pub(super) fn crashed(grants: &Grants, failure: &Failure, invocation: &Invocation) {
    let is_crash = matches!(
        failure,
        Failure::Trap(_) | Failure::OutOfMemory | Failure::CpuLimit
    );
    let Some(length) = is_crash.then(|| invocation.route.crashed()).flatten() else {
        return;
    };
    let spec = invocation.route.spec();
    let line = format!(
        "`{} {}` keeps crashing: each of its requests gets an instance of its own, until {} s \
         after the last crash",
        spec.method,
        spec.path,
        length.as_secs(),
    );
    grants.log(Some(&invocation.request_id), line);
}

/// Work that outlived its request for too long.
pub(super) fn left_too_long(grants: &Grants) {
    let line = "work that outlived its request was ended: it may take as long as `limits.deadline`";
    grants.log(None, line.to_owned());
}

/// Work that outlived its request and computes, with no room for it.
pub(super) fn no_room_for_left(grants: &Grants) {
    let line = "work that outlived its request was ended: the function has as many requests as \
                `limits.concurrency` allows";
    grants.log(None, line.to_owned());
}
