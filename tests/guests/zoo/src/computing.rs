//! Guests that never stop computing.

use std::future::poll_fn;
use std::hint::black_box;
use std::task::Poll;
use std::time::{Duration, Instant};

use dunlin::prelude::*;

#[get("/loop")]
pub(crate) async fn endless_loop() {
    spin();
}

#[get("/loop-in-fn")]
pub(crate) fn endless_loop_in_fn() {
    spin();
}

/// Asks the host for the time, again and again.
#[get("/calls")]
pub(crate) async fn endless_calls() {
    call();
}

#[get("/calls-in-fn")]
pub(crate) fn endless_calls_in_fn() {
    call();
}

/// Asks to be polled again at once, for ever: it never waits for anything, and
/// never computes for long.
#[get("/busy-poll")]
pub(crate) async fn busy_poll() {
    loop {
        yield_now().await;
    }
}

/// Polls a timer that has long gone off.
#[get("/busy-poll-in-fn")]
pub(crate) fn busy_poll_in_fn() {
    #[cfg(target_arch = "wasm32")]
    {
        let over = wasip2::clocks::monotonic_clock::subscribe_duration(0);
        loop {
            black_box(wasip2::io::poll::poll(&[&over]));
        }
    }
}

/// Computes for less than the host measures, then lets others have a turn, for
/// ever.
#[get("/just-below-a-tick")]
pub(crate) async fn just_below_a_tick() {
    loop {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(800) {}
        yield_now().await;
    }
}

#[get("/recursion")]
pub(crate) async fn recursion() -> String {
    descend(1).to_string()
}

#[get("/recursion-in-fn")]
pub(crate) fn recursion_in_fn() -> String {
    descend(1).to_string()
}

/// Answers, then computes for ever.
#[get("/afterwards")]
pub(crate) async fn endless_afterwards() -> &'static str {
    leave_behind()
}

#[get("/afterwards-in-fn")]
pub(crate) fn endless_afterwards_in_fn() -> &'static str {
    leave_behind()
}

fn leave_behind() -> &'static str {
    dunlin::spawn(async {
        // The answer goes out first. Long enough that it is not over before the
        // host has looked once, on a busy machine: then nothing would wait.
        dunlin::sleep(Duration::from_millis(30)).await;
        spin();
    });
    "answered"
}

pub(crate) fn spin() {
    let mut n = 0_u64;
    while black_box(n) < u64::MAX {
        n += 1;
    }
}

fn call() {
    let start = Instant::now();
    while black_box(start.elapsed()) < Duration::MAX {}
}

fn descend(depth: u64) -> u64 {
    if black_box(depth) == 0 {
        return 0;
    }
    // Added to after the call, so that it is no loop in disguise.
    descend(black_box(depth + 1)) + black_box(depth)
}

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
