//! What the host counts, and the line that it writes for each invocation.

use http::Method;

use crate::harness::{Answer, Host, Wire, until};

#[tokio::test]
async fn every_ending_is_counted_with_its_lane() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    host.get("/misc/method").await.ok();
    host.get("/misc/compute/100").await.ok();
    host.get("/misc/panic").await.failed(502, "guest-trap");
    host.get("/nowhere").await.failed(404, "unknown-function");
    let mut broken = Wire::connect(host.listen).await;
    let head = "POST /misc/fail-midway HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
    broken.send(head).await;
    assert_eq!(broken.head().await.status(), 200);
    broken.send_chunk("more").await;
    broken.rest().await;
    let mut leaving = Wire::connect(host.listen).await;
    leaving
        .send("GET /misc/never HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    let expected = [
        "dunlin_invocations_total{function=\"misc\",lane=\"async\",outcome=\"answered\"} 1",
        "dunlin_invocations_total{function=\"misc\",lane=\"blocking\",outcome=\"answered\"} 1",
        "dunlin_invocations_total{function=\"misc\",lane=\"async\",outcome=\"failed\"} 2",
        "dunlin_failures_total{function=\"misc\",code=\"guest-trap\"} 1",
        "dunlin_failures_total{function=\"\",code=\"unknown-function\"} 1",
        "dunlin_promotions_total{function=\"misc\"} 1",
        "dunlin_running{function=\"misc\"} 1",
    ];
    has(&host, &expected).await;
    drop(leaving);
    let expected = [
        "dunlin_invocations_total{function=\"misc\",lane=\"async\",outcome=\"cancelled\"} 1",
        "dunlin_invocation_seconds_count{function=\"misc\"} 5",
        "dunlin_running{function=\"misc\"} 0",
    ];
    has(&host, &expected).await;
}

/// Each with its status, code and problem for the caller, its metric, and a line
/// in the log: the function's, once it is clear whose request it was.
#[tokio::test]
async fn each_failure_is_answered_counted_and_logged() {
    let host = Host::start_with(&["-v"]).await;
    let limits = "cpu = \"200ms\"\ndeadline = \"2s\"\nrequest_body = \"1KiB\"";
    host.deploy("misc", &format!("[limits]\n{limits}")).await;
    let long = format!("/{}", "x".repeat(17_000));
    let rows = [
        ("GET", "/misc/panic", 502, "guest-trap"),
        ("GET", "/misc/memory", 502, "out-of-memory"),
        ("GET", "/misc/bad-status", 502, "invalid-response"),
        ("GET", "/misc/compute-in-fn", 504, "cpu-limit"),
        ("GET", "/misc/never", 504, "deadline"),
        ("POST", "/misc/count", 413, "body-too-large"),
        ("GET", "/misc/nothing/here", 404, "no-route"),
        ("DELETE", "/misc/panic", 405, "method-not-allowed"),
        ("GET", "/nowhere", 404, "unknown-function"),
        ("GET", &long, 414, "uri-too-long"),
        ("GET", "/misc/method", 508, "loop-detected"),
    ];
    for (method, path, status, code) in rows {
        let method = Method::try_from(method).expect("is one");
        let mut request = host.request(method, path);
        if code == "body-too-large" {
            request = request.body("x".repeat(2_000));
        }
        if code == "loop-detected" {
            request = request.header("dunlin-hops", 17);
        }
        let answer = Answer::to(request).await;
        answer.failed(status, code);
        let is_functions = matches!(status, 502 | 504 | 413);
        is_told(&host, &answer, if is_functions { "misc" } else { "" }).await;
    }
    host.deploy("misc", "[limits]\nconcurrency = 1").await;
    let mut stays = Wire::connect(host.listen).await;
    stays
        .send("GET /misc/never-ends HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(stays.head().await.status(), 200);
    let answer = host.get("/misc/method").await;
    answer.failed(429, "function-overloaded");
    is_told(&host, &answer, "misc").await;
}

/// A failure of `function`, or of a request that reached none, is counted once,
/// and there is a line about it.
async fn is_told(host: &Host, failure: &Answer, function: &str) {
    let code = failure.header("dunlin-error");
    let id = failure.header("x-request-id");
    let count = format!("dunlin_failures_total{{function=\"{function}\",code=\"{code}\"}} 1");
    has(host, &[&count]).await;
    let begin = format!("{code}: ");
    if function.is_empty() {
        let said = host.said();
        let mut lines = said.lines();
        let is_about = |line: &str| line.contains(id) && line.contains(&begin);
        assert!(lines.any(is_about), "{code}: {said}");
    } else {
        let line = host.logged(function, &begin).await;
        assert_eq!(
            (&line["request_id"], &line["source"]),
            (&id.into(), &"host".into())
        );
    }
}

async fn has(host: &Host, lines: &[&str]) {
    for line in lines {
        until(line, async || {
            let metrics = host.metrics().await;
            metrics.lines().any(|it| it == *line).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn metrics_need_the_token() {
    let host = Host::start().await;
    let url = format!("http://{}/metrics", host.admin);
    let answer = reqwest::get(url).await.expect("is answered");
    assert_eq!(answer.status(), 401);
}

/// The lane that an invocation ended on is in its log line.
#[tokio::test]
async fn each_invocation_has_a_line_in_the_log() {
    let host = Host::start_with(&["-v"]).await;
    host.deploy("misc", "").await;
    host.get("/misc/method").await.ok();
    host.get("/misc/compute/100").await.ok();
    let line = |path: &'static str| {
        let host = &host;
        async move {
            until(path, async || {
                let said = host.said();
                let line = said
                    .lines()
                    .find(|line| line.contains("invocation") && line.contains(path));
                line.map(str::to_owned)
            })
            .await
        }
    };
    let stayed = line("GET /method").await;
    for part in [
        r#""lane":"async""#,
        r#""status":200"#,
        r#""outcome":"answered""#,
        r#""version":"misc@1""#,
    ] {
        assert!(stayed.contains(part), "{part}: {stayed}");
    }
    let moved = line("GET /compute/{millis}").await;
    assert!(moved.contains(r#""lane":"blocking""#), "{moved}");
}
