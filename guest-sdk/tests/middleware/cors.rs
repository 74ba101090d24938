//! `Cors`, of an app and of one route.

use dunlin::middleware::Cors;
use dunlin::prelude::*;
use dunlin::testing::{TestClient, TestResponse};
use serde_json::{Value, json};

use super::{NOTES, app, client};

fn preflight(
    client: &TestClient,
    path: &str,
    origin: &str,
    method: &str,
    headers: &str,
) -> TestResponse {
    let mut request = client
        .options(path)
        .header("origin", origin)
        .header("access-control-request-method", method);
    if !headers.is_empty() {
        request = request.header("access-control-request-headers", headers);
    }
    request.send()
}

fn cors_fields(answer: &TestResponse) -> Vec<String> {
    let fields = answer.headers().iter();
    let mut fields: Vec<String> = fields
        .filter(|(name, _)| name.starts_with("access-control") || ["vary", "allow"].contains(name))
        .map(|(name, value)| format!("{name}: {}", value.escape_ascii()))
        .collect();
    fields.sort();
    fields
}

#[test]
fn a_page_of_a_listed_origin_reads_the_answer() {
    let client = client();
    let answer = client
        .get("/items/7")
        .header("origin", "https://shop.example")
        .send();
    assert_eq!(
        cors_fields(&answer),
        [
            "access-control-allow-credentials: true",
            "access-control-allow-origin: https://shop.example",
            "access-control-expose-headers: x-total, x-named",
            "vary: origin",
        ]
    );
    for origin in ["https://evil.example", "https://shop.example.evil", "null"] {
        let answer = client.get("/items/7").header("origin", origin).send();
        assert_eq!(answer.status(), 200);
        assert_eq!(cors_fields(&answer), ["vary: origin"]);
    }
    assert_eq!(
        cors_fields(&client.get("/items/7").send()),
        ["vary: origin"]
    );
}

#[test]
fn preflights() {
    let client = client();
    let answer = preflight(
        &client,
        "/items/7",
        "https://shop.example",
        "PUT",
        "x-token, accept",
    );
    assert_eq!(answer.status(), 204);
    assert_eq!(
        cors_fields(&answer),
        [
            "access-control-allow-credentials: true",
            "access-control-allow-headers: X-Token",
            "access-control-allow-methods: GET, PUT",
            "access-control-allow-origin: https://shop.example",
            "access-control-max-age: 60",
            "vary: access-control-request-method, access-control-request-headers",
            "vary: origin",
        ]
    );
    // It went through what stands outside of `CORS`, and to no handler.
    assert_eq!(NOTES.take(), ["outer in", "outer out"]);
    for (origin, method, headers, reason) in [
        (
            "https://evil.example",
            "PUT",
            "",
            "the origin `https://evil.example`",
        ),
        ("https://shop.example", "DELETE", "", "the method `DELETE`"),
        ("https://shop.example", "put", "", "the method `put`"),
        (
            "https://shop.example",
            "PUT",
            "x-token,x-other",
            "the header `x-other`",
        ),
    ] {
        let answer = preflight(&client, "/items/7", origin, method, headers);
        assert_eq!(answer.status(), 403, "{answer:?}");
        assert_eq!(
            answer.json::<Value>(),
            json!({"detail": format!("CORS: {reason} is not allowed")})
        );
        assert_eq!(answer.header("access-control-allow-methods"), None);
    }
}

#[test]
fn options_without_a_preflight() {
    let client = client();
    let answer = client.options("/items/7").send();
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.header("allow"), Some("GET, PUT, HEAD, OPTIONS"));
    assert_eq!(client.options("/own").send().text(), "mine");
    assert_eq!(client.options("/nothing").send().status(), 404);
    // A preflight is answered even where a handler answers `OPTIONS`.
    let answer = preflight(&client, "/own", "https://shop.example", "GET", "");
    assert_eq!(
        answer.header("access-control-allow-methods"),
        Some("GET, PUT")
    );
}

#[test]
fn the_host_learns_which_preflights_to_send() {
    let description: Value = app().describe().parse().unwrap();
    let routes = description["routes"].as_array().unwrap();
    let routes: Vec<_> = routes
        .iter()
        .map(|route| (&route["method"], &route["path"], &route["lane"]))
        .collect();
    assert_eq!(routes.len(), 7);
    assert_eq!(
        routes[5],
        (&json!("OPTIONS"), &json!("/items/{id}"), &json!("async"))
    );
    assert_eq!(
        routes[6],
        (&json!("OPTIONS"), &json!("/admin"), &json!("async"))
    );
    // Nobody needs to read of them.
    assert!(description["openapi"]["paths"]["/admin"]["options"].is_null());
    assert!(description["openapi"]["paths"]["/admin"]["get"]["responses"]["default"].is_object());
}

mod of_a_route {
    use super::*;

    const ANY: Cors = Cors::any_origin();

    #[get("/open", middleware = [ANY])]
    async fn open() -> impl IntoResponse {
        ([("access-control-allow-origin", "forged")], ())
    }

    #[post("/open")]
    async fn closed() {}

    #[get("/other")]
    async fn other() {}

    mod root {
        dunlin::app![super::open, super::closed, super::other];
    }

    #[test]
    fn cors_of_one_route() {
        let client = TestClient::new(root::app());
        let answer = client
            .get("/open")
            .header("origin", "https://any.example")
            .send();
        assert_eq!(cors_fields(&answer), ["access-control-allow-origin: *"]);
        let answer = preflight(&client, "/open", "https://any.example", "GET", "x-a, X-B");
        assert_eq!(
            cors_fields(&answer),
            [
                "access-control-allow-headers: x-a, X-B",
                "access-control-allow-methods: GET",
                "access-control-allow-origin: *",
                "access-control-max-age: 600",
                "vary: access-control-request-method, access-control-request-headers",
            ]
        );
        // The other route of the path has none.
        let answer = preflight(&client, "/open", "https://any.example", "POST", "");
        assert_eq!(cors_fields(&answer), ["allow: GET, POST, HEAD, OPTIONS"]);
        assert_eq!(client.options("/other").send().status(), 405);
    }
}
