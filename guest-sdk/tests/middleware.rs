//! Middleware, as functions use it.

use std::cell::{Cell, RefCell};
use std::io::Read as _;
use std::time::Duration;

use dunlin::middleware::{Compress, Cors, Middleware, Next, RequestId, request_id, require};
use dunlin::prelude::*;
use dunlin::testing::{TestClient, TestResponse};
use serde_json::{Value, json};

thread_local! {
    static NOTES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn note(text: &str) {
    NOTES.with_borrow_mut(|notes| notes.push(text.to_owned()));
}

async fn outer(request: Request, next: Next) -> Response {
    note("outer in");
    let answer = next.run(request).await;
    note("outer out");
    answer.with_header("x-outer", "1")
}

/// Answers by itself when it is told to.
async fn inner(mut request: Request, next: Next) -> Result<Response, HttpError> {
    note("inner in");
    if request.headers().contains("x-refuse") {
        return Err(HttpError::new(StatusCode::IM_A_TEAPOT, "refused"));
    }
    request.headers_mut().insert("x-seen", "inner");
    request.extensions_mut().insert(Noted("by middleware"));
    let answer = next.run(request).await;
    note("inner out");
    Ok(answer)
}

struct Noted(&'static str);

struct Named(&'static str);

impl Middleware for Named {
    async fn handle(&self, request: Request, next: Next) -> Response {
        next.run(request).await.with_header("x-named", self.0)
    }
}

const CORS: Cors = Cors::origins(&["https://shop.example"])
    .credentials()
    .headers(&["X-Token"])
    .methods(&["GET", "PUT"])
    .expose(&["x-total", "x-named"])
    .max_age(Duration::from_secs(60));

#[get("/items/{id}", middleware = [inner, Named("route")], tags = ["items"])]
async fn read(Path(id): Path<u32>, request: Request) -> String {
    note("handler");
    let noted = request
        .extensions()
        .get::<Noted>()
        .map_or("nothing", |noted| noted.0);
    format!(
        "{id} {} {noted}",
        request.headers().get("x-seen").unwrap_or("-")
    )
}

#[put("/items/{id}")]
fn write(Path(id): Path<u32>) -> String {
    id.to_string()
}

#[get("/own")]
async fn own() {}

#[options("/own")]
async fn own_options() -> &'static str {
    "mine"
}

struct Admin;

#[dependency]
async fn admin(headers: Headers) -> Result<Admin, HttpError> {
    match headers.get("x-token") {
        Some("secret") => Ok(Admin),
        _ => Err(HttpError::new(StatusCode::FORBIDDEN, "Not for you")),
    }
}

#[get("/admin", dependencies = [Dep<Admin>], middleware = [require::<RequestId>()])]
async fn only_admin(id: RequestId) -> String {
    id.as_str().to_owned()
}

dunlin::app! {
    title: "Middleware",
    routes: [read, write, own, own_options, only_admin],
    middleware: [outer, CORS, request_id],
}

fn client() -> TestClient {
    NOTES.take();
    TestClient::new(app())
}

#[test]
fn the_first_is_the_outermost() {
    let client = client();
    let answer = client.get("/items/7").send();
    assert_eq!(answer.text(), "7 inner by middleware");
    assert_eq!(answer.header("x-outer"), Some("1"));
    assert_eq!(answer.header("x-named"), Some("route"));
    assert_eq!(
        NOTES.take(),
        ["outer in", "inner in", "handler", "inner out", "outer out"]
    );
    // Plain `fn`s too; other routes have no part in a route's own.
    let answer = client.put("/items/7").send();
    assert_eq!(
        (answer.text().as_str(), answer.header("x-named")),
        ("7", None)
    );
    assert_eq!(NOTES.take(), ["outer in", "outer out"]);
}

#[test]
fn middleware_may_answer_by_itself() {
    let answer = client().get("/items/7").header("x-refuse", "1").send();
    assert_eq!(answer.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(answer.header("x-outer"), Some("1"));
    assert_eq!(NOTES.take(), ["outer in", "inner in", "outer out"]);
}

#[test]
fn dependencies_without_a_value() {
    let client = client();
    assert_eq!(client.get("/admin").send().status(), 403);
    let answer = client
        .get("/admin")
        .header("x-token", "secret")
        .header("x-request-id", "me")
        .send();
    assert_eq!(
        (answer.text().as_str(), answer.header("x-request-id")),
        ("me", Some("me"))
    );
    let answer = client
        .get("/admin")
        .header("x-token", "secret")
        .header("x-request-id", "un sound")
        .send();
    let id = answer.text();
    assert!(
        id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    assert_eq!(answer.header("x-request-id"), Some(id.as_str()));
}

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

mod compressed {
    use super::*;
    use std::sync::OnceLock;

    const COMPRESS: Compress = Compress::new().min_bytes(100);

    fn long() -> &'static str {
        static LONG: OnceLock<String> = OnceLock::new();
        LONG.get_or_init(|| "All work and no play makes Jack a dull boy.\n".repeat(1000))
    }

    #[get("/text")]
    async fn text() -> impl IntoResponse {
        ([("etag", "\"1\""), ("content-length", "44000")], long())
    }

    #[get("/short")]
    async fn short() -> &'static str {
        "short"
    }

    #[get("/image")]
    async fn image() -> impl IntoResponse {
        ([("content-type", "image/png")], long())
    }

    #[get("/as-it-is")]
    async fn as_it_is() -> impl IntoResponse {
        ([("cache-control", "public, no-transform")], long())
    }

    #[get("/stream")]
    async fn stream() -> impl IntoResponse {
        let body = Body::produce(async |mut out| {
            for n in 0..3 {
                out.send(format!("line {n}\n")).await;
                dunlin::sleep(Duration::from_secs(1)).await;
            }
            Ok(())
        });
        ([("content-type", "application/x-ndjson")], body)
    }

    #[get("/cut")]
    async fn cut() -> impl IntoResponse {
        let body = Body::produce(async |mut out| {
            out.send("half").await;
            Err(Error::msg("no more"))
        });
        ([("content-type", "text/plain")], body)
    }

    mod root {
        dunlin::app! {
            routes: [super::text, super::short, super::image, super::as_it_is, super::stream, super::cut],
            middleware: [super::COMPRESS],
        }
    }

    fn get(path: &str) -> TestResponse {
        let client = TestClient::native(root::app());
        client
            .get(path)
            .header("accept-encoding", "br, gzip")
            .send()
    }

    fn unpacked(bytes: &[u8]) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes)
            .read_to_string(&mut text)
            .expect("is gzip");
        text
    }

    #[test]
    fn a_whole_body() {
        let answer = get("/text");
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        assert_eq!(answer.header("etag"), Some("W/\"1\""));
        assert_eq!(answer.header("content-length"), None);
        assert!(answer.bytes().len() < 1000);
        assert_eq!(unpacked(&answer.bytes()), long());
    }

    #[test]
    fn what_is_left_as_it_is() {
        for (path, vary) in [("/short", true), ("/image", false), ("/as-it-is", false)] {
            let answer = get(path);
            assert_eq!(answer.header("content-encoding"), None, "{path}");
            assert_eq!(answer.header("vary").is_some(), vary, "{path}");
        }
        let client = TestClient::new(root::app());
        let answer = client.get("/text").send();
        assert_eq!(answer.text(), long());
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
    }

    #[test]
    fn each_piece_of_a_stream_can_be_read_at_once() {
        let client = TestClient::native(root::app());
        let answer = client
            .get("/stream")
            .header("accept-encoding", "gzip")
            .send();
        let mut unpacker = flate2::write::GzDecoder::new(Vec::new());
        for n in 0..3 {
            std::io::Write::write_all(&mut unpacker, &answer.chunk().unwrap().unwrap()).unwrap();
            std::io::Write::flush(&mut unpacker).unwrap();
            let text = std::mem::take(unpacker.get_mut());
            assert_eq!(String::from_utf8(text).unwrap(), format!("line {n}\n"));
            assert_eq!(client.elapsed(), Duration::from_secs(n));
        }
        std::io::Write::write_all(&mut unpacker, &answer.bytes()).unwrap();
        assert_eq!(unpacker.finish().unwrap(), b"");
    }

    #[test]
    fn a_stream_that_is_cut_is_cut() {
        let answer = get("/cut");
        assert!(answer.chunk().unwrap().is_some());
        assert!(answer.chunk().is_err());
    }
}

#[derive(Default)]
struct Hits(Cell<u32>);

mod shared {
    use super::*;

    #[get("/")]
    async fn hits(State(hits): State<Hits>) -> String {
        hits.0.set(hits.0.get() + 1);
        hits.0.get().to_string()
    }

    mod root {
        dunlin::app![super::hits];
    }

    #[test]
    fn state_is_that_of_an_instance() {
        let (one, other) = (
            TestClient::native(root::app()),
            TestClient::native(root::app()),
        );
        assert_eq!(one.get("/").send().text(), "1");
        assert_eq!(one.get("/").send().text(), "2");
        assert_eq!(other.get("/").send().text(), "1");
    }
}
