//! Answers that come piece by piece, through the app.

use std::cell::Cell;
use std::time::Duration;

use dunlin::prelude::*;
use dunlin::stream::{self, Stream, StreamExt as _};
use dunlin::testing::TestClient;

#[model]
struct Price {
    cents: u32,
}

fn prices() -> impl Stream<Item = Price> {
    stream::iter([Price { cents: 1 }, Price { cents: 2 }])
}

#[get("/lines")]
async fn lines() -> JsonLines<impl Stream<Item = Price>> {
    JsonLines(prices())
}

#[get("/lines/cut")]
async fn lines_cut() -> JsonLines<impl Stream<Item = Result<Price, Error>>> {
    JsonLines(
        prices()
            .map(Ok)
            .chain(stream::iter([Err(Error::msg("no more"))])),
    )
}

#[get("/text")]
async fn text() -> TextStream<impl Stream<Item = &'static str>> {
    TextStream(stream::iter(["a", "b"]))
}

/// One event at once, one after 40 seconds, then the end after 10 more.
#[get("/events")]
async fn events(LastEventId(last): LastEventId) -> Sse<impl Stream<Item = Event>> {
    let last: u32 = last.and_then(|id| id.parse().ok()).unwrap_or_default();
    let waits = [0, 40, 10];
    Sse::new(
        stream::iter(waits)
            .enumerate()
            .then(move |(index, wait)| async move {
                dunlin::sleep(Duration::from_secs(wait)).await;
                let id = last + index as u32 + 1;
                Event::new()
                    .event("price")
                    .id(id)
                    .json(&Price { cents: id })
            }),
    )
}

thread_local! {
    static RUNNING: Cell<u32> = const { Cell::new(0) };
}

struct Running;

impl Running {
    fn start() -> Self {
        RUNNING.set(RUNNING.get() + 1);
        Running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.set(RUNNING.get() - 1);
    }
}

#[get("/endless")]
async fn endless() -> Sse<impl Stream<Item = Event>> {
    let events = stream::unfold(Running::start(), |running| async {
        dunlin::sleep(Duration::from_secs(1)).await;
        Some((Event::new().data("tick"), running))
    });
    Sse::new(events).ping_after(Duration::from_millis(600))
}

dunlin::app![lines, lines_cut, text, events, endless];

#[test]
fn lines_of_json() {
    let client = TestClient::native(app());
    let answer = client.get("/lines").send();
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.text(), "{\"cents\":1}\n{\"cents\":2}\n");
}

#[test]
fn an_error_cuts_the_lines_off() {
    let client = TestClient::native(app());
    let answer = client.get("/lines/cut").send();
    assert!(answer.chunk().unwrap().is_some());
    assert!(answer.chunk().unwrap().is_some());
    assert!(answer.chunk().is_err());
}

#[test]
fn texts_come_piece_by_piece() {
    let client = TestClient::native(app());
    let answer = client.get("/text").send();
    assert_eq!(answer.chunk().unwrap().as_deref(), Some(b"a".as_slice()));
    assert_eq!(answer.chunk().unwrap().as_deref(), Some(b"b".as_slice()));
    assert_eq!(answer.chunk().unwrap(), None);
}

#[test]
fn silence_is_broken_by_pings() {
    let client = TestClient::native(app());
    let answer = client.get("/events").send();
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    assert_eq!(
        answer.text(),
        "event: price\nid: 1\ndata: {\"cents\":1}\n\n\
         : ping\n\n\
         : ping\n\n\
         event: price\nid: 2\ndata: {\"cents\":2}\n\n\
         event: price\nid: 3\ndata: {\"cents\":3}\n\n"
    );
    assert_eq!(client.elapsed(), Duration::from_secs(50));
}

#[test]
fn a_client_goes_on_where_it_left_off() {
    let client = TestClient::native(app());
    let answer = client.get("/events").header("last-event-id", "7").send();
    assert!(answer.text().starts_with("event: price\nid: 8\n"));
}

#[test]
fn a_client_that_goes_ends_the_stream() {
    let client = TestClient::native(app());
    let answer = client.get("/endless").send();
    let next = || String::from_utf8(answer.chunk().unwrap().unwrap()).unwrap();
    assert_eq!(next(), ": ping\n\n");
    assert_eq!(next(), "data: tick\n\n");
    assert_eq!(next(), ": ping\n\n");
    assert_eq!(RUNNING.get(), 1);
    drop(answer);
    assert_eq!(RUNNING.get(), 0);
}

#[test]
fn streams_are_documented() {
    let described: serde_json::Value = serde_json::from_str(&app().describe()).unwrap();
    let paths = &described["openapi"]["paths"];
    let content = &paths["/lines"]["get"]["responses"]["200"]["content"];
    assert_eq!(
        content["application/x-ndjson"]["schema"]["$ref"],
        "#/components/schemas/Price"
    );
    let events = &paths["/events"]["get"];
    let content = &events["responses"]["200"]["content"];
    assert_eq!(content["text/event-stream"]["schema"]["type"], "string");
    assert_eq!(events["parameters"][0]["name"], "last-event-id");
    assert_eq!(events["parameters"][0]["in"], "header");
    assert_eq!(events["parameters"][0]["required"], false);
}
