//! What computes is moved, learned and ended; what is too much is refused.

use futures::future::join_all;

use crate::harness::{Host, Wire, until};

/// The route with this path, as `dunlin ls --json` has it.
async fn listed(host: &Host, path: &str) -> serde_json::Value {
    let ran = host.run(["ls", "--json"]).await.succeeded();
    let function = ran.json().remove(0);
    let routes = function["routes"].as_array().expect("has routes").clone();
    let route = routes.into_iter().find(|route| route["path"] == path);
    route.expect("is listed")
}

#[tokio::test]
async fn a_route_that_keeps_computing_is_learned_and_says_so() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let path = "/compute/{millis}";
    assert_eq!(
        listed(&host, path).await["learned"],
        serde_json::Value::Null
    );
    for _ in 0..3 {
        assert_eq!(host.get("/misc/compute/100").await.ok(), "done");
    }
    let learned = &listed(&host, path).await["learned"];
    assert_eq!(learned["lane"], "blocking");
    assert!(
        learned["cpu_ms"].as_f64().is_some_and(|ms| ms >= 10.0),
        "{learned}"
    );
    let line = host.logged("misc", "declare its handler `fn`").await;
    assert_eq!(line["source"], "host");
    assert!(line["request_id"].is_string(), "{line}");
    let message = line["message"].as_str().expect("is one");
    assert!(message.contains("computes for up to "), "{message}");
    // It still answers, from the other lane.
    assert_eq!(host.get("/misc/compute/50").await.ok(), "done");
    // Another version is another story.
    host.deploy("misc", "[vars]\nNEW = \"1\"").await;
    assert_eq!(
        listed(&host, path).await["learned"],
        serde_json::Value::Null
    );
}

/// Not for long enough to be moved, but so often that who shares an instance with
/// it would wait for it time and again.
#[tokio::test]
async fn a_route_that_keeps_computing_gets_instances_of_its_own() {
    let host = Host::start_with(&["--workers", "1"]).await;
    host.deploy("misc", "").await;
    let computed = async || host.get("/misc/computed").await.ok().to_owned();
    assert_eq!(host.get("/misc/compute/1").await.ok(), "done");
    assert_eq!(computed().await, "1");
    until("they are apart", async || {
        let before = computed().await;
        assert_eq!(host.get("/misc/compute/5").await.ok(), "done");
        (computed().await == before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn those_who_shared_an_instance_with_one_that_was_moved_are_answered() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let waiting = (0..20).map(|_| host.get("/misc/sleep/300"));
    let (waiting, computing) = tokio::join!(join_all(waiting), host.get("/misc/compute/200"));
    computing.ok();
    for answer in waiting {
        answer.ok();
    }
}

#[tokio::test]
async fn cpu_time_has_a_limit_on_either_lane() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\ncpu = \"200ms\"").await;
    for path in ["/misc/compute", "/misc/compute-in-fn"] {
        host.get(path).await.failed(504, "cpu-limit");
        assert_eq!(host.get("/misc/method").await.ok(), "get", "after {path}");
    }
    // Waiting is not computing.
    host.get("/misc/sleep/400").await.ok();
    host.becomes_idle().await;
}

#[tokio::test]
async fn a_function_has_no_more_requests_at_once_than_it_may() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\nconcurrency = 1").await;
    let mut wire = Wire::connect(host.listen).await;
    wire.send("GET /misc/never-ends HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(wire.head().await.status(), 200);

    let refused = host.get("/misc/method").await;
    refused.failed(429, "function-overloaded");
    assert_eq!(refused.header("retry-after"), "1");

    drop(wire);
    until("the place is free again", async || {
        (host.get("/misc/method").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_deadline_needs_no_reader() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\ndeadline = \"300ms\"").await;
    let mut wire = Wire::connect(host.listen).await;
    wire.send("GET /misc/give/4000000000 HTTP/1.1\r\nhost: h\r\nx-request-id: deaf\r\n\r\n")
        .await;
    assert_eq!(wire.head().await.status(), 200);
    // Nothing more is read, and yet it ends.
    let line = host.logged("misc", "the answer broke off").await;
    assert_eq!(line["request_id"], "deaf");
    drop(wire);
}

#[tokio::test]
async fn a_trap_after_the_head_is_in_the_log() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let mut wire = Wire::connect(host.listen).await;
    wire.send(
        "POST /misc/panic-after-head HTTP/1.1\r\nhost: h\r\nx-request-id: late\r\n\
         transfer-encoding: chunked\r\n\r\n",
    )
    .await;
    assert_eq!(wire.head().await.status(), 200);
    assert_eq!(wire.chunk().await, "first ");
    wire.send_chunk("more").await;
    let line = host.logged("misc", "the answer broke off").await;
    assert_eq!(line["request_id"], "late");
    drop(wire);
}

#[tokio::test]
async fn work_left_behind_in_an_exclusive_instance_is_ended() {
    let host = Host::start().await;
    let manifest = "isolation = \"serial\"\n[limits]\ndeadline = \"300ms\"";
    host.deploy("misc", manifest).await;
    assert_eq!(host.get("/misc/go-on-afterwards").await.ok(), "answered");
    host.logged("misc", "still here").await;
}
