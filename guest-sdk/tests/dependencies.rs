//! Dependencies, as functions use them.

mod problems;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use dunlin::extract::{Invalid, Problem};
use dunlin::prelude::*;
use dunlin::testing::TestClient;
use serde_json::{Value, json};

use self::problems::problems;

thread_local! {
    static NOTES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static OPENED: Cell<u32> = const { Cell::new(0) };
}

fn note(text: impl Into<String>) {
    NOTES.with_borrow_mut(|notes| notes.push(text.into()));
}

/// Has to be closed.
struct Session {
    number: u32,
}

#[dependency(teardown = close)]
async fn session() -> Session {
    dunlin::sleep(Duration::from_secs(1)).await;
    let number = OPENED.get() + 1;
    OPENED.set(number);
    note(format!("open {number}"));
    Session { number }
}

async fn close(session: Session) {
    dunlin::sleep(Duration::from_secs(5)).await;
    note(format!("close {}", session.number));
}

#[model]
struct Page {
    #[serde(default)]
    limit: u32,
    page: u32,
}

/// What a query asks for, checked.
#[derive(Debug)]
struct Paging {
    skip: u32,
    limit: u32,
}

#[dependency]
fn paging(Query(page): Query<Page>) -> Result<Paging, Invalid> {
    if page.limit > 100 {
        let problem = Problem::new(&["query", "limit"], "too_large", "At most 100", "");
        return Err(problem.into());
    }
    Ok(Paging {
        skip: page.page * page.limit,
        limit: page.limit,
    })
}

struct User {
    name: String,
    session: Dep<Session>,
}

#[dependency]
async fn current_user(headers: Headers, session: Dep<Session>) -> Result<User, HttpError> {
    match headers.get("x-user") {
        Some(name) => Ok(User {
            name: name.to_owned(),
            session,
        }),
        None => Err(HttpError::new(StatusCode::UNAUTHORIZED, "Who are you?")),
    }
}

struct Admin;

#[dependency]
async fn admin(user: Dep<User>) -> Result<Admin, HttpError> {
    match user.name.as_str() {
        "root" => Ok(Admin),
        _ => Err(HttpError::new(StatusCode::FORBIDDEN, "Not for you")),
    }
}

#[get("/items/{id}")]
async fn items(Path(id): Path<u32>, paging: Dep<Paging>, Dep(user): Dep<User>) -> String {
    note("handler");
    let Paging { skip, limit } = *paging;
    format!("{} {id} {skip} {limit}", user.name)
}

#[get("/admin")]
async fn only_admin(_: Dep<Admin>, user: Dep<User>, session: Dep<Session>) -> String {
    format!("{} {} {}", user.name, user.session.number, session.number)
}

/// Asks for its paging twice, in two ways.
struct Window {
    paging: Dep<Paging>,
}

#[dependency]
async fn window(paging: Dep<Paging>) -> Window {
    Window { paging }
}

#[get("/twice")]
async fn twice(window: Dep<Window>, paging: Dep<Paging>) -> String {
    (window.paging.limit + paging.limit).to_string()
}

#[get("/optional")]
async fn optional(user: Result<Dep<User>, dunlin::extract::Rejection>) -> String {
    user.map_or_else(|_| "nobody".into(), |user| user.name.clone())
}

/// Does without a paging, but not without a window.
#[get("/window")]
async fn windowed(
    paging: Result<Dep<Paging>, dunlin::extract::Rejection>,
    window: Dep<Window>,
) -> String {
    format!("{} {}", paging.is_ok(), window.paging.limit)
}

/// Holds its session until the last byte is sent.
#[get("/stream")]
async fn stream(session: Dep<Session>) -> Body {
    Body::produce(async move |mut out| {
        out.send("a").await;
        out.send(format!("b{}", session.number)).await;
        note("streamed");
        Ok(())
    })
}

dunlin::app![items, twice, windowed, only_admin, optional, stream];

fn client() -> TestClient {
    NOTES.take();
    OPENED.set(0);
    TestClient::new(app())
}

#[test]
fn a_value_is_provided_once_in_a_request() {
    let client = TestClient::native(app());
    OPENED.set(0);
    let answer = client.get("/admin").header("x-user", "root").send();
    assert_eq!(answer.text(), "root 1 1");
    let answer = client.get("/admin").header("x-user", "root").send();
    assert_eq!(answer.text(), "root 2 2");
    let answer = client.get("/admin").header("x-user", "ada").send();
    assert_eq!(answer.status(), 403);
    // Opening and closing, three times.
    assert_eq!(client.elapsed(), Duration::from_secs(18));
}

#[test]
fn a_value_is_torn_down_after_the_answer() {
    let client = client();
    let answer = client
        .get("/items/7?page=2&limit=10")
        .header("x-user", "ada")
        .send();
    assert_eq!(answer.text(), "ada 7 20 10");
    assert_eq!(NOTES.take(), ["open 1", "handler", "close 1"]);
    // A body that needs it keeps it.
    let answer = client.get("/stream").send();
    assert_eq!(answer.chunk().unwrap().unwrap(), b"a");
    assert_eq!(answer.text(), "b2");
    assert_eq!(NOTES.take(), ["open 2", "streamed", "close 2"]);
    // When something else fails, too.
    assert_eq!(client.get("/items/7?page=2").send().status(), 401);
    assert_eq!(NOTES.take(), ["open 3", "close 3"]);
}

#[test]
fn problems_of_dependencies_are_in_the_one_answer() {
    let client = client();
    let answer = client
        .get("/items/x?limit=y")
        .header("x-user", "ada")
        .send();
    let told = problems(&answer);
    let places: Vec<_> = told.iter().map(|p| &p["loc"]).collect();
    assert_eq!(
        places,
        [
            &json!(["path", "id"]),
            &json!(["query", "limit"]),
            &json!(["query", "page"])
        ]
    );
    // Those that the provider finds by itself, too.
    let answer = client
        .get("/items/x?page=1&limit=101")
        .header("x-user", "ada")
        .send();
    assert_eq!(problems(&answer).len(), 2);
}

#[test]
fn a_problem_is_told_once() {
    let client = client();
    let answer = client.get("/twice?page=1&limit=5").send();
    assert_eq!(answer.text(), "10");
    for path in ["/twice", "/window"] {
        let answer = client.get(path).query(&[("limit", "5")]).send();
        assert_eq!(problems(&answer).len(), 1, "{path}");
    }
}

#[test]
fn the_handler_may_take_the_failure() {
    let client = client();
    assert_eq!(client.get("/optional").send().text(), "nobody");
    assert_eq!(
        client
            .get("/optional")
            .header("x-user", "ada")
            .send()
            .text(),
        "ada"
    );
}

#[test]
fn tests_provide_values_of_their_own() {
    let client = client();
    client.provide(|| Admin);
    client.provide(|| Session { number: 42 });
    client.provide_with(async |parts: &mut dunlin::Parts| {
        let name = parts.headers().get("x-test").unwrap_or("root").to_owned();
        dunlin::sleep(Duration::from_secs(1)).await;
        match name.as_str() {
            "nobody" => Err(HttpError::new(StatusCode::UNAUTHORIZED, "no")),
            _ => Ok(User {
                name,
                session: session_of(parts).await,
            }),
        }
    });
    assert_eq!(client.get("/admin").send().text(), "root 42 42");
    assert_eq!(
        client
            .get("/optional")
            .header("x-test", "nobody")
            .send()
            .text(),
        "nobody"
    );
    assert_eq!(NOTES.take(), [""; 0]);
}

async fn session_of(parts: &mut dunlin::Parts) -> Dep<Session> {
    use dunlin::extract::FromRequestParts as _;
    Dep::from_request_parts(parts)
        .await
        .expect("a test provides it")
}

#[test]
fn the_documentation_says_what_dependencies_ask_for() {
    let document: Value = app().openapi().parse().unwrap();
    let operation = &document["paths"]["/items/{id}"]["get"];
    let parameters = operation["parameters"].as_array().unwrap();
    let names: Vec<_> = parameters
        .iter()
        .map(|p| (&p["name"], &p["required"]))
        .collect();
    let expected =
        [("id", true), ("limit", false), ("page", true)].map(|(n, r)| (json!(n), json!(r)));
    assert_eq!(
        names,
        expected.each_ref().map(|(name, required)| (name, required))
    );
    assert!(operation["responses"]["422"].is_object(), "{operation}");
    assert!(operation["responses"]["default"].is_object(), "{operation}");
}
