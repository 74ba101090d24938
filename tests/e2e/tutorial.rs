//! The tutorial's two claims: `async fn` handlers wait side by side, and
//! neither they nor those that compute keep anyone else waiting.

use std::time::{Duration, Instant};

use futures::future::join_all;
use http::Method;

use crate::harness::{Host, within};

#[tokio::test]
async fn a_hundred_callers_wait_for_slow_data_side_by_side() {
    let host = Host::start().await;
    host.deploy("async-endpoints", "").await;
    let start = Instant::now();
    let answers = join_all((0..100).map(|_| host.get("/async-endpoints/async-data"))).await;
    let took = start.elapsed();
    for answer in &answers {
        assert_eq!(answer.ok(), r#"{"message":"Data from slow call"}"#);
        assert_eq!(answer.header("content-type"), "application/json");
    }
    // One after the other they would take 200 s.
    assert!(took >= Duration::from_secs(2), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn the_sync_endpoint_answers_its_placeholder() {
    let host = Host::start().await;
    host.deploy("async-endpoints", "").await;
    let answer = host.get("/async-endpoints/sync-but-can-call-async").await;
    let expected = r#"{"message":"Sync endpoint placeholder for calling async (see notes)"}"#;
    assert_eq!(answer.ok(), expected);
}

#[tokio::test]
async fn hello_is_answered_while_others_wait_for_slow_data() {
    let host = Host::start().await;
    host.deploy("async-endpoints", "").await;
    host.deploy("hello", "").await;
    let waiting = || {
        host.request(Method::GET, "/async-endpoints/async-data")
            .send()
    };
    let mut waiting = Box::pin(join_all((0..100).map(|_| waiting())));
    let hellos = async {
        for _ in 0..50 {
            assert_eq!(host.get("/hello/").await.ok(), "Hello from Dunlin!");
        }
    };
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("fifty hellos took longer than the slow call"),
        () = hellos => {}
    }
    for answer in within("slow data", waiting).await {
        assert_eq!(answer.expect("an answer").status(), 200);
    }
}

#[tokio::test]
async fn hello_and_sleeps_are_answered_while_primes_are_counted() {
    let host = Host::start().await;
    host.deploy("hello", "").await;
    host.deploy("misc", "").await;
    // Counting steps back for all else, so that a busy machine takes its time.
    host.deploy("primes", "[limits]\ndeadline = \"10m\"").await;
    // More than there are threads: all of the blocking lane is taken.
    let counting = || host.request(Method::GET, "/primes/50000000").send();
    let mut counting = Box::pin(join_all((0..6).map(|_| counting())));
    let others = async {
        for _ in 0..20 {
            assert_eq!(host.get("/hello/Ada").await.ok(), "Hello, Ada!");
            assert_eq!(host.get("/misc/sleep/1").await.ok(), "slept 1");
        }
    };
    tokio::select! {
        biased;
        _ = &mut counting => panic!("twenty hellos took longer than counting six times"),
        () = others => {}
    }
    for answer in within("the primes", counting).await {
        let answer = answer.expect("an answer").text().await.expect("whole");
        assert_eq!(answer, r#"{"n":50000000,"count":3001134}"#);
    }
}

#[tokio::test]
async fn hello_is_answered_while_an_async_fn_computes_without_end() {
    let host = Host::start_with(&["--workers", "1"]).await;
    host.deploy("hello", "").await;
    host.deploy("misc", "").await;
    let mut computing = Box::pin(host.request(Method::GET, "/misc/compute").send());
    let others = async {
        for _ in 0..20 {
            host.get("/hello/").await.ok();
            host.get("/misc/method").await.ok();
        }
    };
    tokio::select! {
        biased;
        _ = &mut computing => panic!("computing has no end"),
        () = others => {}
    }
}
