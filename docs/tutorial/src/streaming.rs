//! Answers that come piece by piece, and bodies that do.

use dunlin::prelude::*;
use dunlin::stream::{self, Stream, StreamExt as _};
use std::time::Duration;

#[get("/export")]
async fn export() -> Body {
    Body::produce(async |mut out| {
        for row in 1..=3 {
            out.send(format!("row {row}\n")).await;
        }
        Ok(())
    })
}

#[model]
struct Price {
    item: &'static str,
    cents: u32,
}

fn prices() -> impl Stream<Item = Price> {
    stream::iter([("tea", 300), ("rice", 200)]).map(|(item, cents)| Price { item, cents })
}

#[get("/prices")]
async fn price_lines() -> JsonLines<impl Stream<Item = Price>> {
    JsonLines(prices())
}

#[get("/ticker")]
async fn ticker(LastEventId(seen): LastEventId) -> Sse<impl Stream<Item = Event>> {
    let seen = seen.and_then(|id| id.parse().ok()).unwrap_or(0);
    let events = stream::iter(seen + 1..=3).then(async |n| {
        dunlin::sleep(Duration::from_secs(1)).await;
        Event::new()
            .id(n)
            .event("price")
            .data(format!("{} cents", 300 + n))
    });
    Sse::new(events)
}

#[post("/count")]
async fn count(mut body: Body) -> Result<String, Error> {
    let mut lines = 0;
    while let Some(piece) = body.chunk().await? {
        lines += piece.iter().filter(|byte| **byte == b'\n').count();
    }
    Ok(format!("lines: {lines}"))
}

dunlin::app![export, price_lines, ticker, count];
