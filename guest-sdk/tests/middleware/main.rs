//! Middleware, as functions use it.

mod compressed;
mod cors;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use dunlin::middleware::{Cors, Middleware, Next, RequestId, request_id, require};
use dunlin::prelude::*;
use dunlin::testing::TestClient;

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
