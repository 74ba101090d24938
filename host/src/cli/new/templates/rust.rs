//! A function: each handler answers a route. An `async fn` may wait as long as
//! it likes; thousands of requests wait side by side. Code that computes for
//! more than a few milliseconds belongs in a plain `fn`.

use dunlin::prelude::*;

/// Greets everyone.
#[get("/")]
async fn index() -> &'static str {
    "Hello from {{name}}!"
}

/// Greets someone: `/hello/Ada?times=2`. What does not fit is answered with 422.
#[get("/hello/{who}")]
async fn hello(who: String, #[query(default = 1, le = 10)] times: u8) -> String {
    format!("Hello, {who}! ").repeat(times.into())
}

/// Adds up an order: `curl -d '{"item":"tea","price":3,"count":2}'`, with
/// `-H 'content-type: application/json'`.
#[post("/orders", status = 201)]
async fn order(Json(order): Json<Order>) -> Json<Receipt> {
    let total = u64::from(order.price) * u64::from(order.count);
    let item = order.item;
    Json(Receipt { item, total })
}

#[model]
struct Order {
    #[field(min_length = 1)]
    item: String,
    price: u32,
    #[field(ge = 1)]
    count: u32,
}

#[model]
struct Receipt {
    item: String,
    total: u64,
}

dunlin::app![index, hello, order];

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin::testing::TestClient;

    #[test]
    fn greets() {
        let client = TestClient::new(app());
        let answer = client.get("/hello/Ada?times=2").send();
        assert_eq!(answer.text(), "Hello, Ada! Hello, Ada! ");
        assert_eq!(client.get("/hello/Ada?times=11").send().status(), 422);
    }
}
