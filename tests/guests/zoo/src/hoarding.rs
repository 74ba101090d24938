//! Guests that take and never give back: of their own memory, or of the host's.

use std::hint::black_box;

use dunlin::prelude::*;

#[get("/memory")]
pub(crate) async fn memory() {
    hoard();
}

#[get("/memory-in-fn")]
pub(crate) fn memory_in_fn() {
    hoard();
}

/// Makes streams and forgets them.
#[get("/streams")]
pub(crate) async fn streams() {
    #[cfg(target_arch = "wasm32")]
    loop {
        std::mem::forget(wasip3::wit_stream::new::<u8>());
    }
}

/// Makes header fields, which are the host's, and forgets them.
#[get("/fields")]
pub(crate) async fn fields() {
    #[cfg(target_arch = "wasm32")]
    loop {
        std::mem::forget(wasip3::http::types::Fields::new());
    }
}

/// Sets timers, and more of them, until it is stopped.
#[get("/timers")]
pub(crate) async fn timers() {
    #[cfg(target_arch = "wasm32")]
    {
        use std::task::{Context, Poll, Waker};
        loop {
            let mut timer = Box::pin(wasip3::clocks::monotonic_clock::wait_for(u64::MAX / 2));
            // Once, so that the host has it.
            let polled = timer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(polled, Poll::Pending);
            std::mem::forget(timer);
        }
    }
}

/// Where to fetch from, and how often at once.
#[model]
pub(crate) struct Errand {
    url: String,
    count: usize,
}

/// Answers how many of its calls were answered.
#[get("/fetches")]
pub(crate) async fn fetches(Query(errand): Query<Errand>) -> String {
    let calls =
        (0..errand.count).map(|_| async { dunlin::fetch::get(&errand.url).send().await.is_ok() });
    let answered = dunlin::join_all(calls).await;
    answered.iter().filter(|it| **it).count().to_string()
}

/// Sends 8 MiB so often at once. In this instance it is there but once: the
/// host's copy outlives it.
#[get("/large-fetches")]
pub(crate) async fn large_fetches(Query(errand): Query<Errand>) -> String {
    let calls = (0..errand.count).map(|_| async {
        let large = vec![1_u8; 8 << 20];
        dunlin::fetch::post(&errand.url)
            .body(large)
            .send()
            .await
            .is_ok()
    });
    let answered = dunlin::join_all(calls).await;
    answered.iter().filter(|it| **it).count().to_string()
}

/// Four GiB of randomness at once.
#[get("/random")]
pub(crate) async fn random() -> String {
    four_gib_of_randomness()
}

#[get("/random-in-fn")]
pub(crate) fn random_in_fn() -> String {
    four_gib_of_randomness()
}

fn four_gib_of_randomness() -> String {
    #[cfg(target_arch = "wasm32")]
    let length = wasip2::random::random::get_random_bytes(1 << 32).len();
    #[cfg(not(target_arch = "wasm32"))]
    let length = 0;
    length.to_string()
}

fn hoard() {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}
