//! Standard components, which know nothing of Dunlin, are served as they are.

use futures::future::join_all;
use http::{Method, StatusCode};

use crate::harness::{Answer, Host, Upstream, Wire, until};

#[tokio::test]
async fn a_wasi_http_02_component_answers_ten_in_turn_and_fifty_at_once() {
    let host = Host::start().await;
    host.deploy("wasi-http", "").await;
    for _ in 0..10 {
        assert_eq!(
            host.get("/wasi-http/").await.ok(),
            "Hello from wasi:http 0.2!\n"
        );
    }
    for answer in join_all((0..50).map(|_| host.get("/wasi-http"))).await {
        assert_eq!(answer.ok(), "Hello from wasi:http 0.2!\n");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    }
    for number in 0..50 {
        let body = format!("body {number}");
        assert_eq!(host.post("/wasi-http/", body.clone()).await.ok(), body);
    }
}

#[tokio::test]
async fn a_wasi_http_02_component_takes_every_method_and_path() {
    let host = Host::start().await;
    host.deploy("wasi-http", "").await;
    let put = Answer::to(host.request(Method::PUT, "/wasi-http/")).await;
    assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        put.header("dunlin-error"),
        "",
        "it is the function's answer"
    );
    let elsewhere = host.get("/wasi-http/else/where?x=1").await;
    assert_eq!(
        (elsewhere.status, &*elsewhere.body),
        (StatusCode::NOT_FOUND, "not here\n")
    );
}

#[tokio::test]
async fn standard_components_stream_both_ways() {
    let host = Host::start().await;
    for name in ["wasi-http", "wasi-http-03"] {
        host.deploy(name, "").await;
        let mut wire = Wire::connect(host.listen).await;
        let head = "HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
        wire.send(format!("POST /{name}/ {head}")).await;
        wire.send_chunk("one").await;
        assert_eq!(wire.head().await.status(), 200, "{name}");
        assert_eq!(wire.chunk().await, "one", "{name}");
        wire.send_chunk("two").await;
        assert_eq!(wire.chunk().await, "two", "{name}");
        wire.send("0\r\n\r\n").await;
        assert_eq!(wire.chunk().await, "", "{name}");
    }
}

#[tokio::test]
async fn standard_components_pass_large_bodies() {
    let host = Host::start().await;
    for name in ["wasi-http", "wasi-http-03"] {
        host.deploy(name, "").await;
        let body = "0123456789".repeat(500_000);
        let answer = host.post(&format!("/{name}/"), body.clone()).await;
        assert!(
            answer.ok() == body,
            "{name}: {} bytes came back",
            answer.body.len()
        );
    }
}

#[tokio::test]
async fn a_wasi_http_03_component_answers_ten_in_turn_and_fifty_at_once() {
    let host = Host::start().await;
    host.deploy("wasi-http-03", "").await;
    for _ in 0..10 {
        let answer = host.get("/wasi-http-03/a/b?c=d").await;
        assert_eq!((answer.ok(), answer.header("x-target")), ("", "/a/b?c=d"));
    }
    let bodies: Vec<String> = (0..50).map(|number| format!("body {number}")).collect();
    let answers = join_all(
        bodies
            .iter()
            .map(|body| host.post("/wasi-http-03", body.clone())),
    )
    .await;
    for (answer, body) in answers.iter().zip(&bodies) {
        assert_eq!(answer.ok(), body);
    }
}

#[tokio::test]
async fn the_egress_policy_holds_for_standard_components_too() {
    let upstream = Upstream::start().await;
    let host = Host::start().await;
    let path = format!("/wasi-http-03/fetch/{}", upstream.address);
    host.deploy("wasi-http-03", "[egress]\nallow = [\"*\"]")
        .await;
    // The component's own answer is the error that it got: none to send on.
    host.get(&path).await.failed(502, "invalid-response");
    let log = host.logs("wasi-http-03").await;
    let why = log[log.len() - 1]["message"].as_str().expect("is a text");
    assert!(why.contains("HttpRequestDenied"), "{log:#?}");

    host.deploy(
        "wasi-http-03",
        &format!("[egress]\nallow = [\"{}\"]", upstream.address),
    )
    .await;
    assert_eq!(host.get(&path).await.ok(), "hello from upstream");
}

/// `wasi:http` does not say which invocation sends. Where several share an
/// instance, they have as many requests as all of them together may have.
#[tokio::test]
async fn outgoing_requests_that_are_nobodys_are_counted_too() {
    let upstream = Upstream::start().await;
    let host = Host::start_with(&["--workers", "1"]).await;
    let manifest = format!(
        "[egress]\nallow = [\"{}\"]\n[limits]\noutgoing_requests = 2",
        upstream.address
    );
    host.deploy("wasi-http-03", &manifest).await;
    let fetches = format!("/wasi-http-03/fetches/{}", upstream.address);
    let answered = async || host.get(&fetches).await.header("x-answered").to_owned();
    assert_eq!(answered().await, "2");
    // Beside another: what that one sent alone was its own.
    let path = format!("/wasi-http-03/fetch/{}/hang", upstream.address);
    let hanging = tokio::spawn(host.request(Method::GET, &path).send());
    upstream.hanging(1).await;
    // The host may give them instances of their own, while one computes: then
    // each has its own limit. Together they have both, and never more.
    for _ in 0..2 {
        let together = answered().await;
        assert!(["2", "4"].contains(&&*together), "{together}");
    }
    upstream.let_go();
    let answer = hanging.await.expect("no panic").expect("an answer");
    assert_eq!(answer.status(), 200);
}

/// Not having read what cannot be sent is not leaving.
#[tokio::test]
async fn who_asks_for_the_head_alone_has_not_left() {
    let host = Host::start().await;
    host.deploy("wasi-http-03", "").await;
    for _ in 0..3 {
        let head = host.request(Method::HEAD, "/wasi-http-03/");
        assert_eq!(Answer::to(head).await.status, StatusCode::OK);
    }
    until("all three are answered", async || {
        let metrics = host.metrics().await;
        let mut answered = metrics
            .lines()
            .filter(|line| line.contains("outcome=\"answered\""));
        answered.any(|line| line.ends_with(" 3")).then_some(())
    })
    .await;
}
