//! Guests that wait for what never comes.

use std::future::pending;
use std::time::Duration;

use dunlin::prelude::*;

const FOR_EVER: Duration = Duration::from_secs(1_000_000_000);

#[get("/never")]
pub(crate) async fn never() {
    pending().await
}

#[get("/sleep")]
pub(crate) async fn sleeps() {
    dunlin::sleep(FOR_EVER).await;
}

/// All of its instance sleeps.
#[get("/sleep-the-thread")]
pub(crate) async fn sleeps_the_thread() {
    std::thread::sleep(FOR_EVER);
}

#[get("/sleep-in-fn")]
pub(crate) fn sleeps_in_fn() {
    std::thread::sleep(FOR_EVER);
}

/// Sends a piece of its body, and no more.
#[get("/sleep-in-the-body")]
pub(crate) async fn sleeps_in_the_body() -> Body {
    Body::produce(async |mut out| {
        out.send("first ").await;
        dunlin::sleep(FOR_EVER).await;
        Ok(())
    })
}
