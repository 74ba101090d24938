//! Messages that two servers in a row may read differently, and oversized ones:
//! refused, and what comes after them on the connection is no request.

use crate::harness::{Answer, Health, Host, Wire, attacked};

/// Would be answered with a 502.
const SMUGGLED: &str = "GET /misc/panic HTTP/1.1\r\nhost: h\r\n\r\n";

/// Sends the bytes and a request after them; returns the statuses of all
/// answers. The connection must end.
async fn statuses(host: &Host, message: &str) -> Vec<u16> {
    let (statuses, _) = answers(host, message).await;
    statuses
}

/// The same, with all the bytes of the answers.
async fn answers(host: &Host, message: &str) -> (Vec<u16>, String) {
    let mut wire = Wire::connect(host.listen).await;
    // The host may close before it has read all.
    let bytes = format!("{message}{SMUGGLED}");
    let _ = tokio::io::AsyncWriteExt::write_all(&mut wire.stream, bytes.as_bytes()).await;
    let said = String::from_utf8_lossy(&wire.rest().await).into_owned();
    let heads = said.split("HTTP/1.1 ").skip(1);
    let statuses = heads.map(|head| head[..3].parse().expect("is a status"));
    (statuses.collect(), said)
}

fn get(fields: &str) -> String {
    format!("GET /misc/method HTTP/1.1\r\nhost: h\r\n{fields}\r\n")
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /misc/count HTTP/1.1\r\nhost: h\r\n{fields}\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("transfer-encoding: chunked\r\n", body)
}

/// RFC 9112, section 6: the length of a body is one number, or its chunks. Where
/// both are told the chunks count, and the connection must end.
#[tokio::test]
async fn a_body_has_one_length() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    let both = "content-length: 5\r\ntransfer-encoding: chunked\r\n";
    let both_turned = "transfer-encoding: chunked\r\ncontent-length: 5\r\n";
    for fields in [both, both_turned] {
        let (statuses, said) = answers(&host, &post(fields, "0\r\n\r\n")).await;
        assert_eq!(statuses, [200], "{said}");
        assert!(said.ends_with("\r\n\r\n0"), "the chunks count: {said}");
    }
    for length in [
        "+5",
        "-5",
        "5, 5",
        "5, 6",
        "5\r\ncontent-length: 6",
        "0x5",
        "5 5",
        "18446744073709551616",
        "",
    ] {
        let message = post(&format!("content-length: {length}\r\n"), "abcde");
        assert_eq!(statuses(&host, &message).await, [400], "{length:?}");
    }
    // RFC 9110, section 8.6: the same length twice may be read as one.
    let twice = "content-length: 3\r\ncontent-length: 3\r\nconnection: close\r\n";
    assert_eq!(statuses(&host, &post(twice, "abc")).await, [200]);
    health.is_good(&host, 16).await;
}

/// RFC 9112, section 6.1: `chunked` comes last and once. What else a coding is,
/// the host does not know.
#[tokio::test]
async fn a_transfer_coding_is_chunked_or_nothing() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    for (codings, status) in [
        ("identity", 400),
        ("xchunked", 400),
        ("chunked, gzip", 400),
        ("\"chunked\"", 400),
        ("chunked, chunked", 501),
        ("chunked\r\ntransfer-encoding: chunked", 501),
        ("gzip, chunked", 501),
    ] {
        let message = post(&format!("transfer-encoding: {codings}\r\n"), "0\r\n\r\n");
        let (statuses, said) = answers(&host, &message).await;
        assert_eq!(statuses, [status], "{codings:?}: {said}");
        let told = said.contains("dunlin-error: not-implemented");
        assert_eq!(told, status == 501, "{said}");
    }
    let old = "POST /misc/count HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(statuses(&host, old).await, [400]);
    health.is_good(&host, 16).await;
}

/// RFC 9112, section 7.1: whatever the function made of the part that it saw.
#[tokio::test]
async fn a_broken_chunk_breaks_the_request() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    let long = "a".repeat(20_000);
    let fields: String = (0..200).map(|n| format!("x{n}: a\r\n")).collect();
    for body in [
        "1\na\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1;a\nb\r\na\r\n0\r\n\r\n",
        "0x1\r\na\r\n0\r\n\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "fffffffffffffffff\r\na\r\n0\r\n\r\n",
        &format!("1;{long}\r\na\r\n0\r\n\r\n"),
        &format!("0\r\nx: {long}\r\n\r\n"),
        &format!("0\r\n{fields}\r\n"),
    ] {
        let (statuses, said) = answers(&host, &chunked(body)).await;
        assert_eq!(statuses, [400], "{:.40?}: {said}", body);
        assert!(said.contains("dunlin-error: body-broken"), "{said}");
    }
    health.is_good(&host, 16).await;
}

/// A chunk's size that goes on for ever takes no memory, and the request's time
/// is bounded as any other's.
#[tokio::test]
async fn an_endless_chunk_size_meets_the_deadline() {
    let host = attacked("", "[limits]\ndeadline = \"1s\"").await;
    let health = Health::of(&host).await;
    for endless in ["0", " "] {
        let mut wire = Wire::connect(host.listen).await;
        wire.send(chunked("0")).await;
        wire.send(endless.repeat(1024 * 1024)).await;
        health.is_good(&host, 16).await;
        let (head, _) = wire.response().await;
        assert_eq!(head.status(), 504);
        assert_eq!(head.header("dunlin-error"), Some("deadline"));
        wire.rest().await;
    }
}

/// RFC 9112, sections 2.2, 3 and 5.
#[tokio::test]
async fn a_head_is_what_the_grammar_says() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    for message in [
        get("x: a\r\n b\r\n"),
        get("x: a\rb\r\n"),
        get("x: a\0b\r\n"),
        get("x : a\r\n"),
        get(" x: a\r\n"),
        get("x\r\n"),
        get("content-length : 5\r\n"),
        "GET /misc/method\r\n\r\n".to_owned(),
        "GET /misc/method HTTP/1.2\r\nhost: h\r\n\r\n".to_owned(),
        "GET  /misc/method HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(),
        "GET /misc/me thod HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(),
    ] {
        let (statuses, said) = answers(&host, &message).await;
        assert_eq!(statuses, [400], "{message:?}");
        // hyper's own answer: a status, and the end.
        assert!(!said.contains("dunlin-error"), "{said}");
    }
    // A line may end with a bare LF, which section 2.2 allows: it ends the line
    // for the host whoever has passed it on.
    let bare = "GET /misc/method HTTP/1.1\nhost: h\nconnection: close\n\n";
    assert_eq!(statuses(&host, bare).await, [200]);
    health.is_good(&host, 16).await;
}

/// RFC 9112, section 3.2: two hosts are two functions.
#[tokio::test]
async fn a_request_names_one_host() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    for fields in [
        "",
        "host: h\r\nhost: h\r\n",
        "host: a b\r\n",
        "host: a@h\r\n",
    ] {
        let message = format!("GET /misc/method HTTP/1.1\r\n{fields}\r\n");
        let (statuses, said) = answers(&host, &message).await;
        assert_eq!(statuses, [400], "{fields:?}");
        assert!(said.contains("dunlin-error: bad-host"), "{said}");
    }
    // A target that names one is right, and the function hears of no other.
    let both = "GET http://one/misc/headers HTTP/1.1\r\nhost: two\r\nconnection: close\r\n\r\n";
    let (statuses, said) = answers(&host, both).await;
    assert_eq!(statuses, [200]);
    assert!(
        said.contains("host: one\n") && !said.contains("two"),
        "{said}"
    );
    health.is_good(&host, 16).await;
}

#[tokio::test]
async fn connect_is_not_for_functions() {
    let host = attacked("", "").await;
    for target in ["h:80", "/misc/method"] {
        let message = format!("CONNECT {target} HTTP/1.1\r\nhost: h:80\r\n\r\n");
        let (statuses, said) = answers(&host, &message).await;
        assert_eq!(statuses, [501], "{target}");
        assert!(said.contains("dunlin-error: not-implemented"), "{said}");
    }
}

#[tokio::test]
async fn a_head_has_its_limits() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    let fields = |count| -> String { (0..count).map(|n| format!("x{n}: a\r\n")).collect() };
    let long = |bytes| format!("x: {}\r\n", "a".repeat(bytes));
    let close = "connection: close\r\n";
    for (message, status) in [
        // Within and beyond: `host` and `connection` are fields, too.
        (get(&(fields(126) + close)), 200),
        (get(&fields(128)), 431),
        (get(&(long(60_000) + close)), 200),
        (get(&long(66_000)), 431),
        ("\r\n".repeat(40_000) + &get(""), 431),
        ("G".repeat(70_000), 431),
    ] {
        let (statuses, said) = answers(&host, &message).await;
        assert_eq!(statuses, [status], "{message:.40?}: {said}");
    }
    let target = |bytes: usize| format!("/misc/{}", "a".repeat(bytes - 6));
    host.get(&target(16 * 1024)).await.failed(404, "no-route");
    host.get(&target(16 * 1024 + 1))
        .await
        .failed(414, "uri-too-long");
    health.is_good(&host, 16).await;
}

#[tokio::test]
async fn a_body_has_its_limit() {
    let host = attacked("", "[limits]\nrequest_body = \"1MiB\"").await;
    let health = Health::of(&host).await;
    // Told, it is refused before it comes; else when it is too much.
    let told = post("content-length: 1048577\r\n", "");
    let untold = chunked(&format!("100001\r\n{}", "a".repeat(0x10_0001)));
    for message in [told, untold] {
        let mut wire = Wire::connect(host.listen).await;
        wire.send(message).await;
        let (head, _) = wire.response().await;
        assert_eq!(head.status(), 413);
        assert_eq!(head.header("dunlin-error"), Some("body-too-large"));
        wire.rest().await;
    }
    let whole = host.request(http::Method::POST, "/misc/count");
    let whole = Answer::to(whole.body(vec![0; 1024 * 1024])).await;
    assert_eq!(whole.ok(), "1048576");
    health.is_good(&host, 32).await;
}

/// A count of hops that goes too far made the host forget that the message was
/// ambiguous: the connection stayed open.
#[tokio::test]
async fn what_else_is_wrong_does_not_keep_the_connection() {
    let host = attacked("", "").await;
    let health = Health::of(&host).await;
    let two = "GET /misc/method HTTP/1.1\r\nhost: a\r\nhost: b\r\ndunlin-hops: 17\r\n\r\n";
    assert_eq!(statuses(&host, two).await, [400]);
    health.is_good(&host, 16).await;
}
