//! Peers that take their time, with what they send or with what they take.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::frames::{Frames, INITIAL_WINDOW_SIZE, code, frame, kind};
use crate::harness::{Health, Wire, attacked, until, within};

const MANY: usize = 100;

/// Sends a byte of `bytes` now and then, until there is something to read or the
/// connection ends.
async fn dribble(wire: &mut Wire, bytes: &mut std::str::Bytes<'_>) {
    until("the host has had enough", async || {
        let byte = bytes.next().expect("the host waits for more than that");
        let sent = wire.stream.write_all(&[byte]).await;
        let mut first = [0];
        let seen = tokio::time::timeout(Duration::ZERO, wire.stream.peek(&mut first)).await;
        (sent.is_err() || seen.is_ok()).then_some(())
    })
    .await;
}

/// A byte in time does not buy more time.
#[tokio::test]
async fn a_head_that_dribbles_is_cut_off() {
    let host = attacked("[gateway]\nheader_timeout = \"1s\"", "").await;
    let health = Health::of(&host).await;
    let field = format!("host: h\r\nx: {}", "a".repeat(100_000));
    let heads = join_all((0..MANY).map(async |_| {
        let mut wire = Wire::connect(host.listen).await;
        wire.send("GET /misc/method HTTP/1.1\r\n").await;
        dribble(&mut wire, &mut field.bytes()).await;
        assert_eq!(wire.rest().await, b"");
    }));
    let neighbour = health.is_good(&host, 16);
    futures::future::join(heads, neighbour).await;
    health.is_good(&host, 16).await;
}

/// HTTP/2 begins with these letters, and so do some methods: the host can't tell
/// yet, and waits without work.
#[tokio::test]
async fn half_a_preface_costs_no_time() {
    let host = attacked("[gateway]\nheader_timeout = \"1h\"", "").await;
    let health = Health::of(&host).await;
    let mut wires = Vec::new();
    for n in 0..MANY * 5 {
        let mut wire = Wire::connect(host.listen).await;
        wire.send(["P", "PR", "PRI"][n % 3]).await;
        wires.push(wire);
    }
    host.becomes_idle().await;
    health.is_good(&host, 32).await;
    // What was seen already is not lost.
    wires[0]
        .send("OST /misc/count HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nab")
        .await;
    assert_eq!(wires[0].response().await.1, "2");
}

#[tokio::test]
async fn a_preface_without_an_end_is_cut_off() {
    let host = attacked("[gateway]\nheader_timeout = \"1s\"", "").await;
    let health = Health::of(&host).await;
    for sent in [
        "",
        "P",
        "PRI",
        "PRI * HTTP/2.0\r\n\r\nSM",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut wire = Wire::connect(host.listen).await;
        wire.send(sent).await;
        let said = wire.rest().await;
        assert!(!said.starts_with(b"HTTP"), "{sent:?}");
    }
    health.is_good(&host, 16).await;
}

/// It is waited for before a function is called: it holds no place there.
#[tokio::test]
async fn a_small_body_that_dribbles_holds_no_place() {
    let host = attacked("", "[limits]\ndeadline = \"2s\"\nconcurrency = 1").await;
    let health = Health::of(&host).await;
    let mut wires = Vec::new();
    for _ in 0..MANY {
        let mut wire = Wire::connect(host.listen).await;
        wire.send("POST /misc/count HTTP/1.1\r\nhost: h\r\ncontent-length: 60000\r\n\r\n")
            .await;
        wires.push(wire);
    }
    health.is_good(&host, 16).await;
    let body = "a".repeat(60_000);
    join_all(wires.iter_mut().map(async |wire| {
        dribble(wire, &mut body.bytes()).await;
        let (head, _) = wire.response().await;
        assert_eq!(head.status(), 408);
        assert_eq!(head.header("dunlin-error"), Some("body-too-slow"));
        wire.rest().await;
    }))
    .await;
    health.is_good(&host, 16).await;
}

/// Only the function can tell what it needs of a body without a length; its
/// deadline ends the wait.
#[tokio::test]
async fn a_streamed_body_that_dribbles_meets_the_deadline() {
    let host = attacked("", "[limits]\ndeadline = \"2s\"").await;
    let health = Health::of(&host).await;
    let chunks = "1\r\na\r\n".repeat(10_000);
    let slow = join_all((0..MANY).map(async |_| {
        let mut wire = Wire::connect(host.listen).await;
        wire.send("POST /misc/count HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        dribble(&mut wire, &mut chunks.bytes()).await;
        let (head, _) = wire.response().await;
        assert_eq!(head.status(), 504);
        assert_eq!(head.header("dunlin-error"), Some("deadline"));
        wire.rest().await;
    }));
    futures::future::join(slow, health.is_good(&host, 64)).await;
    health.is_good(&host, 64).await;
}

/// Nothing else ends this: the deadline is far, and the connection lives.
#[tokio::test]
async fn a_reader_that_stops_is_cut_off() {
    let settings = "[gateway]\nwrite_timeout = \"1s\"";
    let host = attacked(settings, "[limits]\ndeadline = \"10m\"\nconcurrency = 2").await;
    let health = Health::of(&host).await;
    let mut wire = Wire::connect_slow(host.listen).await;
    wire.send("GET /misc/give/4000000000 HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(wire.head().await.status(), 200);
    health.is_good(&host, 32).await;
    wire.was_reset().await;
    // Its invocation is over, too: both places are free again.
    until("two can be served at once", async || {
        let (one, two) = (host.get("/misc/sleep/50"), host.get("/misc/sleep/50"));
        let (one, two) = futures::future::join(one, two).await;
        (one.status == 200 && two.status == 200).then_some(())
    })
    .await;
    health.is_good(&host, 32).await;
}

/// Taking a little is enough, for as long as it takes.
#[tokio::test]
async fn a_reader_that_is_slow_is_served() {
    const BODY: usize = 4_000_000;
    let settings = "[gateway]\nwrite_timeout = \"2s\"";
    let host = attacked(settings, "[limits]\ndeadline = \"10m\"").await;
    let mut wire = Wire::connect_slow(host.listen).await;
    wire.send(format!("GET /misc/give/{BODY} HTTP/1.1\r\nhost: h\r\n\r\n"))
        .await;
    assert_eq!(wire.head().await.status(), 200);
    let mut piece = vec![0; BODY / 200];
    let mut received = 0;
    // Some 4 s, twice as long as a reader may stop.
    until("the body is there", async || {
        received += wire.stream.read(&mut piece).await.expect("is not cut off");
        (received >= BODY).then_some(())
    })
    .await;
}

/// The same in one stream of many: that one is reset, and the others go on.
#[tokio::test]
async fn a_stream_whose_reader_stops_is_reset_alone() {
    let settings = "[gateway]\nwrite_timeout = \"1s\"";
    let host = attacked(settings, "[limits]\ndeadline = \"10m\"").await;
    let health = Health::of(&host).await;
    let mut frames = Frames::connect(host.listen, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    // One that the function streams, and one that it has given whole.
    for (stream, path) in [(1, "/misc/give/4000000000"), (3, "/misc/method")] {
        frames.get(stream, path).await;
        assert_eq!(frames.next_of(kind::HEADERS, stream).await.status(), 200);
        let reset = frames.next_of(kind::RST_STREAM, stream).await;
        assert_eq!(reset.code(), code::CANCEL);
    }
    frames.get(5, "/misc/method").await;
    frames
        .send(kind::WINDOW_UPDATE, 0, 5, &100_u32.to_be_bytes())
        .await;
    assert_eq!(frames.next_of(kind::HEADERS, 5).await.status(), 200);
    assert_eq!(frames.next_of(kind::DATA, 5).await.payload, b"get");

    // One that hyper has got whole, and for which nobody makes room.
    let path = format!("/misc/target/{}", "x".repeat(2000));
    let mut frames = Frames::connect(host.listen, &[(INITIAL_WINDOW_SIZE, 1)]).await;
    frames.get(1, &path).await;
    assert_eq!(frames.next_of(kind::HEADERS, 1).await.status(), 200);
    let reset = frames.next_of(kind::RST_STREAM, 1).await;
    assert_eq!(reset.code(), code::CANCEL);
    health.is_good(&host, 16).await;
}

/// What the host owes a peer that does not read is bounded, and so is how long.
#[tokio::test]
async fn answers_to_frames_that_nobody_reads_do_not_pile_up() {
    let host = attacked("[gateway]\nwrite_timeout = \"1s\"", "").await;
    let health = Health::of(&host).await;
    let pings = frame(kind::PING, 0, 0, b"unheard!").repeat(10_000);
    let settings = frame(kind::SETTINGS, 0, 0, &[]).repeat(10_000);
    for flood in [pings, settings] {
        let mut frames = Frames::connect(host.listen, &[]).await;
        // 1 GiB and more, if the host took them.
        assert!(frames.flood(&flood, 10_000).await, "the host takes it all");
        health.is_good(&host, 16).await;
    }
}

/// Whole answers wait in memory for those that take them; those that nobody takes
/// give way to others.
#[tokio::test]
async fn whole_answers_that_nobody_reads_leave_room_for_others() {
    // Four times an instance's memory.
    const ROOM: u32 = 64;
    const LENGTH: usize = 1024 * 1024;
    let path = format!("/misc/whole/{LENGTH}");
    let settings = "[gateway]\nwrite_timeout = \"1h\"";
    let host = attacked(settings, "[limits]\nmemory = \"16MiB\"").await;
    let health = Health::of(&host).await;
    let mut frames = Frames::connect(host.listen, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    let (mut answered, mut reset) = (0, 0);
    while answered < 2 * ROOM || reset < ROOM {
        let stream = 2 * answered + 1;
        if answered < 2 * ROOM {
            frames.get(stream, &path).await;
        }
        loop {
            let frame = within("a frame", frames.next()).await.expect("one");
            if frame.kind == kind::HEADERS {
                assert_eq!((frame.stream, frame.status()), (stream, 200));
                answered += 1;
                break;
            }
            if frame.kind == kind::RST_STREAM {
                assert_eq!(frame.code(), code::CANCEL);
                reset += 1;
                if answered == 2 * ROOM {
                    break;
                }
            }
        }
    }

    host.logged("misc", "nobody takes it").await;

    // Over HTTP/1.1 it is the connection that goes.
    let mut wires = Vec::new();
    for _ in 0..ROOM {
        let mut wire = Wire::connect(host.listen).await;
        wire.send("GET /misc/whole/8000000 HTTP/1.1\r\nhost: h\r\n\r\n")
            .await;
        let mut status = [0; 12];
        let read = within("a status", wire.stream.read_exact(&mut status)).await;
        read.expect("one");
        assert_eq!(status, *b"HTTP/1.1 200");
        wires.push(wire);
    }
    for _ in 0..8 {
        let answer = host.get(&path).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, LENGTH));
    }
    health.is_good(&host, 192).await;
    drop(wires);
}

/// All the streams that a connection may have, each with more to send than
/// anybody takes, though every window is as wide as it can be.
#[tokio::test]
async fn answers_that_nobody_reads_are_bounded() {
    const WIDEST: u32 = (1 << 31) - 1;
    let settings = "[gateway]\nwrite_timeout = \"1h\"";
    let host = attacked(settings, "[limits]\ndeadline = \"10m\"").await;
    let health = Health::of(&host).await;
    let mut frames = Frames::connect(host.listen, &[(INITIAL_WINDOW_SIZE, WIDEST)]).await;
    let wider = WIDEST - 65_535;
    frames
        .send(kind::WINDOW_UPDATE, 0, 0, &wider.to_be_bytes())
        .await;
    for n in 0..256 {
        frames.get(2 * n + 1, "/misc/give/100000000").await;
    }
    host.becomes_idle().await;
    health.is_good(&host, 128).await;
    // All are being answered.
    let mut begun = 0;
    while begun < 256 {
        let frame = within("a frame", frames.next()).await.expect("one");
        begun += u32::from(frame.kind == kind::HEADERS);
    }
}
