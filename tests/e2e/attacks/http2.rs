//! Floods over HTTP/2: streams, resets, header blocks, frames without use.

use crate::harness::frames::{
    END_HEADERS, END_STREAM, Frames, INITIAL_WINDOW_SIZE, block, code, frame, kind, request, string,
};
use crate::harness::{Health, attacked};

const HEADERS_END: u8 = END_STREAM | END_HEADERS;

/// A request that waits for its body, as frames.
fn open(stream: u32) -> Vec<u8> {
    let block = block(&request("POST", "/misc/count"));
    frame(kind::HEADERS, END_HEADERS, stream, &block)
}

fn reset(stream: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &code::CANCEL.to_be_bytes())
}

fn odd(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|n| 2 * n + 1)
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    let mut frames = Frames::connect(host.listen, &[]).await;
    frames.settle().await;
    frames
        .send_all(&odd(256).map(open).collect::<Vec<_>>())
        .await;
    frames.settle().await;
    frames.send_all(&[open(513), open(515)]).await;
    for stream in [513, 515] {
        let refused = frames.next_of(kind::RST_STREAM, stream).await;
        assert_eq!(refused.code(), code::REFUSED_STREAM);
    }
    // The others are as good as before.
    frames.send(kind::DATA, END_STREAM, 511, b"abc").await;
    assert_eq!(frames.next_of(kind::DATA, 511).await.payload, b"3");
    health.is_good(&host, 64).await;
}

/// CVE-2023-44487, before the host has looked at the streams.
#[tokio::test]
async fn a_burst_of_resets_ends_the_connection() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    let mut frames = Frames::connect(host.listen, &[]).await;
    let pairs = odd(10_000).map(|stream| [open(stream), reset(stream)].concat());
    let flood = pairs.collect::<Vec<_>>().concat();
    frames.flood(&flood, 1).await;
    assert_eq!(frames.goaway().await, Some(code::ENHANCE_YOUR_CALM));
    health.is_good(&host, 32).await;
}

/// The same, when each of them has reached its function.
#[tokio::test]
async fn so_do_resets_that_take_their_time() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    let mut frames = Frames::connect(host.listen, &[]).await;
    let mut taken_back = 0;
    for stream in odd(1_000) {
        frames.send_all(&[open(stream)]).await;
        frames.send(kind::PING, 0, 0, b"one more").await;
        frames.send_all(&[reset(stream)]).await;
        let answered = loop {
            match frames.next().await {
                Some(frame) if frame.kind == kind::PING => break true,
                Some(_) => {}
                None => break false,
            }
        };
        if !answered {
            break;
        }
        taken_back += 1;
    }
    assert!((128..256).contains(&taken_back), "{taken_back}");
    health.is_good(&host, 64).await;
}

/// Whoever takes back some of many, as a proxy does, is not cut off.
#[tokio::test]
async fn a_few_resets_among_many_requests_are_no_attack() {
    let host = attacked("", "").await;
    let mut frames = Frames::connect(host.listen, &[]).await;
    for stream in odd(600) {
        if stream % 6 == 1 {
            frames.send_all(&[open(stream)]).await;
            frames.settle().await;
            frames.send_all(&[reset(stream)]).await;
        } else {
            frames.get(stream, "/misc/method").await;
            assert_eq!(frames.next_of(kind::DATA, stream).await.payload, b"get");
        }
    }
}

#[tokio::test]
async fn resets_that_the_host_must_send_are_counted_too() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    let mut frames = Frames::connect(host.listen, &[]).await;
    // A field of HTTP/1.1 is an error of the stream.
    let malformed = [
        &request("GET", "/misc/method")[..],
        &[("connection", "close")],
    ];
    let malformed = block(&malformed.concat());
    let wrong = |stream| frame(kind::HEADERS, HEADERS_END, stream, &malformed);
    let flood = odd(1_000).map(wrong).collect::<Vec<_>>().concat();
    frames.flood(&flood, 1).await;
    assert_eq!(frames.goaway().await, Some(code::ENHANCE_YOUR_CALM));
    health.is_good(&host, 64).await;
}

/// CVE-2024-27316: a head without an end.
#[tokio::test]
async fn endless_continuations_end_the_connection() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    for piece in [block(&[("x", "a")]), Vec::new()] {
        let mut frames = Frames::connect(host.listen, &[]).await;
        let block = block(&request("GET", "/misc/method"));
        frames.send(kind::HEADERS, END_STREAM, 1, &block).await;
        let flood = frame(kind::CONTINUATION, 0, 1, &piece).repeat(1_000);
        frames.flood(&flood, 1_000).await;
        assert_eq!(frames.goaway().await, Some(code::ENHANCE_YOUR_CALM));
        health.is_good(&host, 16).await;
    }
}

/// A field of 4,000 bytes that is remembered once and then named by one byte a
/// time: 16 KB that become 48 MB.
#[tokio::test]
async fn a_header_bomb_is_refused() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    let mut frames = Frames::connect(host.listen, &[]).await;
    let mut bomb = block(&request("GET", "/misc/method"));
    bomb.push(0x40); // To be remembered: RFC 7541, section 6.2.1.
    string(&mut bomb, "x");
    string(&mut bomb, &"a".repeat(4_000));
    let first = bomb.len();
    bomb.resize(16_000, 0x80 | 62); // The youngest entry: section 6.1.
    // 44 KB are allowed, 84 KB are not, and what is more is no mistake.
    for (stream, times, status) in [(1, 10, 200), (3, 20, 431)] {
        let block = &bomb[..first + times];
        frames.send(kind::HEADERS, HEADERS_END, stream, block).await;
        let head = frames.next_of(kind::HEADERS, stream).await;
        assert_eq!(head.status(), status);
    }
    frames.send(kind::HEADERS, HEADERS_END, 5, &bomb).await;
    assert_eq!(frames.goaway().await, Some(code::ENHANCE_YOUR_CALM));
    health.is_good(&host, 16).await;
}

/// Functions that can't pass on what they read stop reading. Then bodies stop at
/// the connection's window; more than the window is an error.
#[tokio::test]
async fn bodies_that_nobody_takes_are_bounded() {
    const PIECE: [u8; 16 * 1024] = [0; 16 * 1024];
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    let mut frames = Frames::connect(host.listen, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    // The window has its size from now on.
    frames.settle().await;
    for stream in odd(256) {
        frames.post(stream, "/misc/first-then-rest").await;
    }
    // 12 MiB in all, and on each stream less than its own window.
    for _ in 0..3 {
        for stream in odd(256) {
            frames.send(kind::DATA, 0, stream, &PIECE).await;
        }
    }
    let code = frames.goaway().await;
    assert_eq!(code, Some(code::FLOW_CONTROL_ERROR));
    health.is_good(&host, 64).await;
}

#[tokio::test]
async fn frames_without_data_end_the_connection() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    let mut frames = Frames::connect(host.listen, &[]).await;
    frames.post(1, "/misc/count").await;
    let flood = frame(kind::DATA, 0, 1, &[]).repeat(1_000);
    frames.flood(&flood, 1_000).await;
    assert_eq!(frames.goaway().await, Some(code::ENHANCE_YOUR_CALM));
    health.is_good(&host, 16).await;
}

/// RFC 9113, sections 8.1.1, 8.2 and 8.3: such a request is reset, and no
/// function sees it.
#[tokio::test]
async fn a_malformed_request_is_reset() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    let mut frames = Frames::connect(host.listen, &[]).await;
    let valid = request("GET", "/misc/method");
    let wrong: [&[(&str, &str)]; 6] = [
        &[("transfer-encoding", "chunked")],
        &[("connection", "close")],
        &[("upgrade", "h2c")],
        &[("te", "gzip")],
        &[(":path", "/misc/panic")],
        &[("content-length", "3")],
    ];
    let mut stream = 1;
    for fields in wrong {
        let block = block(&[&valid[..], fields].concat());
        frames
            .send(kind::HEADERS, HEADERS_END, stream, &block)
            .await;
        let reset = frames.next_of(kind::RST_STREAM, stream).await;
        assert_eq!(reset.code(), code::PROTOCOL_ERROR, "{fields:?}");
        stream += 2;
    }
    for fields in [&valid[1..], &valid[..3]] {
        frames
            .send(kind::HEADERS, HEADERS_END, stream, &block(fields))
            .await;
        let reset = frames.next_of(kind::RST_STREAM, stream).await;
        assert_eq!(reset.code(), code::PROTOCOL_ERROR, "{fields:?}");
        stream += 2;
    }
    // These end the connection: no field has such a name.
    for name in ["X-Upper", ":unknown", "a b"] {
        let mut frames = Frames::connect(host.listen, &[]).await;
        let block = block(&[&valid[..], &[(name, "a")]].concat());
        frames.send(kind::HEADERS, HEADERS_END, 1, &block).await;
        assert_eq!(frames.goaway().await, Some(code::PROTOCOL_ERROR), "{name}");
    }
    let other_host = [&valid[..], &[("host", "other")]].concat();
    frames
        .send(kind::HEADERS, HEADERS_END, stream, &block(&other_host))
        .await;
    assert_eq!(frames.next_of(kind::HEADERS, stream).await.status(), 400);
    health.is_good(&host, 16).await;
}

/// More or less data than was told.
#[tokio::test]
async fn a_body_is_as_long_as_it_says() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    let mut frames = Frames::connect(host.listen, &[]).await;
    let mut fields = request("POST", "/misc/count").to_vec();
    fields.push(("content-length", "3"));
    for (stream, body) in [(1, "ab"), (3, "abcd")] {
        frames
            .send(kind::HEADERS, END_HEADERS, stream, &block(&fields))
            .await;
        frames
            .send(kind::DATA, END_STREAM, stream, body.as_bytes())
            .await;
        let reset = frames.next_of(kind::RST_STREAM, stream).await;
        assert_eq!(reset.code(), code::PROTOCOL_ERROR, "{body}");
    }
    health.is_good(&host, 16).await;
}
