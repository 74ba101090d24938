//! WebSockets: messages both ways, codes both ways, and every end that there is.

use futures::{SinkExt as _, StreamExt as _};
use http::Method;
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::harness::{Host, Http2, Wire, until, within};

const MIB: usize = 1024 * 1024;

/// A client of a WebSocket.
struct Client(WebSocketStream<TcpStream>);

/// A way to end: code and reason.
type End = Option<(u16, String)>;

impl Client {
    /// Opens a WebSocket at `path`.
    async fn open(host: &Host, path: &str) -> Self {
        Self::try_open(host, path).await.expect("is accepted")
    }

    async fn try_open(host: &Host, path: &str) -> Result<Self, Box<Error>> {
        let stream = within("a connection", TcpStream::connect(host.listen)).await;
        let url = format!("ws://{}{path}", host.listen);
        // Larger than the host's, so that it is the host's that is met.
        let config = WebSocketConfig::default().max_frame_size(Some(64 * MIB));
        let opening = client_async_with_config(url, stream.expect("is there"), Some(config));
        let (socket, answer) = within("an answer", opening).await.map_err(Box::new)?;
        assert!(answer.headers().contains_key("x-request-id"), "{answer:?}");
        Ok(Self(socket))
    }

    async fn send(&mut self, message: impl Into<Message>) {
        let sending = self.0.send(message.into());
        within("sending", sending).await.expect("is sent");
    }

    /// The next message.
    async fn next(&mut self) -> Message {
        let message = within("a message", self.0.next()).await;
        message.expect("is not the end").expect("is a message")
    }

    async fn text(&mut self) -> String {
        match self.next().await {
            Message::Text(text) => text.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// How the host closes.
    async fn end(&mut self) -> End {
        let Message::Close(close) = self.next().await else {
            panic!("a message instead of an end")
        };
        // The client's own close goes out, and the host ends the connection.
        let after = within("the end", self.0.next()).await;
        assert!(after.is_none(), "{after:?}");
        close.map(|close| (close.code.into(), close.reason.to_string()))
    }

    async fn close(&mut self, code: u16, reason: &'static str) {
        let code = CloseCode::from(code);
        let reason = reason.into();
        let closing = self.0.close(Some(CloseFrame { code, reason }));
        within("closing", closing).await.expect("is sent");
    }
}

fn end(code: u16, reason: &str) -> End {
    Some((code, reason.to_owned()))
}

#[tokio::test]
async fn messages_of_both_kinds_come_back() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let mut client = Client::open(&host, "/misc/socket/echo").await;
    let large = "é".repeat(MIB / 2);
    for text in ["", "a", &large] {
        client.send(text).await;
        assert_eq!(client.text().await, text);
    }
    client.send(Message::binary(vec![0, 255])).await;
    assert_eq!(client.next().await, Message::binary(vec![0, 255]));
    client.send(Message::Ping("there?".into())).await;
    assert_eq!(client.next().await, Message::Pong("there?".into()));
    client.close(4007, "enough").await;
    assert_eq!(client.end().await, end(4007, "enough"));
    let line = host.logged("misc", "ended: ").await;
    assert_eq!(
        line["message"],
        "ended: Some(Close { code: Some(4007), reason: \"enough\" })"
    );
}

#[tokio::test]
async fn json_in_json_out() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let mut client = Client::open(&host, "/misc/socket/sum/2").await;
    client.send(r#"{"numbers": [1, 2, 3]}"#).await;
    assert_eq!(client.text().await, "12");
    client.send("[]").await;
    let (code, reason) = client.end().await.expect("a code");
    assert_eq!(code, 1007);
    assert!(
        reason.starts_with("the message is not the expected JSON"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_handler_ends_as_it_likes() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let told = async |what: &'static str| {
        let mut client = Client::open(&host, "/misc/socket/ends").await;
        client.send(what).await;
        client.end().await
    };
    assert_eq!(told("return").await, end(1000, ""));
    assert_eq!(told("4001 full").await, end(4001, "full"));
    // The client's answer to the handler's close reached it.
    let line = host.logged("misc", "ended: ").await;
    assert_eq!(
        line["message"],
        "ended: Some(Close { code: Some(4001), reason: \"full\" })"
    );
    assert_eq!(told("fail").await, end(1011, ""));
    host.logged("misc", "error: as told").await;
    assert_eq!(told("1006 none").await, end(1011, ""));
    host.logged("misc", "1006 is no code to close with").await;
    assert_eq!(told("panic").await, end(1011, ""));
    host.logged("misc", "the answer broke off: the function trapped")
        .await;
    // The next one has a new instance.
    assert_eq!(told("return").await, end(1000, ""));
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_it() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let mut client = Client::open(&host, "/misc/socket/echo").await;
    client.send(vec![1; MIB]).await;
    assert_eq!(client.next().await.len(), MIB);
    client.send(vec![1; MIB + 1]).await;
    assert_eq!(client.end().await, end(1009, ""));
    let line = host.logged("misc", "ended: ").await;
    assert_eq!(
        line["message"],
        "ended: Some(Close { code: Some(1009), reason: \"\" })"
    );
}

#[tokio::test]
async fn what_is_wrong_with_the_request_refuses_it() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let refused = async |path: &str| match Client::try_open(&host, path).await {
        Err(error) => match *error {
            Error::Http(answer) => answer.status().as_u16(),
            error => panic!("{error}"),
        },
        Ok(_) => panic!("is accepted"),
    };
    assert_eq!(refused("/misc/socket/sum/two").await, 422);
    assert_eq!(refused("/misc/socket/nothing").await, 404);
    assert_eq!(refused("/misc/method").await, 200);
}

#[tokio::test]
async fn who_opens_none_is_told_how() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let plain = host.get("/misc/socket/echo").await;
    plain.failed(426, "upgrade-required");
    assert_eq!(plain.header("upgrade"), "websocket");
    assert_eq!(plain.header("sec-websocket-version"), "13");
    let head = host.request(Method::HEAD, "/misc/socket/echo").send().await;
    assert_eq!(head.expect("an answer").status(), 426);
    let post = host.post("/misc/socket/echo", "").await;
    post.failed(405, "method-not-allowed");
    // Over HTTP/2 there is no way.
    let mut connection = Http2::connect(host.listen).await;
    let empty = http_body_util::Empty::new();
    let empty = http_body_util::BodyExt::boxed(empty);
    let answer = connection.send("GET", "/misc/socket/echo", empty).await;
    assert_eq!(answer.expect("an answer").status(), 426);
    // Nor in another version, nor without a key.
    for wrong in [
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 8\r\n",
        "sec-websocket-version: 13\r\n",
    ] {
        let mut wire = Wire::connect(host.listen).await;
        wire.send(format!(
            "GET /misc/socket/echo HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\n{wrong}\r\n"
        ))
        .await;
        assert_eq!(wire.response().await.0.status(), 426, "{wrong}");
    }
}

/// RFC 6455, section 4.2.2: one of the client's, or none.
#[tokio::test]
async fn a_subprotocol_is_agreed_on() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    for (offered, agreed) in [("coffee, tea.v1, tea.v2", Some("tea.v1")), ("coffee", None)] {
        let mut wire = Wire::connect(host.listen).await;
        wire.send(format!(
            "GET /misc/socket/agree HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-version: 13\r\nsec-websocket-protocol: {offered}\r\n\r\n"
        ))
        .await;
        let head = wire.head().await;
        assert_eq!(head.status(), 101);
        assert_eq!(head.header("sec-websocket-protocol"), agreed);
        let told = agreed.unwrap_or("nothing");
        let length = told.len() as u8;
        wire.receives(&[&[0x81, length], told.as_bytes()].concat())
            .await;
    }
}

/// What the peer sends right behind its handshake is not lost.
#[tokio::test]
async fn a_message_may_come_with_the_handshake() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let mut wire = Wire::connect(host.listen).await;
    let mut bytes =
        b"GET /misc/socket/echo HTTP/1.1\r\nhost: h\r\nconnection: keep-alive, Upgrade\r\n\
        upgrade: WebSocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        sec-websocket-version: 13\r\n\r\n"
            .to_vec();
    // Text, masked with zeros.
    bytes.extend(*b"\x81\x82\0\0\0\0hi");
    wire.send(bytes).await;
    let head = wire.head().await;
    assert_eq!(head.status(), 101);
    assert_eq!(
        head.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    wire.receives(b"\x81\x02hi").await;
}

#[tokio::test]
async fn a_broken_protocol_ends_it() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let client = Client::open(&host, "/misc/socket/echo").await;
    let mut wire = Wire::of(client.0.into_inner());
    // Not masked: RFC 6455, section 5.1.
    wire.send(*b"\x81\x02hi").await;
    wire.receives(b"\x88\x02\x03\xea").await;
    let client = Client::open(&host, "/misc/socket/echo").await;
    let mut wire = Wire::of(client.0.into_inner());
    // Text that is not UTF-8.
    wire.send(*b"\x81\x81\0\0\0\0\xff").await;
    wire.receives(b"\x88\x02\x03\xef").await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_handler() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let mut client = Client::open(&host, "/misc/socket/echo").await;
    client.send("a").await;
    assert_eq!(client.text().await, "a");
    drop(client);
    let line = host.logged("misc", "ended: ").await;
    assert_eq!(
        line["message"],
        "ended: Some(Close { code: Some(1006), reason: \"\" })"
    );
    counts(
        &host,
        "dunlin_invocations_total{function=\"misc\",lane=\"async\",outcome=\"answered\"} 1",
    )
    .await;
    // One that only sends learns it too.
    let mut client = Client::open(&host, "/misc/socket/flood").await;
    assert_eq!(client.next().await.len(), 16 * 1024);
    drop(client);
    counts(&host, "dunlin_running{function=\"misc\"} 0").await;
    counts(
        &host,
        "dunlin_invocation_seconds_count{function=\"misc\"} 2",
    )
    .await;
}

async fn counts(host: &Host, line: &str) {
    until(line, async || {
        let metrics = host.metrics().await;
        metrics.lines().any(|it| it == line).then_some(())
    })
    .await;
}

/// A client that takes nothing stops the function, and costs little memory.
#[tokio::test]
async fn who_takes_nothing_gets_nothing_more() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let mut client = Client::open(&host, "/misc/socket/flood").await;
    assert_eq!(client.next().await.len(), 16 * 1024);
    host.becomes_idle().await;
    let (before, _) = host.resident_bytes();
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(Client::open(&host, "/misc/socket/flood").await);
    }
    host.becomes_idle().await;
    let (after, _) = host.resident_bytes();
    assert!(after < before + 32 * MIB as u64, "{before} {after}");
    // It goes on where it was.
    for _ in 0..100 {
        assert_eq!(client.next().await.len(), 16 * 1024);
    }
}

/// The limits of an invocation hold for each stretch of a connection, not for
/// all of it; the deadline ends none.
#[tokio::test]
async fn a_connection_outlives_the_limits_of_an_invocation() {
    let host = Host::start().await;
    let limits = "[limits]\ndeadline = \"200ms\"\ncpu = \"400ms\"";
    host.deploy("misc", limits).await;
    let mut client = Client::open(&host, "/misc/socket/compute").await;
    for _ in 0..20 {
        client.send("50").await;
        assert_eq!(client.text().await, "done");
    }
    client.send("100000").await;
    assert_eq!(client.end().await, end(1011, ""));
    host.logged("misc", "used more CPU time than `limits.cpu` allows")
        .await;
}

#[tokio::test]
async fn sigterm_ends_websockets() {
    let mut host = Host::start_with(&["--workers", "1"]).await;
    host.deploy("misc", "").await;
    let mut client = Client::open(&host, "/misc/socket/echo").await;
    client.send("a").await;
    assert_eq!(client.text().await, "a");
    host.signal(Signal::TERM);
    assert_eq!(client.end().await, end(1001, ""));
    assert!(host.ended().await.success(), "{}", host.said());
    assert!(!host.said().contains("drain timeout"), "{}", host.said());
}

#[tokio::test]
async fn a_new_version_ends_the_old_ones_websockets() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let mut client = Client::open(&host, "/misc/socket/echo").await;
    client.send("a").await;
    assert_eq!(client.text().await, "a");
    host.deploy("misc", "[vars]\nA = \"b\"").await;
    assert_eq!(client.end().await, end(1001, ""));
    let line = host.logged("misc", "ended: ").await;
    assert_eq!(line["message"], "ended: None");
    let mut client = Client::open(&host, "/misc/socket/echo").await;
    client.send("b").await;
    assert_eq!(client.text().await, "b");
}

#[tokio::test]
async fn who_is_in_a_room_hears_what_is_said_there() {
    let host = Host::start_with(&["--workers", "1"]).await;
    host.deploy("chat", "").await;
    let table = host.run(["ls"]).await.succeeded().stdout;
    assert!(table.contains(" WS "), "{table}");
    // A request may get another instance, if this one computes right now.
    let counted = async |expected: &str| {
        until("the room's members are counted", async || {
            let answer = host.get("/chat/rooms/tea/members").await;
            (answer.ok() == expected).then_some(())
        })
        .await;
    };
    let mut first = Client::open(&host, "/chat/rooms/tea").await;
    assert_eq!(first.text().await, r#"{"from":1,"text":"entered"}"#);
    let mut second = Client::open(&host, "/chat/rooms/tea").await;
    let mut elsewhere = Client::open(&host, "/chat/rooms/milk").await;
    assert_eq!(elsewhere.text().await, r#"{"from":1,"text":"entered"}"#);
    for client in [&mut first, &mut second] {
        assert_eq!(client.text().await, r#"{"from":2,"text":"entered"}"#);
    }
    counted("2").await;
    second.send(r#"{"text": "hello"}"#).await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.text().await, r#"{"from":2,"text":"hello"}"#);
    }
    // One leaves without a word; the others stay where they are.
    drop(second);
    assert_eq!(first.text().await, r#"{"from":2,"text":"left"}"#);
    counted("1").await;
    first.close(1000, "").await;
    assert_eq!(first.end().await, end(1000, ""));
    counted("0").await;
    elsewhere.send(r#"{"text": "still here"}"#).await;
    assert_eq!(elsewhere.text().await, r#"{"from":1,"text":"still here"}"#);
}
