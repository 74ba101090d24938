use std::time::Duration;

use super::frames::{self, Frame};
use super::*;
use crate::prelude::*;
use crate::testing::block_on;

#[model]
struct Sum {
    a: i32,
    b: i32,
}

/// Sends back what it gets.
#[websocket("/echo")]
async fn echo(mut socket: WebSocket) -> Result<(), Error> {
    while let Some(message) = socket.recv().await? {
        socket.send(message).await?;
    }
    Ok(())
}

#[websocket("/echo/{times}")]
async fn echoes(Path(times): Path<usize>, mut socket: WebSocket) -> Result<(), Error> {
    while let Some(message) = socket.recv().await? {
        for _ in 0..times {
            socket.send(message.clone()).await?;
        }
    }
    Ok(())
}

#[websocket("/sums")]
async fn sums(mut socket: WebSocket) -> Result<(), Error> {
    while let Some(Sum { a, b }) = socket.recv_json().await? {
        socket.send_json(&(a + b)).await?;
    }
    match socket.closed() {
        Some(close) => Err(Error::msg(close.reason)),
        None => Ok(()),
    }
}

#[websocket("/full")]
async fn full(socket: WebSocket) {
    socket.close(4001, "full");
    let _ = socket.send("not sent").await;
}

#[websocket("/broken")]
async fn broken(_socket: WebSocket) -> Result<(), Error> {
    Err(Error::msg("out of tea"))
}

/// Never receives.
#[websocket("/ticks")]
async fn ticks(socket: WebSocket) -> Result<(), Error> {
    loop {
        socket.send("tick").await?;
        crate::sleep(Duration::from_secs(1)).await;
    }
}

/// Receives beside something else, so that each wait is dropped many times.
#[websocket("/beside")]
async fn beside(socket: WebSocket) -> Result<(), Error> {
    let (sender, mut receiver) = socket.split();
    loop {
        let wait = crate::time::timeout(Duration::from_millis(10), receiver.recv());
        match wait.await {
            Ok(Ok(Some(message))) => sender.try_send(message)?,
            Ok(_) => return Ok(()),
            Err(_) => {}
        }
    }
}

/// Tells what was agreed on.
#[websocket("/agree", protocols = ["tea.v2", "tea.v1"])]
async fn agree(socket: WebSocket) -> Result<(), WebSocketError> {
    socket.send(socket.protocol().unwrap_or("nothing")).await
}

#[allow(unreachable_pub, reason = "`app!` is meant for the root of a crate")]
mod app {
    use super::*;
    crate::app![echo, echoes, sums, full, broken, ticks, beside, agree];
}

fn open(path: &str, body: Body) -> Response {
    let request = Request::get(path).with_header("sec-websocket-key", "any");
    block_on(app::app().call(request.with_body(body)))
}

/// What comes back for these messages, in pieces of three bytes.
fn answers(path: &str, messages: &[Message], close: Option<u16>) -> Vec<String> {
    let mut bytes: Vec<u8> = messages.iter().flat_map(frames::message).collect();
    bytes.extend(close.iter().flat_map(|code| frames::close(*code, "bye")));
    let pieces: Vec<Vec<u8>> = bytes.chunks(3).map(<[u8]>::to_vec).collect();
    let pieces = futures::stream::iter(pieces.into_iter().map(Ok::<_, Error>));
    let response = open(path, Body::stream(pieces));
    assert_eq!(response.status(), 101);
    let mut bytes = block_on(response.bytes()).unwrap();
    let mut answers = Vec::new();
    while let Some(frame) = frames::take(&mut bytes) {
        answers.push(match frame {
            Frame::Message(Message::Text(text)) => text,
            Frame::Message(Message::Binary(bytes)) => format!("{bytes:?}"),
            Frame::Close(close) => format!("{close:?}"),
        });
    }
    assert_eq!(bytes, b"");
    answers
}

#[test]
fn messages_of_both_kinds_come_back() {
    let messages = ["é".into(), Message::Binary(vec![0, 255]), "".into()];
    let answers = self::answers("/echo/2", &messages, None);
    assert_eq!(
        self::answers("/echo", &messages, None),
        ["é", "[0, 255]", ""]
    );
    assert_eq!(answers, ["é", "é", "[0, 255]", "[0, 255]", "", ""]);
}

#[test]
fn json_in_json_out_and_how_the_client_closed() {
    let sum = [r#"{"a": 1, "b": 2}"#.into()];
    assert_eq!(answers("/sums", &sum, None), ["3"]);
    let close = open("/sums", frames::close(4007, "bye").into());
    let error = block_on(close.bytes()).unwrap_err();
    assert_eq!(error.to_string(), "the body ended early: bye");
}

#[test]
fn what_is_not_the_expected_json_is_the_clients_fault() {
    let answers = answers("/sums", &["{}".into()], None);
    let [close] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert!(close.contains("code: Some(1007)"), "{close}");
    assert!(close.contains("missing field `a`"), "{close}");
}

#[test]
fn a_handler_closes_with_its_own_code() {
    let expected = "Close { code: Some(4001), reason: \"full\" }";
    assert_eq!(answers("/full", &[], None), [expected]);
}

#[test]
fn the_client_prefers_and_the_attribute_allows() {
    let agreed = |offers: &[&str]| {
        let mut request = Request::get("/agree").with_header("sec-websocket-key", "any");
        for offer in offers {
            request = request.with_header("sec-websocket-protocol", *offer);
        }
        let response = block_on(app::app().call(request));
        let told = response.headers().get("sec-websocket-protocol");
        let told = told.map(str::to_owned);
        let mut bytes = block_on(response.bytes()).unwrap();
        let Some(Frame::Message(Message::Text(text))) = frames::take(&mut bytes) else {
            panic!("{bytes:?}")
        };
        assert_eq!(told.as_deref().unwrap_or("nothing"), text);
        text
    };
    assert_eq!(agreed(&["tea.v1, tea.v2"]), "tea.v1");
    assert_eq!(agreed(&["coffee", "tea.v2,tea.v1"]), "tea.v2");
    assert_eq!(agreed(&["Tea.v1, tea"]), "nothing");
    assert_eq!(agreed(&[]), "nothing");
}

#[test]
fn an_error_cuts_the_stream() {
    let response = open("/broken", Body::empty());
    assert_eq!(response.status(), 101);
    let error = block_on(response.bytes()).unwrap_err();
    assert_eq!(error.to_string(), "the body ended early: out of tea");
}

#[test]
fn who_only_sends_ends_when_the_client_has_left() {
    assert_eq!(answers("/ticks", &[], Some(1000)), ["tick"]);
}

#[test]
fn a_wait_that_is_dropped_loses_nothing() {
    let body = Body::produce(async |mut out| {
        for byte in [frames::message(&"a".into()), frames::message(&"b".into())].concat() {
            out.send([byte]).await;
            crate::sleep(Duration::from_millis(25)).await;
        }
        Ok(())
    });
    let bytes = block_on(open("/beside", body).bytes()).unwrap();
    let expected = [frames::message(&"a".into()), frames::message(&"b".into())].concat();
    assert_eq!(bytes, expected);
}

#[test]
fn a_client_that_takes_nothing_holds_the_sender_up() {
    let message = "x".repeat(40_000);
    let messages = vec![Message::Text(message); 10];
    let bytes: Vec<u8> = messages.iter().flat_map(frames::message).collect();
    let mut body = open("/echo/3", bytes.into()).into_body();
    let mut taken = 0;
    while let Some(piece) = block_on(body.chunk()).unwrap() {
        assert!(piece.len() < 200_000, "{}", piece.len());
        taken += piece.len();
    }
    assert_eq!(taken, 30 * 40_005);
}

#[test]
fn what_is_wrong_with_the_request_refuses_it() {
    let plain = block_on(app::app().call(Request::get("/sums")));
    assert_eq!(plain.status(), 426);
    assert_eq!(plain.headers().get("upgrade"), Some("websocket"));
    assert_eq!(open("/echo/many", Body::empty()).status(), 422);
}

#[test]
fn the_description_tells_the_kind_and_openapi_nothing() {
    let description = app::app().describe();
    let description: serde_json::Value = serde_json::from_str(&description).unwrap();
    assert_eq!(description["routes"][0]["kind"], "websocket");
    assert_eq!(description["routes"][0]["method"], "GET");
    assert_eq!(description["openapi"]["paths"], serde_json::json!({}));
}
