//! WebSockets of the test client.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use dunlin::prelude::*;
use dunlin::testing::TestClient;
use dunlin::websocket::{Close, Message, WebSocketSender};

thread_local! {
    static ROOM: RefCell<Vec<WebSocketSender>> = RefCell::default();
    static LEFT: Cell<Option<Close>> = Cell::default();
}

/// Everybody hears what anybody says.
#[websocket("/room", protocols = ["talk"])]
async fn room(mut socket: WebSocket) -> Result<(), Error> {
    let (sender, mut receiver) = match socket.protocol() {
        Some(_) => socket.split(),
        None => {
            socket.send("you do not talk").await?;
            let _ = socket.recv().await?;
            return Ok(());
        }
    };
    ROOM.with_borrow_mut(|room| room.push(sender));
    while let Some(message) = receiver.recv().await? {
        let members = ROOM.with_borrow(Clone::clone);
        for member in members {
            member.send(message.clone()).await?;
        }
    }
    dunlin::sleep(Duration::from_secs(1)).await;
    LEFT.set(receiver.closed());
    Ok(())
}

#[get("/members")]
async fn members() -> Json<usize> {
    Json(ROOM.with_borrow(Vec::len))
}

/// Counts seconds, down to none.
#[websocket("/countdown/{from}")]
async fn countdown(from: u32, socket: WebSocket) -> Result<(), Error> {
    for second in (0..from).rev() {
        dunlin::sleep(Duration::from_secs(1)).await;
        socket.send_json(&second).await?;
    }
    match from {
        0 => {
            socket.send("none").await?;
            Err(Error::msg("there is nothing to count"))
        }
        5 => {
            socket.close(1005, "");
            Ok(())
        }
        6 => socket
            .send(vec![0; 1024 * 1024 + 1])
            .await
            .map_err(Into::into),
        7 => {
            socket.close(4007, "seven");
            Ok(())
        }
        _ => Ok(()),
    }
}

#[websocket("/silent")]
async fn silent(mut socket: WebSocket) -> Result<(), Error> {
    while socket.recv().await?.is_some() {}
    Ok(())
}

dunlin::app![room, members, countdown, silent];

fn main() {}

fn client() -> TestClient {
    TestClient::native(app())
}

#[test]
fn all_hear_what_one_says() {
    let client = client();
    let join = || {
        let talk = client.get("/room").header("sec-websocket-protocol", "talk");
        talk.websocket().unwrap()
    };
    let (mut ada, mut bob) = (join(), join());
    assert_eq!(ada.protocol(), Some("talk"));
    assert_eq!(client.get("/members").send().json::<usize>(), 2);
    ada.send("hi");
    bob.send(vec![0, 255]);
    for socket in [&mut bob, &mut ada] {
        assert_eq!(socket.recv_text(), "hi");
        assert_eq!(socket.recv(), Some(Message::Binary(vec![0, 255])));
    }
    bob.close(4001, "bye");
    let left = LEFT.take().expect("the handler has ended");
    assert_eq!((left.code, left.reason.as_str()), (Some(4001), "bye"));
    assert_eq!(client.elapsed(), Duration::from_secs(1));
    // Gone without a word.
    drop(ada);
    let mut carl = client.get("/countdown/2").websocket().unwrap();
    assert_eq!(carl.recv_text(), "1");
    assert_eq!(LEFT.take().map(|left| left.code), Some(Some(1006)));
}

#[test]
fn nothing_is_agreed_on() {
    let client = client();
    let mut socket = client.get("/room").websocket().unwrap();
    assert_eq!(socket.protocol(), None);
    assert_eq!(socket.recv_text(), "you do not talk");
}

#[test]
fn the_function_closes() {
    let client = client();
    let ends = |path| {
        let mut socket = client.get(path).websocket().unwrap();
        while socket.recv().is_some() {}
        assert_eq!(socket.recv(), None);
        let close = socket.closed().expect("is closed");
        (close.code, close.reason.clone())
    };
    assert_eq!(ends("/countdown/3"), (Some(1000), String::new()));
    assert_eq!(client.elapsed(), Duration::from_secs(3));
    assert_eq!(ends("/countdown/0"), (Some(1011), String::new()));
    assert_eq!(ends("/countdown/7"), (Some(4007), "seven".into()));
    // What the host would not let through.
    for path in ["/countdown/5", "/countdown/6"] {
        assert_eq!(ends(path), (Some(1011), String::new()), "{path}");
    }
}

#[test]
fn what_was_sent_before_a_failure_arrives() {
    let mut socket = client().get("/countdown/0").websocket().unwrap();
    assert_eq!(socket.recv_text(), "none");
    assert_eq!(socket.recv(), None);
    assert_eq!(socket.closed().unwrap().code, Some(1011));
}

#[test]
fn a_message_that_is_too_large_closes() {
    let client = client();
    let talk = client.get("/room").header("sec-websocket-protocol", "talk");
    let mut socket = talk.websocket().unwrap();
    socket.send("a".repeat(1024 * 1024));
    assert_eq!(socket.recv_text().len(), 1024 * 1024);
    socket.send("a".repeat(1024 * 1024 + 1));
    assert_eq!(socket.recv(), None);
    assert_eq!(socket.closed().unwrap().code, Some(1009));
    // The handler is told, too.
    client.get("/countdown/2").websocket().unwrap().recv_text();
    assert_eq!(LEFT.take().map(|left| left.code), Some(Some(1009)));
}

#[test]
fn a_request_that_is_wrong_opens_none() {
    let client = client();
    let refused = client.get("/countdown/many").websocket().unwrap_err();
    assert_eq!(refused.status(), 422);
    let refused = client.get("/members").websocket().unwrap_err();
    assert_eq!(refused.json::<usize>(), 0);
    assert_eq!(client.get("/room").send().status(), 426);
}

#[test]
#[should_panic(expected = "has sent nothing for an hour")]
fn who_waits_for_nothing_is_told() {
    client().get("/silent").websocket().unwrap().recv();
}
