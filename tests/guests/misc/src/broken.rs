//! Routes that go wrong, each in its own way.

use std::future::pending;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dunlin::prelude::*;

#[get("/panic")]
pub(crate) async fn panics() -> &'static str {
    panic!("the guest's own words")
}

#[get("/panic-in-fn")]
pub(crate) fn panics_in_fn() -> &'static str {
    panic!("the guest's own words")
}

/// Beside the one that panics.
#[get("/calm-in-fn")]
pub(crate) fn is_calm_in_fn() -> &'static str {
    "calm"
}

/// Sends its head and a first piece; panics as soon as more of the request's
/// body comes.
#[post("/panic-after-head")]
pub(crate) async fn panics_after_the_head(mut body: Body) -> Body {
    Body::produce(async move |mut out| {
        out.send("first ").await;
        body.chunk().await?;
        panic!("the guest's own words")
    })
}

/// The same, but the function gives up instead of crashing.
#[post("/fail-midway")]
pub(crate) async fn fails_midway(mut body: Body) -> Body {
    Body::produce(async move |mut out| {
        out.send("first ").await;
        body.chunk().await?;
        Err(Error::msg("no more of it"))
    })
}

#[get("/memory")]
pub(crate) async fn fills_memory() -> String {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Holds so many MiB for a moment.
#[get("/allocate/{mib}")]
pub(crate) async fn allocates(Path(mib): Path<usize>) -> String {
    let held: Vec<_> = (0..mib).map(|_| black_box(vec![1_u8; 1 << 20])).collect();
    held.len().to_string()
}

#[get("/never")]
pub(crate) async fn never_answers() {
    pending().await
}

/// Sends a first piece and then nothing, without ever ending.
#[get("/never-ends")]
pub(crate) async fn never_ends() -> Body {
    Body::produce(async |mut out| {
        out.send("first ").await;
        pending().await
    })
}

#[get("/compute")]
pub(crate) async fn computes_for_ever() {
    spin()
}

#[get("/compute-in-fn")]
pub(crate) fn computes_for_ever_in_fn() {
    spin()
}

static COMPUTED: AtomicUsize = AtomicUsize::new(0);

/// Declared `async fn` by mistake.
#[get("/compute/{millis}")]
pub(crate) async fn computes_for_a_while(Path(millis): Path<u64>) -> String {
    compute(Duration::from_millis(millis));
    COMPUTED.fetch_add(1, Ordering::Relaxed);
    "done".to_owned()
}

/// How often this instance has computed for a while.
#[get("/computed")]
pub(crate) async fn has_computed() -> String {
    COMPUTED.load(Ordering::Relaxed).to_string()
}

/// Takes about this CPU time, not wall time: however busy the machine is, it is
/// not much less.
pub(crate) fn compute(time: Duration) {
    for step in 0..time.as_micros() * 1_000 {
        black_box(step);
    }
}

fn spin() {
    let mut n = 0_u64;
    while black_box(n) < u64::MAX {
        n += 1;
    }
}

/// Would split the response in two, if it were sent.
#[get("/bad-header")]
pub(crate) async fn bad_header() -> impl IntoResponse {
    ([("x-split", "a\r\nset-cookie: stolen=1")], "body")
}

/// 1xx is the host's to send.
#[get("/bad-status")]
pub(crate) async fn bad_status() -> StatusCode {
    StatusCode::CONTINUE
}
