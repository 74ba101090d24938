//! The routes of the bench, as a Dunlin function: what the native peers in
//! `bench/src/server.rs` do, and no more.

#[path = "../../src/work.rs"]
mod work;

use std::time::Duration;

use dunlin::prelude::*;

use crate::work::count_primes;

/// A constant answer.
#[get("/hello")]
async fn hello() -> &'static str {
    "hello"
}

#[model]
struct Nap {
    ms: u64,
}

/// Waits.
#[get("/sleep")]
async fn sleep(Query(nap): Query<Nap>) -> &'static str {
    dunlin::sleep(Duration::from_millis(nap.ms)).await;
    "slept"
}

#[model]
struct Range {
    below: u32,
}

/// Counts primes, declared as CPU work should be.
#[get("/cpu")]
fn cpu(Query(range): Query<Range>) -> String {
    count_primes(range.below).to_string()
}

/// Counts primes, declared `async fn` by mistake.
#[get("/cpu-async")]
async fn cpu_async(Query(range): Query<Range>) -> String {
    count_primes(range.below).to_string()
}

#[model]
struct Upstream {
    url: String,
}

/// Calls the upstream three times at once and sums the lengths of its answers.
#[get("/fanout")]
async fn fanout(Query(upstream): Query<Upstream>) -> Result<String, Error> {
    let length = || length(&upstream.url);
    let (a, b, c) = dunlin::join!(length(), length(), length());
    Ok((a? + b? + c?).to_string())
}

async fn length(url: &str) -> Result<usize, Error> {
    let answer = dunlin::fetch::get(url).send().await?;
    Ok(answer.bytes().await?.len())
}

/// What `bench/src/order.rs` is natively, with rules: the bench's orders keep
/// them.
#[model]
struct Order {
    #[field(ge = 1)]
    id: u64,
    customer: Customer,
    #[field(min_length = 1, max_length = 100)]
    items: Vec<Item>,
    express: bool,
    #[field(ge = 0, lt = 1)]
    discount: Option<f64>,
    #[field(max_length = 1000)]
    note: String,
}

#[model]
struct Customer {
    #[field(min_length = 1, max_length = 200)]
    name: String,
    #[field(max_length = 254)]
    email: String,
    #[field(max_length = 200)]
    street: String,
    #[field(max_length = 200)]
    city: String,
}

#[model]
struct Item {
    #[field(min_length = 3, max_length = 40)]
    sku: String,
    #[field(max_length = 200)]
    title: String,
    #[field(ge = 1, le = 10_000)]
    quantity: u32,
    #[field(gt = 0)]
    price: f64,
}

/// Parses an order, checks it, and serialises it again.
#[post("/echo")]
async fn echo(Json(order): Json<Order>) -> Json<Order> {
    Json(order)
}

/// Sends the body back as it is.
#[post("/bytes")]
async fn bytes(body: Vec<u8>) -> Vec<u8> {
    body
}

dunlin::app![hello, sleep, cpu, cpu_async, fanout, echo, bytes];
