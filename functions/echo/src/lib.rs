//! Streams: back as they come, parsed, and made up piece by piece.

use std::time::Duration;

use dunlin::openapi::Operation;
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
async fn count(Path(n): Path<u64>, Query(pace): Query<Pace>) -> Lines {
    Lines(Body::produce(async move |mut out| {
        for line in 1..=n {
            out.send(format!("{line}\n")).await;
            if pace.millis > 0 && line < n {
                dunlin::sleep(Duration::from_millis(pace.millis)).await;
            }
        }
        Ok(())
    }))
}

/// A text that is sent piece by piece.
struct Lines(Body);

impl IntoResponse for Lines {
    fn into_response(self) -> Response {
        ([("content-type", "text/plain; charset=utf-8")], self.0).into_response()
    }

    fn describe(operation: &mut Operation) {
        let text = operation.schema::<String>();
        operation.success_of("text/plain", Some(text));
    }
}

dunlin::app![echo, echo_json, count];

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin::testing::TestClient;

    #[test]
    fn the_body_comes_back() {
        let client = TestClient::new(app());
        assert_eq!(client.post("/").body("abc").send().text(), "abc");
    }

    #[test]
    fn orders_are_parsed() {
        let client = TestClient::new(app());
        let order = Order {
            id: 1,
            customer: "Ada".into(),
            items: vec![Item {
                name: "tea".into(),
                price: 2.5,
                quantity: 4,
            }],
            express: true,
        };
        let answer = client.post("/json").json(&order).send();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.json::<Order>(), order);
        let answer = client
            .post("/json")
            .header("content-type", "application/json")
            .body(r#"{"id":"x"}"#)
            .send();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let answer = answer.text();
        assert_eq!(answer.matches("\"type\"").count(), 3, "{answer}");
    }

    #[test]
    fn lines_are_counted() {
        let client = TestClient::new(app());
        let answer = client.get("/count/3").query(&[("millis", 1)]).send();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.text(), "1\n2\n3\n");
    }

    #[test]
    fn a_line_comes_when_it_is_due() {
        let client = TestClient::native(app());
        let answer = client.get("/count/3?millis=60000").send();
        for (line, seconds) in [("1\n", 0), ("2\n", 60), ("3\n", 120)] {
            let piece = answer.chunk().expect("is whole");
            assert_eq!(piece.as_deref(), Some(line.as_bytes()));
            assert_eq!(client.elapsed(), Duration::from_secs(seconds));
        }
    }
}
