//! What one connection can carry: HTTP/1.1 kept alive and pipelined, HTTP/2 by
//! prior knowledge, both on one port.

use futures::future::join_all;
use http_body_util::{BodyExt as _, Empty};

use crate::harness::{Host, Http2, Upstream, Wire, within};

#[tokio::test]
async fn one_connection_carries_request_after_request() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let mut wire = Wire::connect(host.listen).await;
    for _ in 0..3 {
        wire.send("GET /misc/method HTTP/1.1\r\nhost: h\r\n\r\n")
            .await;
        let (head, body) = wire.response().await;
        assert_eq!((head.status(), &*body), (200, "get"));
        // Failures do not cost the connection either.
        wire.send("GET /misc/panic HTTP/1.1\r\nhost: h\r\n\r\n")
            .await;
        assert_eq!(wire.response().await.0.status(), 502);
        wire.send("POST /misc/method HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc")
            .await;
        assert_eq!(wire.response().await.1, "post abc");
    }
}

#[tokio::test]
async fn a_body_that_the_function_does_not_read_does_not_become_a_request() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let mut wire = Wire::connect(host.listen).await;
    let smuggled = "GET /misc/panic HTTP/1.1\r\nhost: h\r\n\r\n";
    let length = smuggled.len();
    wire.send(format!(
        "DELETE /misc/method HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n{smuggled}"
    ))
    .await;
    assert_eq!(wire.head().await.status(), 204);
    wire.send("GET /misc/method HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        .await;
    assert_eq!(wire.response().await.1, "get");
    assert_eq!(wire.rest().await, b"");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let mut wire = Wire::connect(host.listen).await;
    let paths = [
        "/misc/sleep/50",
        "/misc/method",
        "/misc/sleep/1",
        "/nothing",
    ];
    let requests = paths.map(|path| format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n"));
    wire.send(requests.concat()).await;
    for expected in ["slept 50", "get", "slept 1"] {
        assert_eq!(wire.response().await.1, expected);
    }
    assert_eq!(wire.response().await.0.status(), 404);
}

#[tokio::test]
async fn a_connection_is_closed_when_the_client_asks() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let mut wire = Wire::connect(host.listen).await;
    wire.send("GET /misc/method HTTP/1.0\r\n\r\n").await;
    let (head, body) = wire.response().await;
    assert_eq!((head.status(), &*body), (200, "get"));
    assert_eq!(wire.rest().await, b"");
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_hurts_nobody() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    for nonsense in [
        "\x16\x03\x01\x02\x00\x01\x00",
        "GET  /\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nno\r\n\r\n",
    ] {
        let mut wire = Wire::connect(host.listen).await;
        wire.send(nonsense).await;
        let said = wire.rest().await;
        let ok = said.windows(7).any(|window| window == b" 200 OK");
        assert!(!ok, "{nonsense:?}: {:?}", String::from_utf8_lossy(&said));
        assert_eq!(host.get("/misc/method").await.ok(), "get");
    }
}

#[tokio::test]
async fn http2_shares_the_port_and_carries_many_requests_at_once() {
    let upstream = Upstream::start().await;
    let host = Host::start().await;
    host.deploy_misc_for(&upstream).await;
    let connection = Http2::connect(host.listen).await;
    let mut wire = Wire::connect(host.listen).await;
    // None of them is answered before all thirty have come this far.
    let held = format!("/misc/fetch?url={}", upstream.url("/held/30"));
    let answers = join_all((0..30).map(async |_| {
        let mut connection = connection.clone();
        let answer = connection
            .send("GET", &held, Empty::new().boxed())
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200);
        answer
            .into_body()
            .collect()
            .await
            .expect("whole")
            .to_bytes()
    }));
    for body in within("thirty answers on one connection", answers).await {
        assert_eq!(body, "hello from upstream");
    }
    wire.send("GET /misc/method HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(wire.response().await.1, "get");
}

#[tokio::test]
async fn thirty_connections_are_served_at_once() {
    let upstream = Upstream::start().await;
    let host = Host::start().await;
    host.deploy_misc_for(&upstream).await;
    let held = format!("/misc/fetch?url={}", upstream.url("/held/30"));
    for answer in join_all((0..30).map(|_| host.get(&held))).await {
        assert_eq!(answer.ok(), "hello from upstream");
    }
}

/// Many senders read no answer before all is sent, and a connection closed
/// meanwhile loses it. What nobody wants is thrown away, and the connection
/// goes on.
#[tokio::test]
async fn who_is_answered_early_may_send_the_rest() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\nrequest_body = \"1MiB\"")
        .await;
    let rest = vec![0; 32 << 20];
    let mut wire = Wire::connect(host.listen).await;
    for (path, status) in [
        ("/misc/count", 413),
        ("/nowhere", 404),
        ("/misc/sleep/0", 405),
    ] {
        wire.send(format!(
            "POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n",
            rest.len()
        ))
        .await;
        wire.send(&rest[..]).await;
        assert_eq!(wire.response().await.0.status(), status);
    }
    wire.send("GET /misc/method HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(wire.response().await.1, "get");
}

/// Nor is it lost on who was told to go on and then said too much.
#[tokio::test]
async fn who_was_told_to_go_on_may_send_the_rest() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\nrequest_body = \"1MiB\"")
        .await;
    let mut wire = Wire::connect(host.listen).await;
    wire.send(
        "POST /misc/count HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\
         expect: 100-continue\r\n\r\n",
    )
    .await;
    assert_eq!(wire.head().await.status(), 100);
    let piece = "x".repeat(1 << 20);
    for _ in 0..32 {
        wire.send_chunk(&piece).await;
    }
    wire.send_chunk("").await;
    assert_eq!(wire.response().await.0.status(), 413);
    wire.send("GET /misc/method HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(wire.response().await.1, "get");
}

/// But not for ever.
#[tokio::test]
async fn the_rest_of_a_body_is_not_waited_for_long() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\nrequest_body = \"1MiB\"")
        .await;
    let mut wire = Wire::connect(host.listen).await;
    wire.send("POST /misc/count HTTP/1.1\r\nhost: h\r\ncontent-length: 99999999\r\n\r\n")
        .await;
    assert_eq!(wire.head().await.status(), 413);
    let body = wire.rest().await;
    assert!(body.ends_with(b"}"), "the connection ends with the answer");
}

/// RFC 9110, section 9.3.2: not even where the host itself answers.
#[tokio::test]
async fn head_has_no_body_over_http2_either() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    host.deploy("documented", "").await;
    let mut connection = Http2::connect(host.listen).await;
    for (path, status) in [
        ("/nowhere", 404),
        ("/misc/panic", 502),
        ("/documented/openapi.json", 200),
        ("/documented/docs", 200),
    ] {
        let answer = connection.send("HEAD", path, Empty::new().boxed()).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
        let length = &answer.headers()["content-length"];
        assert_ne!(length, "0", "{path}");
        let body = answer.into_body().collect().await.expect("is whole");
        assert_eq!(body.to_bytes(), "", "{path}");
    }
}
