//! Bugs that were, each by its name.

use crate::harness::{Host, Wire};

/// Of a write of several lines, only the first was known to be the request's.
#[tokio::test]
async fn every_line_of_one_write_belongs_to_its_request() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    host.get("/misc/panic").await.failed(502, "guest-trap");
    let log = host.logs("misc").await;
    assert!(log.len() >= 3, "{log:#?}");
    for line in &log {
        assert!(line["request_id"].is_string(), "{line}");
    }
}

/// Of a line longer than the host keeps in one piece, the rest was lost.
#[tokio::test]
async fn a_long_line_is_split_and_nothing_of_it_lost() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    host.get("/misc/print-long/40000").await;
    let log = host.logs("misc").await;
    let lengths = log
        .iter()
        .map(|line| line["message"].as_str().expect("a text").len());
    assert_eq!(lengths.clone().sum::<usize>(), 40_000, "{lengths:?}");
}

/// The pages that a guest's stack had touched stayed with the host, for each of
/// the 4,000 stacks that it has.
#[tokio::test]
async fn a_deep_stack_leaves_no_memory_behind() {
    let host = Host::start().await;
    host.deploy("zoo", "").await;
    host.get("/zoo/recursion-in-fn")
        .await
        .failed(502, "guest-trap");
    let (before, _) = host.resident_bytes();
    for _ in 0..200 {
        host.get("/zoo/recursion-in-fn")
            .await
            .failed(502, "guest-trap");
    }
    let (after, _) = host.resident_bytes();
    let growth = after.saturating_sub(before);
    assert!(growth < 50 << 20, "{growth} bytes, 512 KiB for each stack");
}

/// Who had sent only part of a component when the host turned it away was told
/// that there is no host.
#[tokio::test]
async fn an_upload_without_a_token_is_answered_before_its_end() {
    let host = Host::start().await;
    let mut wire = Wire::connect(host.admin).await;
    let path = format!("/v1/components/{}", "0".repeat(64));
    wire.send(format!(
        "PUT {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 3000000\r\n\r\n"
    ))
    .await;
    let (head, _) = wire.response().await;
    assert_eq!(head.status(), 401);
    wire.send(vec![0; 3_000_000]).await;
    wire.send("GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert_eq!(wire.response().await.1, "ok");
}
