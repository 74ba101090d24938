use super::*;
use crate::contract::BodyError;
use futures::StreamExt as _;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

const SHORT: Patience = Patience {
    ping: Duration::from_millis(10),
    parting: Duration::from_millis(10),
};

/// A connection, seen from both of its ends.
struct Ends {
    client: DuplexStream,
    /// What the guest says; dropped, it has ended well.
    says: mpsc::Sender<Result<Bytes, BodyError>>,
    hears: mpsc::Receiver<Bytes>,
    running: tokio::task::JoinHandle<Result<(), InvalidFrame>>,
}

async fn open(patience: Patience) -> Ends {
    let (client, server) = tokio::io::duplex(1024);
    let (messages, hears) = mpsc::channel(1);
    let (says, mut said) = mpsc::channel::<Result<Bytes, BodyError>>(1);
    let body = futures::stream::poll_fn(move |cx| {
        let piece = said.poll_recv(cx);
        piece.map(|piece| piece.map(|it| it.map(Frame::data)))
    });
    let guest = Guest::new(messages, StreamBody::new(body), None);
    let pump = Pump::new(server, guest, patience).await;
    let running = tokio::spawn(pump.run(std::future::pending()));
    Ends {
        client,
        says,
        hears,
        running,
    }
}

fn close(code: u16) -> Bytes {
    let close = WebSocketFrame::Close {
        code: Some(code),
        reason: Bytes::new(),
    };
    close.encode()
}

async fn as_client(stream: DuplexStream) -> WebSocketStream<DuplexStream> {
    WebSocketStream::from_raw_socket(stream, Role::Client, None).await
}

#[tokio::test]
async fn a_client_without_a_sign_of_life_is_gone() {
    // It is there, but answers no ping.
    let mut ends = open(SHORT).await;
    assert_eq!(ends.hears.recv().await, Some(close(1006)));
    assert_eq!(ends.hears.recv().await, None);
    drop(ends.says);
    ends.running.await.unwrap().unwrap();
    drop(ends.client);
}

/// A client cannot answer while the host does not read, because the guest does
/// not.
#[tokio::test]
async fn who_is_not_listened_to_is_not_asked() {
    let (_client, server) = tokio::io::duplex(1024);
    let (messages, _hears) = mpsc::channel(1);
    let guest = Guest::new(messages, http_body_util::Empty::<Bytes>::new(), None);
    let mut pump = Pump::new(server, guest, SHORT).await;
    let mut asked = |in_hand: bool| {
        pump.in_hand = in_hand.then(Bytes::new);
        // As if it had gone out.
        pump.unflushed = false;
        pump.ping();
        (pump.awaiting, pump.client)
    };
    assert_eq!(asked(false), (true, Client::Open));
    assert_eq!(asked(true), (false, Client::Open));
    assert_eq!(asked(true), (false, Client::Open));
    assert_eq!(asked(false), (true, Client::Open));
    assert_eq!(asked(false).1, Client::Gone);
}

/// A long message may take longer than a ping's answer.
#[tokio::test]
async fn the_beginning_of_a_message_is_a_sign_of_life() {
    let (mut client, server) = tokio::io::duplex(1024);
    let (messages, _hears) = mpsc::channel(1);
    let guest = Guest::new(messages, http_body_util::Empty::<Bytes>::new(), None);
    let mut pump = Pump::new(server, guest, SHORT).await;
    pump.ping();
    assert!(pump.awaiting);
    client.write_all(&PING[..3]).await.unwrap();
    // The guest's end comes first; what is asked next is the client.
    for _ in 0..2 {
        let _ = poll_fn(|cx| Poll::Ready(pump.poll_event(cx).is_ready())).await;
    }
    pump.ping();
    assert_eq!(pump.client, Client::Open);
}

/// 125 bytes, under a mask of zeros.
const PING: [u8; 131] = {
    let mut frame = [0; 131];
    frame[0] = 0x89;
    frame[1] = 0x80 | 125;
    frame
};

#[tokio::test]
async fn who_does_not_take_the_answers_to_its_pings_is_not_read() {
    let (mut client, server) = tokio::io::duplex(1024);
    let (messages, _hears) = mpsc::channel(1);
    let body = futures::stream::pending::<Result<Frame<Bytes>, BodyError>>();
    let guest = Guest::new(messages, StreamBody::new(body), None);
    let pump = Pump::new(server, guest, Patience::default()).await;
    let mut running = pin!(pump.run(std::future::pending()));
    let mut sent = 0;
    loop {
        // Each time with a fresh budget of tokio's.
        tokio::task::yield_now().await;
        assert!(futures::poll!(running.as_mut()).is_pending());
        let ping = &PING[sent % PING.len()..];
        match futures::poll!(pin!(client.write(ping))) {
            Poll::Ready(written) => sent += written.unwrap(),
            Poll::Pending => break,
        }
        assert!(sent < 1024 * 1024, "it is read on and on");
    }
}

#[tokio::test]
async fn a_client_that_is_gone_is_noticed_while_nobody_listens() {
    let ends = open(SHORT).await;
    let mut client = as_client(ends.client).await;
    for _ in 0..3 {
        futures::SinkExt::send(&mut client, Message::text("unheard"))
            .await
            .unwrap();
    }
    drop(client);
    ends.says.closed().await;
    ends.running.await.unwrap().unwrap();
    drop(ends.hears);
}

#[tokio::test]
async fn a_guest_that_does_not_end_is_ended() {
    let ends = open(SHORT).await;
    drop(ends.client);
    ends.says.closed().await;
    ends.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_answer_a_close_is_left() {
    let ends = open(Patience {
        ping: Duration::from_secs(3600),
        ..SHORT
    })
    .await;
    ends.says.send(Ok(close(4001))).await.unwrap();
    drop(ends.says);
    ends.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_guest_that_sends_no_frames_is_told() {
    for (bytes, expected) in [
        (
            &b"\x07\0\0\0\0"[..],
            "there is no WebSocket frame of kind 7",
        ),
        (
            b"\0\x01\0\0\0\xff",
            "a WebSocket message of text is not UTF-8: send it as bytes",
        ),
        (
            b"\x01\xff\xff\xff\0",
            "a WebSocket message has 16777215 bytes, limit 1048576: send several",
        ),
    ] {
        let ends = open(Patience::default()).await;
        ends.says.send(Ok(Bytes::from_static(bytes))).await.unwrap();
        let mut client = as_client(ends.client).await;
        match client.next().await.unwrap().unwrap() {
            Message::Close(Some(close)) => assert_eq!(close.code, CloseCode::Error),
            other => panic!("{other}"),
        }
        while client.next().await.is_some() {}
        let error = ends.running.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
