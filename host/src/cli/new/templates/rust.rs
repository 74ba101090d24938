//! A function: each handler answers a route. An `async fn` may wait as long as
//! it likes; thousands of requests wait side by side. Code that computes for
//! more than a few milliseconds belongs in a plain `fn`.

use dunlin::prelude::*;

/// Greets everyone.
#[get("/")]
async fn index() -> &'static str {
    "Hello from {{name}}!"
}

/// Greets someone: `/hello/Ada?times=2`.
#[get("/hello/{who}")]
async fn hello(Path(who): Path<String>, Query(options): Query<Options>) -> String {
    format!("Hello, {who}! ").repeat(options.times.into())
}

/// What may stand behind the `?`. What does not fit is answered with 422.
#[model]
struct Options {
    #[serde(default = "once")]
    times: u8,
}

fn once() -> u8 {
    1
}

/// Adds up an order: `curl -d '{"item":"tea","price":3,"count":2}'`, with
/// `-H 'content-type: application/json'`.
#[post("/orders")]
async fn order(Json(order): Json<Order>) -> (StatusCode, Json<Receipt>) {
    let total = order.price * u64::from(order.count);
    let item = order.item;
    (StatusCode::CREATED, Json(Receipt { item, total }))
}

#[model]
struct Order {
    item: String,
    price: u64,
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
    use dunlin::testing::block_on;

    #[test]
    fn greets() {
        let answer = block_on(app().call(Request::get("/hello/Ada?times=2")));
        let text = block_on(answer.text()).expect("a text");
        assert_eq!(text, "Hello, Ada! Hello, Ada! ");
    }
}
