//! What requests share, and what goes on after the answer.

use dunlin::prelude::*;
use std::cell::Cell;
use std::time::Duration;

#[derive(Default)]
struct Hits {
    count: Cell<u64>,
}

#[get("/hits")]
async fn hits(hits: State<Hits>) -> String {
    hits.count.set(hits.count.get() + 1);
    format!("{} since this instance began", hits.count.get())
}

#[post("/orders/{id}", status = 202)]
async fn order(id: u32) -> &'static str {
    dunlin::spawn(async move {
        dunlin::sleep(Duration::from_secs(1)).await;
        println!("the mail for order {id} is out");
    });
    "You will get a mail."
}

#[get("/greeting")]
async fn greeting() -> String {
    dunlin::var("GREETING").unwrap_or("Hello".into())
}

dunlin::app![hits, order, greeting];
