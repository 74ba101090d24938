//! Connections on which nothing happens: cheap, closed after a while, and in
//! nobody's way.

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream;

use crate::harness::frames::{Frames, code, kind};
use crate::harness::{Health, Host, Wire, attacked};

const MANY: usize = 2_000;

/// Connections that have had one answer each.
async fn over_http1(host: &Host, count: usize) -> Vec<Wire> {
    let connect = async |_| {
        let mut wire = Wire::connect(host.listen).await;
        wire.send("GET /misc/method HTTP/1.1\r\nhost: h\r\n\r\n")
            .await;
        assert_eq!(wire.response().await.1, "get");
        wire
    };
    let wires = stream::iter(0..count).map(connect).buffered(32);
    wires.collect().await
}

async fn over_http2(host: &Host, count: usize) -> Vec<Frames> {
    let connect = async |_| {
        let mut frames = Frames::connect(host.listen, &[]).await;
        frames.get(1, "/misc/method").await;
        assert_eq!(frames.next_of(kind::DATA, 1).await.payload, b"get");
        frames
    };
    let all = stream::iter(0..count).map(connect).buffered(32);
    all.collect().await
}

#[tokio::test]
async fn thousands_of_idle_connections_are_cheap() {
    let settings = "[gateway]\nheader_timeout = \"1h\"\nidle_timeout = \"1h\"";
    let host = attacked(settings, "").await;
    let health = Health::of(&host).await;
    let http1 = over_http1(&host, MANY).await;
    let (each, before) = (health.taken(&host) / MANY as u64, health.taken(&host));
    assert!(each < 48 * 1024, "{each} bytes each");
    let http2 = over_http2(&host, MANY).await;
    let each = (health.taken(&host) - before) / MANY as u64;
    assert!(each < 64 * 1024, "{each} bytes each");
    host.becomes_idle().await;
    health.is_good(&host, 256).await;
    drop((http1, http2));
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let settings = "[gateway]\nheader_timeout = \"1h\"\nidle_timeout = \"1s\"";
    let host = attacked(settings, "").await;
    let health = Health::of(&host).await;
    let http1 = over_http1(&host, MANY).await;
    let http2 = over_http2(&host, MANY).await;
    health.is_good(&host, 256).await;
    join_all(http1.into_iter().map(async |mut wire| {
        assert_eq!(wire.rest().await, b"");
    }))
    .await;
    // They do not even confirm that they are to go.
    let codes = join_all(
        http2
            .into_iter()
            .map(async |mut frames| frames.goaway().await),
    )
    .await;
    assert!(
        codes.iter().all(|it| *it == Some(code::NO_ERROR)),
        "{codes:?}"
    );
    health.is_good(&host, 256).await;
}

/// A request in progress is not idleness, however long it takes.
#[tokio::test]
async fn a_request_keeps_its_connection() {
    let settings = "[gateway]\nheader_timeout = \"1s\"\nidle_timeout = \"1s\"";
    let host = attacked(settings, "").await;
    let mut frames = Frames::connect(host.listen, &[]).await;
    frames.get(1, "/misc/sleep/3000").await;
    let mut wire = Wire::connect(host.listen).await;
    wire.send("GET /misc/sleep/3000 HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(wire.response().await.1, "slept 3000");
    assert_eq!(frames.next_of(kind::DATA, 1).await.payload, b"slept 3000");
    assert_eq!(frames.goaway().await, Some(code::NO_ERROR));
}

/// Where they take all the places, those who wait get them in time.
#[tokio::test]
async fn idle_connections_make_room() {
    let settings = "[gateway]\nmax_connections = 64\nheader_timeout = \"1s\"";
    let host = attacked(settings, "").await;
    let health = Health::of(&host).await;
    let mut silent = Vec::new();
    for _ in 0..64 * 3 {
        silent.push(Wire::connect(host.listen).await);
    }
    health.is_good(&host, 16).await;
    join_all(silent.into_iter().map(async |mut wire| {
        assert_eq!(wire.rest().await, b"");
    }))
    .await;
}

/// Whoever reaches the admin listener needs no token to hold connections to it.
#[tokio::test]
async fn the_admin_listener_takes_so_many_connections() {
    const READY: &str = "GET /readyz HTTP/1.1\r\nhost: h\r\n\r\n";
    let host = Host::start().await;
    let mut taken = Vec::new();
    for _ in 0..128 {
        let mut wire = Wire::connect(host.admin).await;
        wire.send(READY).await;
        assert_eq!(wire.head().await.status(), 200);
        taken.push(wire);
    }
    let mut waiting = Wire::connect(host.admin).await;
    waiting.send(READY).await;
    let mut first = taken.swap_remove(0);
    first.send(READY).await;
    first.head().await;
    let read = waiting.stream.try_read(&mut [0]);
    assert!(read.is_err(), "it was not to be taken");
    drop(first);
    assert_eq!(waiting.head().await.status(), 200);
}
