//! Bodies are passed on while they come, no faster than they are taken, and
//! never look whole when they are not.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;

use crate::harness::{Host, Http2, Wire, piecewise, within};

const MIB: u64 = 1024 * 1024;

#[tokio::test]
async fn the_first_chunk_is_answered_before_the_last_is_sent() {
    let host = Host::start().await;
    host.deploy("echo", "").await;
    let mut wire = Wire::connect(host.listen).await;
    wire.send("POST /echo/ HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    wire.send_chunk("one").await;
    assert_eq!(wire.head().await.status(), 200);
    assert_eq!(wire.chunk().await, "one");
    wire.send_chunk("two").await;
    assert_eq!(wire.chunk().await, "two");
    wire.send("0\r\n\r\n").await;
    assert_eq!(wire.chunk().await, "");
}

#[tokio::test]
async fn so_it_is_over_http2() {
    let host = Host::start().await;
    host.deploy("echo", "").await;
    let mut connection = Http2::connect(host.listen).await;
    let (pieces, body) = piecewise();
    pieces.unbounded_send("one").expect("is taken");
    let mut answer = within("the head", connection.send("POST", "/echo/", body))
        .await
        .expect("an answer");
    let mut next = async || {
        let frame = within("a frame", answer.frame()).await?.expect("is whole");
        // The end may come as a frame of its own.
        frame.into_data().ok().filter(|data| !data.is_empty())
    };
    assert_eq!(next().await.as_deref(), Some(b"one".as_slice()));
    pieces.unbounded_send("two").expect("is taken");
    assert_eq!(next().await.as_deref(), Some(b"two".as_slice()));
    drop(pieces);
    assert_eq!(next().await, None);
}

#[tokio::test]
async fn lines_come_as_they_are_made() {
    let host = Host::start().await;
    host.deploy("echo", "").await;
    let mut wire = Wire::connect(host.listen).await;
    // The third is due after the test's patience is over.
    wire.send("GET /echo/count/3?millis=1 HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(wire.head().await.status(), 200);
    for line in ["1\n", "2\n", "3\n", ""] {
        assert_eq!(wire.chunk().await, line);
    }
}

/// How much the host may take that nobody reads: what fits into the sockets'
/// buffers, and a few chunks.
const MAX_STUCK: u64 = 64 * MIB;

/// A reader that stops reading stops the writer, through host and guest, and
/// what is on its way meanwhile costs the host no memory.
#[tokio::test]
async fn a_slow_reader_slows_the_writer_down_and_costs_no_memory() {
    const BODY: u64 = 200 * MIB;
    let host = Host::start().await;
    let settings = "[limits]\nrequest_body = \"1GiB\"\ndeadline = \"10m\"";
    for (name, path) in [
        // The first passes the host's own stream back, unread; the second copies.
        ("echo", "/echo/"),
        ("misc", "/misc/first-then-rest"),
        ("wasi-http", "/wasi-http/"),
        ("wasi-http-03", "/wasi-http-03/"),
    ] {
        host.deploy(name, settings).await;
        host.post(path, "warm").await.ok();
        let (before, _) = host.resident_bytes();

        let mut wire = Wire::connect(host.listen).await;
        wire.send(format!(
            "POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: {BODY}\r\n\r\n"
        ))
        .await;
        let (mut reader, mut writer) = wire.stream.into_split();
        let piece = vec![b'x'; MIB as usize];
        let mut sent = 0;
        // Being stuck for long is all that can tell that nobody takes any more.
        let long = Duration::from_secs(1);
        while let Ok(written) = tokio::time::timeout(long, writer.write(&piece)).await {
            sent += written.expect("the host takes it") as u64;
            assert!(
                sent < MAX_STUCK,
                "{path}: nobody reads, but the host takes and takes"
            );
        }
        let write = async {
            while sent < BODY {
                let piece = &piece[..piece.len().min((BODY - sent) as usize)];
                sent += writer.write(piece).await.expect("the host takes it") as u64;
            }
        };
        let read = async {
            let mut received = 0;
            let mut buffer = vec![0; MIB as usize];
            // The head and the chunks' sizes are some bytes more.
            while received < BODY {
                let read = reader.read(&mut buffer).await.expect("the host sends");
                assert!(read > 0, "{path}: the answer ends at {received} bytes");
                received += read as u64;
            }
        };
        within("the echo", futures::future::join(write, read)).await;
        let (_, peak) = host.resident_bytes();
        let (before, peak) = (before / MIB, peak / MIB);
        assert!(
            peak < before + MAX_STUCK / MIB,
            "{path}: from {before} to {peak} MiB"
        );
    }
}

#[tokio::test]
async fn a_producer_that_nobody_reads_stops_over_either_protocol() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\ndeadline = \"10m\"").await;
    host.get("/misc/give/100000").await.ok();
    let (before, _) = host.resident_bytes();

    let mut wire = Wire::connect(host.listen).await;
    wire.send("GET /misc/give/4000000000 HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(wire.head().await.status(), 200);
    let mut connection = Http2::connect(host.listen).await;
    let request = connection.send("GET", "/misc/give/4000000000", Empty::new().boxed());
    let answer = within("the head", request).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    host.becomes_idle().await;
    let (_, peak) = host.resident_bytes();
    assert!(
        peak < before + MAX_STUCK,
        "from {} to {} MiB",
        before / MIB,
        peak / MIB
    );
    // Gone, both end.
    drop((wire, answer));
    assert_eq!(host.get("/misc/method").await.ok(), "get");
}

#[tokio::test]
async fn large_bodies_arrive_whole_in_both_directions() {
    let host = Host::start().await;
    host.deploy("misc", "[limits]\nrequest_body = \"100MiB\"")
        .await;
    let given = host.get("/misc/give/50000000").await;
    assert_eq!(given.ok().len(), 50_000_000);
    let counted = host.post("/misc/count", vec![0; 50_000_000]).await;
    assert_eq!(counted.ok(), "50000000");
    let pieces = (0..500).map(|_| Ok::<_, std::io::Error>(vec![0; 100_000]));
    let pieces = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    assert_eq!(host.post("/misc/count", pieces).await.ok(), "50000000");
}

/// The client of each sees that the body is not whole.
#[tokio::test]
async fn a_failure_after_the_head_aborts_the_answer() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    for path in ["/misc/panic-after-head", "/misc/fail-midway"] {
        let mut wire = Wire::connect(host.listen).await;
        let head = format!("POST {path} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n");
        wire.send(head).await;
        assert_eq!(wire.head().await.status(), 200, "{path}");
        assert_eq!(wire.chunk().await, "first ", "{path}");
        wire.send_chunk("on").await;
        // No last chunk, not even an empty one.
        assert_eq!(wire.rest().await, b"", "{path}");
    }
    assert_eq!(host.get("/misc/method").await.ok(), "get");
}

#[tokio::test]
async fn over_http2_it_resets_the_stream_and_no_other() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let mut connection = Http2::connect(host.listen).await;
    for path in ["/misc/panic-after-head", "/misc/fail-midway"] {
        let (pieces, body) = piecewise();
        let sending = connection.send("POST", path, body);
        let mut answer = within("the head", sending).await.expect("an answer");
        let first = within("the first piece", answer.frame())
            .await
            .expect("one")
            .expect("whole");
        assert_eq!(
            first.into_data().expect("is data"),
            Bytes::from_static(b"first ")
        );
        pieces.unbounded_send("go on").expect("is taken");
        let end = within("the end", answer.frame())
            .await
            .expect("is no clean end");
        let error = end.expect_err("is no data");
        assert!(format!("{error:?}").contains("Reset"), "{path}: {error:?}");
    }
    let empty = Empty::new().boxed();
    let answer = connection
        .send("GET", "/misc/method", empty)
        .await
        .expect("an answer");
    assert_eq!(answer.collect().await.expect("whole").to_bytes(), "get");
}
