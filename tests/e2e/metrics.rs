//! What the host counts, and the line that it writes for each invocation.

use crate::harness::{Host, Wire, until};

#[tokio::test]
async fn every_ending_is_counted_with_its_lane() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    host.get("/misc/method").await.ok();
    host.get("/misc/compute/100").await.ok();
    host.get("/misc/panic").await.failed(502, "guest-trap");
    host.get("/nowhere").await.failed(404, "unknown-function");
    let mut leaving = Wire::connect(host.listen).await;
    leaving
        .send("GET /misc/never HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    let expected = [
        "dunlin_invocations_total{function=\"misc\",lane=\"async\",outcome=\"answered\"} 1",
        "dunlin_invocations_total{function=\"misc\",lane=\"blocking\",outcome=\"answered\"} 1",
        "dunlin_invocations_total{function=\"misc\",lane=\"async\",outcome=\"failed\"} 1",
        "dunlin_failures_total{function=\"misc\",code=\"guest-trap\"} 1",
        "dunlin_failures_total{function=\"\",code=\"unknown-function\"} 1",
        "dunlin_promotions_total{function=\"misc\"} 1",
        "dunlin_running{function=\"misc\"} 1",
    ];
    has(&host, &expected).await;
    drop(leaving);
    let expected = [
        "dunlin_invocations_total{function=\"misc\",lane=\"async\",outcome=\"cancelled\"} 1",
        "dunlin_invocation_seconds_count{function=\"misc\"} 4",
        "dunlin_running{function=\"misc\"} 0",
    ];
    has(&host, &expected).await;
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
