//! Functions share the host: one function's flood leaves the others their part,
//! and what there is no room for is refused before a guest has seen it.

use futures::future::join_all;
use tempfile::NamedTempFile;

use crate::harness::{Host, Wire, until};

/// Requests that compute without end, and that nobody waits for yet.
async fn flood(host: &Host, path: &str, count: usize) -> Vec<Wire> {
    let wires = join_all((0..count).map(|_| Wire::connect(host.listen))).await;
    let mut sent = Vec::new();
    for mut wire in wires {
        wire.send(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n"))
            .await;
        sent.push(wire);
    }
    let begun = host.cpu_ticks() + 20;
    until("the guests compute", async || {
        (host.cpu_ticks() > begun).then_some(())
    })
    .await;
    sent
}

const ENDLESS: &str = "[limits]\ncpu = \"10m\"\ndeadline = \"10m\"";

#[tokio::test]
async fn a_flood_of_one_function_leaves_the_threads_to_another() {
    let host = Host::start().await;
    host.deploy("misc", ENDLESS).await;
    host.deploy("primes", "").await;
    // More than may start at once: the rest waits, and must not stand before
    // the other function's requests.
    let flood = flood(&host, "/misc/compute-in-fn", 100).await;
    until("the flood waits for its start", async || {
        let metrics = host.metrics().await;
        let waiting = metrics
            .lines()
            .find_map(|line| line.strip_prefix("dunlin_waiting "))?;
        (waiting != "0").then_some(())
    })
    .await;
    let primes = join_all((0..20).map(|_| host.get("/primes/100000"))).await;
    for answer in primes {
        assert_eq!(answer.ok(), r#"{"n":100000,"count":9592}"#);
    }
    drop(flood);
    host.becomes_idle().await;
}

#[tokio::test]
async fn long_ones_do_not_keep_a_short_one_of_the_same_function_waiting() {
    let host = Host::start_with(&["--blocking-threads", "1"]).await;
    host.deploy("misc", ENDLESS).await;
    let long = flood(&host, "/misc/compute-in-fn", 8).await;
    // Declared async, it comes to the same lane as soon as it is learned.
    for _ in 0..5 {
        assert_eq!(host.get("/misc/compute/20").await.ok(), "done");
    }
    drop(long);
}

#[tokio::test]
async fn what_cannot_start_in_time_is_refused_and_no_guest_has_seen_it() {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), "[host]\nmax_wait = \"300ms\"").expect("can be written");
    let config = file.path().to_str().expect("is UTF-8");
    let host = Host::start_with(&["--config", config, "--blocking-threads", "1"]).await;
    host.deploy("misc", ENDLESS).await;
    let flood = flood(&host, "/misc/compute-in-fn", 16).await;
    let refused = host.get("/misc/print-in-fn/hello").await;
    refused.failed(503, "host-overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    // The async lane is not concerned.
    assert_eq!(host.get("/misc/method").await.ok(), "get");
    drop(flood);
    until("there is room again", async || {
        (host.get("/misc/print-in-fn/again").await.status == 200).then_some(())
    })
    .await;
    let said: Vec<_> = host.logs("misc").await;
    let has_said = |word: &str| said.iter().any(|line| line["message"] == word);
    assert!(has_said("again") && !has_said("hello"), "{said:?}");
}
