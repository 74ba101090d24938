//! The host's own configuration: it clamps what functions ask for, and sizes
//! the host. (Files that are refused are tested in `host/tests/cli.rs`.)

use http::Method;
use tempfile::NamedTempFile;

use crate::harness::{Host, Upstream, Wire, until, within};

/// A host with this configuration.
async fn configured(text: &str) -> Host {
    let file = written(text);
    // Read once, at the start.
    Host::start_with(&["--config", path(&file)]).await
}

fn written(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("can be written");
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("is UTF-8")
}

/// A request that stays: its head is answered, its body never ends.
async fn stay(host: &Host, function: &str) -> Wire {
    let mut wire = Wire::connect(host.listen).await;
    wire.send(format!(
        "GET /{function}/never-ends HTTP/1.1\r\nhost: h\r\n\r\n"
    ))
    .await;
    assert_eq!(wire.head().await.status(), 200);
    wire
}

#[tokio::test]
async fn memory_is_clamped_for_as_long_as_the_host_says_so() {
    let host = configured("[limits]\nmemory = \"16MiB\"").await;
    let manifest = "[limits]\nmemory = \"256MiB\"";
    let deployed = host.try_deploy("misc", manifest).await.succeeded();
    let warning = "`limits.memory`: dunlin.toml asks for 256MiB; the host allows 16MiB";
    assert!(deployed.stderr.contains(warning), "{deployed:#?}");
    assert_eq!(host.get("/misc/allocate/4").await.ok(), "4");
    host.get("/misc/allocate/32")
        .await
        .failed(502, "out-of-memory");

    // The manifest is kept as it was written.
    let data_dir = host.stop().await;
    let host = Host::start_on(data_dir, &[]).await;
    assert_eq!(host.get("/misc/allocate/32").await.ok(), "32");
    assert!(!host.said().contains("limits.memory"), "{}", host.said());

    // Less than it takes to start.
    let data_dir = host.stop().await;
    let file = written("[limits]\nmemory = \"512KiB\"");
    let host = Host::start_on(data_dir, &["--config", path(&file)]).await;
    assert!(
        host.said().contains("the host allows 512KiB"),
        "{}",
        host.said()
    );
    host.get("/misc/method").await.failed(502, "out-of-memory");
}

#[tokio::test]
async fn every_other_limit_is_clamped_too() {
    let upstream = Upstream::start().await;
    let host = configured(
        "[limits]\ncpu = \"200ms\"\nrequest_body = \"1KiB\"\noutgoing_requests = 0\n\
         concurrency = 1\nlog_output = \"10B\"",
    )
    .await;
    let manifest = format!(
        "[limits]\ncpu = \"20s\"\nrequest_body = \"1MiB\"\noutgoing_requests = 5\n\
         concurrency = 2000\n[egress]\nallow = [\"{}\"]",
        upstream.address
    );
    let deployed = host.try_deploy("misc", &manifest).await.succeeded();
    // The log's limit was the default, which is nobody's wish.
    assert_eq!(
        deployed.stderr.matches("the host allows").count(),
        4,
        "{deployed:#?}"
    );

    host.get("/misc/compute").await.failed(504, "cpu-limit");
    assert_eq!(host.post("/misc/count", vec![0; 1024]).await.ok(), "1024");
    host.post("/misc/count", vec![0; 1025])
        .await
        .failed(413, "body-too-large");
    let fetch = format!("/misc/fetch?url={}", upstream.url("/"));
    let fetched = host.get(&fetch).await;
    assert_eq!(fetched.status, 500, "{fetched:?}");
    assert!(fetched.body.contains("outgoing requests"), "{fetched:?}");
    host.get("/misc/print-long/100").await;
    let log = host.logs("misc").await;
    let cut = log.iter().any(|line| {
        line["message"]
            .as_str()
            .is_some_and(|it| it.contains("`limits.log_output` is 10 bytes"))
    });
    assert!(cut, "{log:#?}");
    let stays = stay(&host, "misc").await;
    host.get("/misc/method")
        .await
        .failed(429, "function-overloaded");
    drop(stays);
}

/// One that no clock can hold ended the connection without an answer.
#[tokio::test]
async fn a_deadline_beyond_all_clocks_is_clamped() {
    let host = configured("[limits]\ndeadline = \"300ms\"").await;
    host.deploy("misc", "[limits]\ndeadline = \"300000000000y\"")
        .await;
    host.get("/misc/never").await.failed(504, "deadline");
    // A host that sets nothing has a maximum, too.
    let host = Host::start().await;
    host.deploy("misc", "[limits]\ndeadline = \"300000000000y\"")
        .await;
    assert_eq!(host.get("/misc/method").await.ok(), "get");
}

#[tokio::test]
async fn a_host_that_is_full_says_so_and_starts_nothing() {
    let host = configured("[host]\nmax_invocations = 1\nmax_waiting = 0").await;
    host.deploy("misc", "").await;
    host.deploy("hello", "").await;
    let stays = stay(&host, "misc").await;
    for path in ["/misc/print/refused", "/hello/"] {
        let refused = host.get(path).await;
        refused.failed(503, "host-overloaded");
        assert_eq!(refused.header("retry-after"), "1");
    }
    let log = host.logs("misc").await;
    let said = |text: &str| {
        let mut lines = log.iter().filter_map(|line| line["message"].as_str());
        lines.any(|message| message.contains(text))
    };
    assert!(said("host-overloaded"), "{log:#?}");
    let counted = "dunlin_failures_total{function=\"misc\",code=\"host-overloaded\"} 1\n";
    let metrics = host.metrics().await;
    assert!(metrics.contains(counted), "{metrics}");
    assert!(!said("refused"), "the guest ran: {log:#?}");

    drop(stays);
    until("there is room again", async || {
        (host.get("/misc/print/served").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn as_many_wait_as_may() {
    let host = configured("[host]\nmax_invocations = 1\nmax_waiting = 1\nmax_wait = \"1h\"").await;
    host.deploy("misc", "").await;
    let stays = stay(&host, "misc").await;
    let get = || Box::pin(host.get("/misc/method"));
    let first = futures::future::select(get(), get());
    let (refused, waiting) = within("one that is refused", first).await.factor_first();
    refused.failed(503, "host-overloaded");
    drop(stays);
    assert_eq!(waiting.await.ok(), "get");
}

#[tokio::test]
async fn nobody_waits_longer_than_they_may() {
    let host = configured("[host]\nmax_invocations = 1\nmax_wait = \"100ms\"").await;
    host.deploy("misc", "").await;
    let stays = stay(&host, "misc").await;
    host.get("/misc/method")
        .await
        .failed(503, "host-overloaded");
    drop(stays);
}

#[tokio::test]
async fn instances_of_their_own_have_a_limit_of_their_own() {
    let host = configured("[host]\nmax_exclusive = 1\nmax_waiting = 0").await;
    host.deploy("misc", "isolation = \"serial\"").await;
    host.deploy("hello", "").await;
    let stays = stay(&host, "misc").await;
    host.get("/misc/method")
        .await
        .failed(503, "host-overloaded");
    assert_eq!(host.get("/hello/").await.ok(), "Hello from Dunlin!");
    drop(stays);
}

#[tokio::test]
async fn without_room_for_an_instance_the_host_is_full() {
    let host = configured("[host]\ninstances = 1").await;
    host.deploy("misc", "").await;
    host.deploy("hello", "").await;
    let stays = stay(&host, "misc").await;
    host.get("/hello/").await.failed(503, "host-overloaded");
    drop(stays);
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_is_not_waited_for() {
    let host = configured("[gateway]\nheader_timeout = \"200ms\"").await;
    host.deploy("hello", "").await;
    let mut slow = Wire::connect(host.listen).await;
    slow.send("GET /hello/ HTTP/1.1\r\nhost:").await;
    assert_eq!(slow.rest().await, b"");
    let answer = host.request(Method::GET, "/hello/").send().await;
    assert_eq!(answer.expect("an answer").status(), 200);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let host = configured("[gateway]\nmax_connections = 1").await;
    host.deploy("hello", "").await;
    let request = "GET /hello/ HTTP/1.1\r\nhost: h\r\n\r\n";
    let mut first = Wire::connect(host.listen).await;
    first.send(request).await;
    assert_eq!(first.response().await.0.status(), 200);
    let mut second = Wire::connect(host.listen).await;
    second.send(request).await;
    // The first is still served, the second not yet.
    first.send(request).await;
    assert_eq!(first.response().await.0.status(), 200);
    let mut byte = [0];
    let early = second.stream.try_read(&mut byte);
    assert!(early.is_err(), "{early:?}");
    drop(first);
    assert_eq!(second.response().await.0.status(), 200);
}
