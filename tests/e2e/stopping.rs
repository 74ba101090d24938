//! Stopping a host: what runs may finish, what is new is refused.

use http::Method;
use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::harness::{Host, Upstream, Wire, until};

#[tokio::test]
async fn sigterm_lets_what_runs_finish() {
    let upstream = Upstream::start().await;
    let mut host = Host::start_with(&["--workers", "1"]).await;
    host.deploy("async-endpoints", "").await;
    host.deploy_misc_for(&upstream).await;
    // One that has a head already, one that has not, and one that waits for
    // another request, which will not come.
    let mut half = Wire::connect(host.listen).await;
    half.send(
        "POST /misc/first-then-rest HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n",
    )
    .await;
    half.send_chunk("a ").await;
    assert_eq!(half.head().await.status(), 200);
    assert_eq!(half.chunk().await, "first ");
    let mut idle = Wire::connect(host.listen).await;
    idle.send("GET /misc/method HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(idle.response().await.1, "get");
    let mut slow = Wire::connect(host.listen).await;
    slow.send("GET /misc/method HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(slow.response().await.1, "get");
    slow.send("GET /async-endpoints/async-data HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    // The one worker has surely read it when it has answered a later one.
    host.get("/misc/method").await.ok();

    host.signal(Signal::TERM);
    refuses_connections(&host).await;
    assert_eq!(idle.rest().await, b"");
    half.send_chunk("b ").await;
    half.send("0\r\n\r\n").await;
    let mut body = String::new();
    loop {
        match half.chunk().await {
            last if last.is_empty() => break,
            chunk => body.push_str(&chunk),
        }
    }
    assert_eq!(body, "a b ");
    let (head, body) = slow.response().await;
    assert_eq!(
        (head.status(), &*body),
        (200, r#"{"message":"Data from slow call"}"#)
    );
    assert_eq!(slow.rest().await, b"");
    assert!(host.ended().await.success(), "{}", host.said());
    assert!(host.said().contains("stopping"), "{}", host.said());
}

/// Also what its caller has left, where the manifest wants it finished.
#[tokio::test]
async fn sigterm_lets_what_was_left_finish() {
    let upstream = Upstream::start().await;
    let mut host = Host::start_with(&["-v"]).await;
    let manifest = "on_disconnect = \"finish\"\n[egress]\nallow = [\"ADDRESS\"]";
    let manifest = manifest.replace("ADDRESS", &upstream.address.to_string());
    host.deploy("misc", &manifest).await;
    let mut leaving = Wire::connect(host.listen).await;
    let path = format!("/misc/fetch?url={}", upstream.url("/hang"));
    leaving
        .send(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n"))
        .await;
    upstream.hanging(1).await;
    drop(leaving);
    until("the host has seen it", async || {
        let metrics = host.metrics().await;
        metrics.contains("dunlin_connections 0").then_some(())
    })
    .await;
    host.signal(Signal::TERM);
    refuses_connections(&host).await;
    upstream.let_go();
    assert!(host.ended().await.success(), "{}", host.said());
    let said = host.said();
    assert!(said.contains("\"outcome\":\"answered\""), "{said}");
}

/// The host had accepted it, or not yet.
#[tokio::test]
async fn who_asked_before_the_signal_is_answered() {
    let mut host = Host::start().await;
    host.deploy("misc", "").await;
    host.signal(Signal::STOP);
    let mut wires = Vec::new();
    for _ in 0..20 {
        let mut wire = Wire::connect(host.listen).await;
        wire.send("GET /misc/method HTTP/1.1\r\nhost: h\r\n\r\n")
            .await;
        wires.push(wire);
    }
    host.signal(Signal::TERM);
    host.signal(Signal::CONT);
    for wire in &mut wires {
        assert_eq!(wire.response().await.1, "get");
    }
    assert!(host.ended().await.success(), "{}", host.said());
}

#[tokio::test]
async fn sigint_stops_too() {
    let mut host = Host::start().await;
    host.signal(Signal::INT);
    assert!(host.ended().await.success(), "{}", host.said());
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let upstream = Upstream::start().await;
    let mut host = Host::start_with(&["--drain-timeout", "1h"]).await;
    host.deploy(
        "misc",
        &format!(
            "[limits]\ndeadline = \"1h\"\n[egress]\nallow = [\"{}\"]",
            upstream.address
        ),
    )
    .await;
    let path = format!("/misc/fetch?url={}", upstream.url("/hang"));
    let hanging = tokio::spawn(host.request(Method::GET, &path).send());
    upstream.hanging(1).await;
    host.signal(Signal::TERM);
    refuses_connections(&host).await;
    for (path, status) in [("readyz", 503), ("healthz", 200)] {
        let url = format!("http://{}/{path}", host.admin);
        let answer = reqwest::get(url).await.expect("is answered");
        assert_eq!(answer.status(), status, "{path}");
    }
    assert!(!hanging.is_finished());
    host.signal(Signal::TERM);
    assert!(host.ended().await.success(), "{}", host.said());
    assert!(host.said().contains("second signal"), "{}", host.said());
    was_cut_off(hanging.await.expect("no panic"));
}

#[tokio::test]
async fn the_drain_has_an_end() {
    let upstream = Upstream::start().await;
    let mut host = Host::start_with(&["--drain-timeout", "200ms"]).await;
    host.deploy_misc_for(&upstream).await;
    let path = format!("/misc/fetch?url={}", upstream.url("/hang"));
    let hanging = tokio::spawn(host.request(Method::GET, &path).send());
    upstream.hanging(1).await;
    host.signal(Signal::TERM);
    assert!(host.ended().await.success(), "{}", host.said());
    assert!(host.said().contains("drain timeout"), "{}", host.said());
    // Whoever still waits is told why.
    let answer = hanging.await.expect("no panic").expect("is answered");
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["dunlin-error"], "draining");
    assert_eq!(answer.headers()["retry-after"], "1");
}

/// A guest that computes without end holds a thread, but not the host.
#[tokio::test]
async fn the_drain_has_an_end_even_while_guests_compute() {
    let mut host = Host::start_with(&["--drain-timeout", "200ms"]).await;
    host.deploy("misc", "").await;
    let computing = ["/misc/compute", "/misc/compute-in-fn"].repeat(4);
    let computing: Vec<_> = computing
        .iter()
        .map(|path| tokio::spawn(host.request(Method::GET, path).send()))
        .collect();
    let begun = host.cpu_ticks() + 20;
    until("the guests compute", async || {
        (host.cpu_ticks() > begun).then_some(())
    })
    .await;
    host.signal(Signal::TERM);
    assert!(host.ended().await.success(), "{}", host.said());
    for one in computing {
        was_cut_off(one.await.expect("no panic"));
    }
}

/// Whoever is quick may still hear that it failed.
#[track_caller]
fn was_cut_off(answer: reqwest::Result<reqwest::Response>) {
    if let Ok(answer) = answer {
        assert!(answer.status().is_server_error(), "{answer:?}");
    }
}

async fn refuses_connections(host: &Host) {
    until("new connections are refused", async || {
        TcpStream::connect(host.listen).await.err()
    })
    .await;
}
