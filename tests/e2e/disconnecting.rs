//! A client that goes away ends its invocation.

use http_body_util::{BodyExt as _, Empty};

use crate::harness::{Host, Http2, Upstream, Wire, until};

#[tokio::test]
async fn a_client_that_leaves_ends_what_its_invocation_was_waiting_for() {
    let upstream = Upstream::start().await;
    let host = Host::start().await;
    host.deploy_misc_for(&upstream).await;
    let path = format!("/misc/fetch?url={}", upstream.url("/hang"));

    let mut wire = Wire::connect(host.listen).await;
    wire.send(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n"))
        .await;
    upstream.hanging(1).await;
    drop(wire);
    upstream.hanging(0).await;

    let mut connection = Http2::connect(host.listen).await;
    {
        let mut answer = Box::pin(connection.send("GET", &path, Empty::new().boxed()));
        tokio::select! {
            early = &mut answer => panic!("upstream hangs, but: {early:?}"),
            () = upstream.hanging(1) => {}
        }
    }
    upstream.hanging(0).await;
    assert_eq!(host.get("/misc/method").await.ok(), "get");
}

/// Leaving costs neither the neighbours in the same instance nor those after.
#[tokio::test]
async fn a_client_that_leaves_takes_nobody_with_it() {
    let upstream = Upstream::start().await;
    let host = Host::start_with(&["--workers", "1"]).await;
    host.deploy_misc_for(&upstream).await;
    let held = format!("/misc/fetch?url={}", upstream.url("/held/2"));
    let mut staying = Box::pin(host.get(&held));
    let mut leaving = Wire::connect(host.listen).await;
    leaving
        .send(format!(
            "GET /misc/fetch?url={} HTTP/1.1\r\nhost: h\r\n\r\n",
            upstream.url("/hang")
        ))
        .await;
    tokio::select! {
        early = &mut staying => panic!("is held, but: {early:?}"),
        () = upstream.hanging(1) => {}
    }
    drop(leaving);
    // The second one lets the first go.
    let (first, second) = futures::join!(staying, host.get(&held));
    assert_eq!(
        (first.ok(), second.ok()),
        ("hello from upstream", "hello from upstream")
    );
    upstream.hanging(0).await;
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_the_answer_ends_it_too() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\ndeadline = \"10m\"").await;
    let mut wire = Wire::connect(host.listen).await;
    wire.send("GET /misc/give/4000000000 HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(wire.head().await.status(), 200);
    drop(wire);
    host.becomes_idle().await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_what_computes_for_it() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\ndeadline = \"10m\"").await;
    for path in ["/misc/compute-in-fn", "/misc/compute"] {
        let mut wire = Wire::connect(host.listen).await;
        wire.send(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n"))
            .await;
        let begun = host.cpu_ticks() + 20;
        until("the guest computes", async || {
            (host.cpu_ticks() > begun).then_some(())
        })
        .await;
        drop(wire);
        host.becomes_idle().await;
        assert_eq!(host.get("/misc/method").await.ok(), "get");
    }
}
