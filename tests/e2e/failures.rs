//! Each way to fail has its own answer, and the next request is served.

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use http::Method;

use crate::harness::{Answer, Host, Upstream, Wire, until, within};

#[tokio::test]
async fn nobody_home_is_told_in_three_ways() {
    let host = Host::start().await;
    host.get("/").await.failed(404, "unknown-function");
    host.deploy("misc", "").await;
    host.get("/").await.failed(404, "unknown-function");
    host.get("/misconduct")
        .await
        .failed(404, "unknown-function");
    host.get("/misc/nothing/here").await.failed(404, "no-route");
    let wrong = Answer::to(host.request(Method::PUT, "/misc/headers")).await;
    wrong.failed(405, "method-not-allowed");
    assert_eq!(wrong.header("allow"), "GET, HEAD");
}

#[tokio::test]
async fn a_failure_keeps_the_request_id_and_tells_the_log() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let request = host
        .request(Method::GET, "/misc/panic")
        .header("x-request-id", "mine-8");
    let failure = Answer::to(request).await;
    failure.failed(502, "guest-trap");
    assert_eq!(failure.header("x-request-id"), "mine-8");
    assert!(!failure.body.contains("own words"), "{failure:?}");
    let log = host.logs("misc").await;
    let mine = |source: &str, text: &str| {
        let found = log.iter().any(|line| {
            line["request_id"] == "mine-8"
                && line["source"] == source
                && line["message"]
                    .as_str()
                    .is_some_and(|message| message.contains(text))
        });
        assert!(found, "no {source} line with `{text}`: {log:#?}");
    };
    mine("stderr", "the guest's own words");
    mine("host", "guest-trap: ");
}

#[tokio::test]
async fn a_trap_is_a_502_and_the_next_request_is_served() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    for path in ["/misc/panic", "/misc/panic-in-fn"] {
        for _ in 0..3 {
            host.get(path).await.failed(502, "guest-trap");
            assert_eq!(host.get("/misc/method").await.ok(), "get");
        }
    }
}

#[tokio::test]
async fn out_of_memory_is_a_502_of_its_own_and_the_next_request_is_served() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\nmemory = \"16MiB\"").await;
    for _ in 0..3 {
        host.get("/misc/memory").await.failed(502, "out-of-memory");
        assert_eq!(host.get("/misc/method").await.ok(), "get");
    }
}

#[tokio::test]
async fn an_answer_that_http_cannot_carry_is_a_502() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    for path in ["/misc/bad-header", "/misc/bad-status"] {
        let answer = host.get(path).await;
        answer.failed(502, "invalid-response");
        assert_eq!(answer.header("set-cookie"), "");
        assert_eq!(host.get("/misc/method").await.ok(), "get");
    }
}

#[tokio::test]
async fn who_does_not_answer_in_time_is_cut_off() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\ndeadline = \"300ms\"").await;
    for path in [
        "/misc/never",
        "/misc/compute",
        "/misc/compute-in-fn",
        "/misc/sleep/600000",
    ] {
        host.get(path).await.failed(504, "deadline");
        assert_eq!(host.get("/misc/method").await.ok(), "get", "after {path}");
    }
    // Many at once, on both lanes.
    let paths = ["/misc/never", "/misc/compute", "/misc/compute-in-fn"].repeat(10);
    for failure in join_all(paths.iter().map(|path| host.get(path))).await {
        failure.failed(504, "deadline");
    }
    assert_eq!(host.get("/misc/method").await.ok(), "get");
}

#[tokio::test]
async fn the_deadline_holds_to_the_end_of_the_body() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\ndeadline = \"300ms\"").await;
    let mut wire = Wire::connect(host.listen).await;
    wire.send("GET /misc/never-ends HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(wire.head().await.status(), 200);
    assert_eq!(wire.chunk().await, "first ");
    // The connection ends without the chunk that says that the body is whole.
    assert_eq!(wire.rest().await, b"");
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_unread() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\nrequest_body = \"100KiB\"")
        .await;
    let mut wire = Wire::connect(host.listen).await;
    // Not one byte of the body is ever sent.
    wire.send("POST /misc/count HTTP/1.1\r\nhost: h\r\ncontent-length: 102401\r\n\r\n")
        .await;
    let (head, body) = wire.response().await;
    assert_eq!(head.status(), 413);
    assert_eq!(head.header("dunlin-error"), Some("body-too-large"));
    assert!(body.contains("100KiB"), "{body}");
    assert_eq!(
        host.post("/misc/count", vec![0; 102_400]).await.ok(),
        "102400"
    );
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_refused_when_it_does() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\nrequest_body = \"100KiB\"")
        .await;
    let pieces = |count: usize| -> reqwest::Body {
        let pieces = (0..count).map(|_| Ok::<_, std::io::Error>(vec![0; 1024]));
        reqwest::Body::wrap_stream(futures::stream::iter(pieces))
    };
    assert_eq!(host.post("/misc/count", pieces(100)).await.ok(), "102400");
    host.post("/misc/count", pieces(101))
        .await
        .failed(413, "body-too-large");
    // One that has been answered in part can only be cut off.
    let cut = host
        .request(Method::POST, "/misc/first-then-rest")
        .body(pieces(101));
    match cut.send().await {
        Ok(answer) if answer.status() == 413 => {}
        Ok(answer) => assert!(answer.bytes().await.is_err(), "the body looks whole"),
        Err(error) => assert!(error.is_request(), "{error}"),
    }
    assert_eq!(host.get("/misc/method").await.ok(), "get");
}

#[tokio::test]
async fn a_circle_of_calls_meets_its_end() {
    let host = Host::start().await;
    host.deploy("misc", &format!("[egress]\nallow = [\"{}\"]", host.listen))
        .await;
    // The innermost call fails; the function passes that on at every step.
    host.get("/misc/loop").await.failed(508, "loop-detected");
    let claim = |hops: u32| {
        host.request(Method::GET, "/misc/method")
            .header("dunlin-hops", hops)
    };
    assert_eq!(Answer::to(claim(16)).await.ok(), "get");
    Answer::to(claim(17)).await.failed(508, "loop-detected");
}

/// What an invocation leaves behind has come as far as its request.
#[tokio::test]
async fn a_circle_of_calls_after_the_answers_meets_its_end() {
    let host = Host::start().await;
    host.deploy("misc", &format!("[egress]\nallow = [\"{}\"]", host.listen))
        .await;
    assert_eq!(host.get("/misc/loop-afterwards").await.ok(), "answered");
    host.logged("misc", "came back with 508").await;
    let log = host.logs("misc").await;
    let served = log
        .iter()
        .filter(|line| line["message"] == "came back with 200 OK");
    assert_eq!(served.count(), 16);
}

/// Whether they are to blame cannot be told; asking again hurts nobody.
#[tokio::test]
async fn bystanders_of_a_trap_that_only_read_are_tried_again() {
    let upstream = Upstream::start().await;
    let host = Host::start_with(&["--workers", "1"]).await;
    host.deploy_misc_for(&upstream).await;
    let path = format!("/misc/fetch?url={}", upstream.url("/hang"));
    let bystanders = join_all((0..3).map(|_| host.get(&path)));
    let traps = async {
        upstream.hanging(3).await;
        for _ in 0..3 {
            host.get("/misc/panic").await.failed(502, "guest-trap");
        }
        upstream.let_go();
    };
    let (bystanders, ()) = futures::join!(bystanders, traps);
    for bystander in bystanders {
        assert_eq!(bystander.ok(), "hello from upstream");
    }
}

#[tokio::test]
async fn bystanders_of_a_trap_that_may_have_changed_something_are_told() {
    let upstream = Upstream::start().await;
    let host = Host::start_with(&["--workers", "1"]).await;
    host.deploy_misc_for(&upstream).await;
    let path = format!("/misc/fetch?url={}", upstream.url("/hang"));
    let mut bystanders: FuturesUnordered<_> =
        (0..3).map(|_| host.post(&path, "an order")).collect();
    tokio::select! {
        early = bystanders.next() => panic!("upstream hangs, but: {early:?}"),
        () = upstream.hanging(3) => {}
    }
    // Until it gets into their instance, rather than a new one.
    until("a trap among bystanders", async || {
        host.get("/misc/panic").await.failed(502, "guest-trap");
        (upstream.hanging_now() < 3).then_some(())
    })
    .await;
    let hit = within("a bystander's answer", bystanders.next()).await;
    hit.expect("there are three").failed(502, "guest-trap");
}
