//! Hostile guests, a route each: the tests ask that every one meets its limit,
//! and that nobody else notices.

mod answers;
mod computing;
mod hoarding;
mod starting;
mod waiting;

use dunlin::prelude::*;

/// What an instance answers that nothing is wrong with.
#[get("/well")]
async fn well() -> &'static str {
    "well"
}

#[get("/well-in-fn")]
fn well_in_fn() -> &'static str {
    "well"
}

dunlin::app![
    well,
    well_in_fn,
    answers::panics,
    answers::panics_in_fn,
    answers::traps,
    answers::traps_in_fn,
    answers::traps_after_the_head,
    answers::twice,
    answers::twice_in_fn,
    answers::once_more_later,
    answers::endless_body,
    answers::endless_headers,
    answers::invalid_header,
    answers::log_flood,
    answers::log_flood_in_fn,
    computing::endless_loop,
    computing::endless_loop_in_fn,
    computing::endless_calls,
    computing::endless_calls_in_fn,
    computing::busy_poll,
    computing::busy_poll_in_fn,
    computing::just_below_a_tick,
    computing::recursion,
    computing::recursion_in_fn,
    computing::endless_afterwards,
    computing::endless_afterwards_in_fn,
    hoarding::memory,
    hoarding::memory_in_fn,
    hoarding::streams,
    hoarding::fields,
    hoarding::timers,
    hoarding::fetches,
    hoarding::large_fetches,
    hoarding::random,
    hoarding::random_in_fn,
    waiting::never,
    waiting::sleeps,
    waiting::sleeps_the_thread,
    waiting::sleeps_in_fn,
    waiting::sleeps_in_the_body,
];
