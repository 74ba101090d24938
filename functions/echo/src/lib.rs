//! Streams: back as they come, parsed, and made up piece by piece.

use std::time::Duration;

use dunlin::prelude::*;

/// Sends the body back while it still comes in.
///
/// The function never holds it whole, so its size does not matter; a slow
/// reader slows the sender down.
#[post("/")]
async fn echo(body: Body) -> Body {
    body
}

/// An order. Its JSON is parsed and written anew.
#[model]
#[derive(PartialEq)]
struct Order {
    id: u64,
    customer: String,
    items: Vec<Item>,
    #[serde(default)]
    express: bool,
}

/// A line of an [`Order`].
#[model]
#[derive(PartialEq)]
struct Item {
    name: String,
    price: f64,
    quantity: u32,
}

/// Parses an order and sends it back.
///
/// What is wrong with it is told in a 422 that lists every mistake.
#[post("/json")]
async fn echo_json(Json(order): Json<Order>) -> Json<Order> {
    Json(order)
}

/// How fast to count.
#[model]
struct Pace {
    /// Milliseconds between two lines.
    #[serde(default)]
    millis: u64,
}

/// Counts up to `n`, a line at a time, each as soon as it is due.
#[get("/count/{n}")]
async fn count(Path(n): Path<u64>, Query(pace): Query<Pace>) -> impl IntoResponse {
    let lines = Body::produce(async move |mut out| {
        for line in 1..=n {
            out.send(format!("{line}\n")).await;
            if pace.millis > 0 && line < n {
                dunlin::sleep(Duration::from_millis(pace.millis)).await;
            }
        }
        Ok(())
    });
    ([("content-type", "text/plain; charset=utf-8")], lines)
}

dunlin::app![echo, echo_json, count];

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin::testing::block_on;

    fn call(request: Request) -> (StatusCode, String) {
        let answer = block_on(app().call(request));
        (answer.status(), block_on(answer.text()).unwrap())
    }

    #[test]
    fn the_body_comes_back() {
        assert_eq!(
            call(Request::post("/").with_body("abc")),
            (StatusCode::OK, "abc".into())
        );
    }

    #[test]
    fn orders_are_parsed() {
        let order =
            r#"{"id":1,"customer":"Ada","items":[{"name":"tea","price":2.5,"quantity":4}]}"#;
        let (status, answer) = call(Request::post("/json").with_json(order));
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer, order.replace("]}", r#"],"express":false}"#));
        let (status, answer) = call(Request::post("/json").with_json(r#"{"id":"x"}"#));
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.matches("\"type\"").count(), 3, "{answer}");
    }

    #[test]
    fn lines_are_counted() {
        let answer = call(Request::get("/count/3?millis=1"));
        assert_eq!(answer, (StatusCode::OK, "1\n2\n3\n".into()));
    }
}
