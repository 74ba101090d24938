//! What goes over the wire and back.

use std::error::Error;

use http_body_util::channel::Channel;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::peer::{Peer, raw};
use super::*;
use crate::capabilities::egress::EgressPhase;

const LOCAL: &[&str] = &["127.0.0.1"];

fn local() -> EgressClient {
    client(&egress_with(PATIENT), LOCAL)
}

/// The sender and the body of a request whose length nobody knows.
fn streaming() -> (
    http_body_util::channel::Sender<Bytes, io::Error>,
    Channel<Bytes, io::Error>,
) {
    Channel::new(1)
}

#[tokio::test]
async fn both_bodies_stream_at_once() {
    let peer = Peer::start().await;
    let (mut sender, body) = streaming();
    let request = Request::post(peer.url("http://127.0.0.1", "/echo"))
        .body(body)
        .unwrap();
    let mut echo = local()
        .send(request, Hops::default())
        .await
        .unwrap()
        .into_body();
    for round in ["one", "two", "three"] {
        sender.send_data(Bytes::from(round)).await.unwrap();
        let frame = echo.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), round);
    }
    drop(sender);
    assert!(echo.frame().await.is_none());
}

#[tokio::test]
async fn the_head_is_the_hosts() {
    let peer = Peer::start().await;
    let request = Request::post(peer.url("http://127.0.0.1", "/head?q=1"))
        .header("host", "evil.test")
        .header("connection", "x-hidden")
        .header("x-hidden", "1")
        .header("x-mine", "kept")
        .body(Full::from("abc"))
        .unwrap();
    let mut incoming = http::HeaderMap::new();
    incoming.insert(Hops::HEADER, http::HeaderValue::from_static("4"));
    let response = local().send(request, Hops::of(&incoming)).await.unwrap();
    assert!(!response.headers().contains_key("keep-alive"));
    let expected = format!(
        "POST /head?q=1 false\ncontent-length: 3\ndunlin-hops: 5\nhost: {}\nx-mine: kept",
        peer.address
    );
    assert_eq!(text(response).await, expected);
}

#[tokio::test]
async fn redirects_are_answers() {
    let peer = Peer::start().await;
    let response = get(&local(), &peer.url("http://127.0.0.1", "/redirect"))
        .await
        .unwrap();
    assert_eq!(response.status(), 302);
}

#[tokio::test]
async fn a_get_whose_empty_body_is_closed_late_is_answered() {
    let peer = Peer::start().await;
    let (mut sender, body) = streaming();
    let request = Request::get(peer.url("http://127.0.0.1", "/head"))
        .body(body)
        .unwrap();
    let response = local().send(request, Hops::default()).await.unwrap();
    assert!(!text(response).await.contains("chunked"));
    // The guest gets round to its body only now, and must not see it broken.
    sender.send_data(Bytes::new()).await.unwrap();
    sender.send_data(Bytes::new()).await.unwrap();
}

#[tokio::test]
async fn a_get_of_known_length_has_its_content() {
    let peer = Peer::start().await;
    let request = Request::get(peer.url("http://127.0.0.1", "/echo"))
        .body(Full::from("query"))
        .unwrap();
    let response = local().send(request, Hops::default()).await.unwrap();
    assert_eq!(text(response).await, "query");
}

#[tokio::test]
async fn a_body_that_the_guest_breaks_off_is_the_guests_fault() {
    let peer = Peer::start().await;
    let (sender, body) = streaming();
    sender.abort(io::Error::other("the guest gave up"));
    let request = Request::post(peer.url("http://127.0.0.1", "/head"))
        .body(body)
        .unwrap();
    let error = local().send(request, Hops::default()).await.unwrap_err();
    assert!(
        error.to_string().contains("its body ended with an error"),
        "{error}"
    );
    let mut last: &dyn Error = &error;
    while let Some(source) = last.source() {
        last = source;
    }
    assert_eq!(last.to_string(), "the guest gave up");
}

#[tokio::test]
async fn a_body_shorter_than_it_says_is_the_guests_fault() {
    let peer = raw(async |mut tcp| {
        // Only a client that breaks off ends this.
        let _ = tcp.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let (sender, body) = streaming();
    drop(sender);
    let request = Request::post(format!("http://{peer}/"))
        .header("content-length", "10")
        .body(body)
        .unwrap();
    let error = local().send(request, Hops::default()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("shorter than its `content-length`"),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_error() {
    for answer in [
        "SSH-2.0-OpenSSH\r\n",
        "",
        "HTTP/1.1 101 Go On\r\n\r\n",
        "HTTP/1.1 999 X\r\n\r\n",
    ] {
        let peer = raw(async move |mut tcp| {
            tcp.read_u8().await.unwrap();
            tcp.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let result = post(&local(), &format!("http://{peer}/"), "").await;
        assert!(
            matches!(result, Err(EgressError::Protocol { .. })),
            "{answer:?}: {result:?}"
        );
    }
}

#[tokio::test]
async fn nobody_listening_is_a_connect_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = get(&local(), &format!("http://{address}/"))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Connect { .. }), "{error:?}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_silent_peer_times_out_in_the_right_phase() {
    let (limit, other) = (Duration::from_millis(50), PATIENT.connect);
    for (scheme, phase, timeouts) in [
        (
            "http",
            EgressPhase::ResponseHead,
            EgressTimeouts {
                response_head: limit,
                ..PATIENT
            },
        ),
        (
            "https",
            EgressPhase::Connect,
            EgressTimeouts {
                connect: limit,
                ..PATIENT
            },
        ),
    ] {
        let peer = raw(async move |mut tcp| {
            // Takes everything, answers nothing.
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let client = client(&egress_with(timeouts), LOCAL);
        let error = get(&client, &format!("{scheme}://{peer}/"))
            .await
            .unwrap_err();
        match error {
            EgressError::Timeout {
                phase: ended,
                limit: after,
                ..
            } => {
                assert_eq!((ended, after), (phase, limit));
                assert_ne!(after, other);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn dropping_the_call_ends_the_exchange() {
    let (arrived, arrival) = oneshot::channel();
    let (closed, closing) = oneshot::channel();
    let peer = raw(async move |mut tcp| {
        tcp.read_u8().await.unwrap();
        arrived.send(()).unwrap();
        let _ = tcp.read_to_end(&mut Vec::new()).await;
        closed.send(()).unwrap();
    })
    .await;
    let client = local();
    let call = tokio::spawn(async move { get(&client, &format!("http://{peer}/")).await.is_ok() });
    arrival.await.unwrap();
    call.abort();
    closing.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_the_peer_closed_is_not_noticed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            // Keep-alive promised, and broken.
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let _ = tcp.read(&mut head).await;
            let _ = tcp
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await;
        }
    });
    let client = local();
    for _ in 0..50 {
        let response = get(&client, &format!("http://{address}/")).await.unwrap();
        assert_eq!(text(response).await, "ok");
    }
}

#[tokio::test]
async fn idle_connections_go_with_the_client() {
    let (closed, closing) = oneshot::channel();
    let peer = raw(async move |mut tcp| {
        let mut head = [0; 1024];
        let _ = tcp.read(&mut head).await;
        let _ = tcp
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await;
        let _ = tcp.read_to_end(&mut Vec::new()).await;
        closed.send(()).unwrap();
    })
    .await;
    let client = local();
    assert_eq!(
        text(get(&client, &format!("http://{peer}/")).await.unwrap()).await,
        "ok"
    );
    drop(client);
    closing.await.unwrap();
}

#[test]
fn connections_belong_to_the_event_loop_that_asks_or_else_to_egress() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    };
    let (owner, event_loop, passing) = (runtime(), runtime(), runtime());
    let peer = owner.block_on(Peer::start());
    let url = peer.url("http://127.0.0.1", "/");
    let egress = owner.block_on(async { egress_with(PATIENT) });
    let egress = egress.with_event_loops(vec![event_loop.handle().clone()]);
    let client = egress.client(EgressPolicy::parse(LOCAL.iter().copied()).unwrap());
    let ask = |runtime: &tokio::runtime::Runtime| {
        let said = runtime.block_on(async { text(get(&client, &url).await.unwrap()).await });
        assert_eq!(said, "hello");
    };
    ask(&passing);
    assert_eq!(peer.connections(), 1);
    ask(&event_loop);
    assert_eq!(peer.connections(), 2);
    // What a runtime asked for that is none of egress's outlives it.
    drop(passing);
    ask(&owner);
    ask(&event_loop);
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn outgoing_connections_are_counted_and_no_version_takes_all() {
    let limit = Duration::from_millis(50);
    let config = EgressConfig {
        timeouts: EgressTimeouts {
            connect: limit,
            ..PATIENT
        },
        max_connections: 2,
        ..EgressConfig::default()
    };
    let egress = Egress::new(&config, Handle::current()).unwrap();
    let version = || client(&egress, &["127.0.0.1"]);
    // Each takes one connection, answers with a head, and never ends.
    let endless = async || {
        let peer = raw(async |mut tcp| {
            tcp.read_u8().await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
            tcp.write_all(head).await.unwrap();
            std::future::pending::<()>().await;
        });
        format!("http://{}/", peer.await)
    };
    let refused = async |client: &EgressClient| {
        let error = get(client, "http://127.0.0.1:1/").await.unwrap_err();
        let EgressError::Timeout { phase, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(phase, EgressPhase::Place);
    };
    let (first, second, third) = (version(), version(), version());
    let held = get(&first, &endless().await).await.unwrap();
    refused(&first).await;
    let _also_held = get(&second, &endless().await).await.unwrap();
    refused(&third).await;
    drop(held);
    // Its connection goes a moment later.
    let url = endless().await;
    let _held = loop {
        if let Ok(held) = get(&third, &url).await {
            break held;
        }
    };
    refused(&first).await;
}
