//! The code of docs/fastapi.md, which quotes it: what FastAPI's tutorial says,
//! said with Dunlin.

mod answers;

use std::collections::BTreeMap;
use std::time::Duration;

use dunlin::Router;
use dunlin::middleware::{Compress, Cors, Next, require};
use dunlin::prelude::*;
use dunlin::security::{Basic, Bearer};
use dunlin::testing::TestClient;
use futures::stream::{self, Stream, StreamExt as _};
use serde_json::{Value, json};

// First steps

#[get("/")]
async fn root() -> Json<BTreeMap<&'static str, &'static str>> {
    Json(BTreeMap::from([("message", "Hello World")]))
}

// Path parameters

#[get("/items/{item_id}")]
async fn read_item(item_id: u32) -> Json<Read> {
    Json(Read { item_id })
}

#[model]
struct Read {
    item_id: u32,
}

#[model]
#[serde(rename_all = "lowercase")]
enum ModelName {
    Alexnet,
    Resnet,
    Lenet,
}

#[get("/models/{model_name}")]
async fn get_model(model_name: ModelName) -> Json<ModelName> {
    Json(model_name)
}

#[get("/files/{*file_path}")]
async fn read_file(file_path: String) -> String {
    file_path
}

// Query parameters

#[get("/page")]
async fn page(
    #[query(default)] skip: u32,
    #[query(default = 10, le = 100)] limit: u32,
    #[query] q: Option<String>,
) -> String {
    format!("{skip} {limit} {q:?}")
}

#[get("/search")]
async fn search(
    /// What to look for.
    #[query(
        alias = "item-query",
        min_length = 3,
        max_length = 50,
        pattern = "^fixed"
    )]
    query: Option<String>,
    #[query(default)] tag: Vec<String>,
) -> String {
    format!("{query:?} {tag:?}")
}

#[model]
#[serde(deny_unknown_fields)]
struct Filter {
    #[field(default = 100, gt = 0, le = 100)]
    limit: u32,
    #[field(default)]
    offset: u32,
}

#[get("/filtered")]
async fn filtered(Query(filter): Query<Filter>) -> Json<Filter> {
    Json(filter)
}

#[get("/numbers/{id}")]
async fn numbers(
    #[path(ge = 1, le = 1000)] id: u32,
    #[query(gt = 0, lt = 10.5)] size: f64,
) -> String {
    format!("{id} {size}")
}

// Bodies

#[model]
struct Item {
    #[field(examples = ["Foo"])]
    name: String,
    #[field(max_length = 300, title = "The description of the item")]
    description: Option<String>,
    #[field(gt = 0)]
    price: f64,
    tax: Option<f64>,
    #[field(default)]
    tags: Vec<String>,
    image: Option<Image>,
}

#[model]
struct Image {
    #[field(format = "uri")]
    url: String,
    name: String,
}

#[post("/items")]
async fn create_item(Json(item): Json<Item>) -> Json<Item> {
    Json(item)
}

#[put("/items/{item_id}")]
async fn update_item(item_id: u32, #[query] q: Option<String>, Json(item): Json<Item>) -> String {
    format!("{item_id} {q:?} {}", item.name)
}

#[model]
struct Both {
    item: Item,
    user: Author,
}

#[model]
struct Author {
    username: String,
}

#[post("/both")]
async fn both(Json(Both { item, user }): Json<Both>) -> String {
    format!("{} of {}", item.name, user.username)
}

// Cookies and headers

#[get("/ads")]
async fn read_ads(#[cookie] ads_id: Option<String>) -> String {
    format!("{ads_id:?}")
}

#[get("/agent")]
async fn agent(
    #[header] user_agent: Option<String>,
    #[header(default)] x_token: Vec<String>,
) -> String {
    format!("{user_agent:?} {x_token:?}")
}

// Answers

#[model]
struct UserIn {
    username: String,
    #[field(min_length = 8)]
    password: String,
    #[field(format = "email")]
    email: String,
}

#[model]
struct UserOut {
    username: String,
    email: String,
}

#[post("/users", status = 201, tags = ["users"])]
async fn create_user(Json(user): Json<UserIn>) -> Json<UserOut> {
    Json(UserOut {
        username: user.username,
        email: user.email,
    })
}

#[get("/legacy", deprecated)]
async fn legacy() -> Html<&'static str> {
    Html("<h1>Look ma! HTML!</h1>")
}

#[get("/teapot")]
async fn teapot() -> (StatusCode, [(&'static str, &'static str); 1], &'static str) {
    (
        StatusCode::IM_A_TEAPOT,
        [("x-cat-dog", "alone in the world")],
        "short and stout",
    )
}

// Errors

#[get("/stock/{name}")]
async fn stock(name: String) -> Result<String, HttpError> {
    match name.as_str() {
        "foo" => Ok("The Foo Wrestlers".into()),
        _ => Err(HttpError::new(StatusCode::NOT_FOUND, "Item not found")
            .with_header("x-error", "There goes my error")),
    }
}

#[derive(Debug, ErrorResponse)]
enum ShopError {
    /// There is no such item.
    #[status(404, "Item {0} not found")]
    NotFound(u32),
    /// Somebody else was faster.
    #[status(409)]
    SoldOut,
}

#[get("/shop/{id}")]
async fn shop(id: u32) -> Result<Json<Read>, ShopError> {
    match id {
        1 => Ok(Json(Read { item_id: id })),
        2 => Err(ShopError::SoldOut),
        _ => Err(ShopError::NotFound(id)),
    }
}

// Forms and files

#[model]
struct Login {
    username: String,
    #[field(min_length = 8)]
    password: String,
}

#[post("/login")]
async fn login(Form(login): Form<Login>) -> (SetCookie, Redirect) {
    let session = SetCookie::new("session", login.username).max_age(Duration::from_secs(3600));
    (session, Redirect::see_other("/me"))
}

#[model]
struct NewFile {
    file: UploadFile,
    token: String,
}

#[post("/files")]
async fn create_file(MultipartForm(new): MultipartForm<NewFile>) -> String {
    format!("{} bytes, {}", new.file.bytes().len(), new.token)
}

#[post("/upload")]
async fn upload(mut form: Multipart) -> Result<String, HttpError> {
    let mut bytes = 0;
    while let Some(mut field) = form.next_field().await? {
        while let Some(piece) = field.chunk().await? {
            bytes += piece.len();
        }
    }
    Ok(format!("{bytes} bytes"))
}

#[get("/report")]
async fn report() -> File {
    File::new("report.csv", "id,price\n1,2.5\n")
}

// Dependencies

struct Paging {
    skip: u32,
    limit: u32,
}

#[dependency]
async fn paging(
    #[query(default)] skip: u32,
    #[query(default = 100, le = 100)] limit: u32,
) -> Paging {
    Paging { skip, limit }
}

#[get("/paged")]
async fn paged(paging: Dep<Paging>) -> String {
    format!("{}+{}", paging.skip, paging.limit)
}

struct Session {
    id: u32,
}

#[dependency(teardown = close)]
async fn session() -> Session {
    Session { id: 1 }
}

async fn close(session: Session) {
    eprintln!("closed {}", session.id);
}

struct Verified;

#[dependency]
async fn verify(headers: Headers) -> Result<Verified, HttpError> {
    match headers.get("x-token") {
        Some("fake-super-secret-token") => Ok(Verified),
        _ => Err(HttpError::new(
            StatusCode::BAD_REQUEST,
            "X-Token header invalid",
        )),
    }
}

#[get("/verified", dependencies = [Dep<Verified>])]
async fn verified(session: Dep<Session>) -> String {
    session.id.to_string()
}

// Security

struct User {
    name: String,
}

#[dependency]
async fn current_user(Bearer(token): Bearer) -> Result<User, HttpError> {
    match token.strip_prefix("fake-token-of-") {
        Some(name) => Ok(User {
            name: name.to_owned(),
        }),
        None => Err(Bearer::refused()),
    }
}

#[get("/me")]
async fn me(user: Dep<User>) -> String {
    user.name.clone()
}

#[get("/basic")]
async fn basic(login: Basic) -> Result<String, HttpError> {
    let known = dunlin::security::same(&login.password, "swordfish");
    known.then_some(login.username).ok_or_else(Basic::refused)
}

// Middleware

async fn process_time(request: Request, next: Next) -> Response {
    let start = dunlin::time::Instant::now();
    let response = next.run(request).await;
    let spent = start.elapsed().as_secs_f64();
    response.with_header("x-process-time", spent.to_string())
}

const CORS: Cors = Cors::origins(&["https://localhost.example"]).credentials();

// Background tasks and async

#[post("/notify/{email}", status = 202)]
async fn notify(email: String) -> &'static str {
    dunlin::spawn(async move {
        dunlin::sleep(Duration::from_secs(1)).await;
        eprintln!("notified {email}");
    });
    "Notification sent in the background"
}

#[get("/both-at-once")]
async fn both_at_once() -> Result<String, Error> {
    let (burgers, fries) = dunlin::join!(
        dunlin::fetch::get("https://api.example/burgers")
            .retry(3)
            .send(),
        dunlin::fetch::get("https://api.example/fries").send(),
    );
    Ok(format!(
        "{} and {}",
        burgers?.text().await?,
        fries?.text().await?
    ))
}

#[get("/factors/{n}")]
fn factors(n: u32) -> Json<Vec<u32>> {
    Json((1..=n).filter(|d| n.is_multiple_of(*d)).collect())
}

// State, settings

#[derive(Default)]
struct Hits {
    count: std::cell::Cell<u64>,
}

#[get("/hits")]
async fn hits(hits: State<Hits>) -> Result<String, Error> {
    hits.count.set(hits.count.get() + 1);
    let name = dunlin::var("APP_NAME").unwrap_or("Awesome API".into());
    Ok(format!("{name}: {}", hits.count.get()))
}

// Streams

#[get("/stream")]
async fn video() -> Body {
    Body::produce(async |mut out| {
        for n in 0..3 {
            out.send(format!("some fake video bytes {n}\n")).await;
        }
        Ok(())
    })
}

#[get("/events")]
async fn events(LastEventId(last): LastEventId) -> Sse<impl Stream<Item = Event>> {
    let first = last.and_then(|id| id.parse().ok()).unwrap_or(0) + 1;
    Sse::new(stream::iter(first..4).then(async |id: u32| {
        dunlin::sleep(Duration::from_secs(1)).await;
        Event::new().id(id).json(&Read { item_id: id })
    }))
}

#[get("/lines")]
async fn lines() -> JsonLines<impl Stream<Item = Read>> {
    JsonLines(stream::iter(1..4).map(|item_id| Read { item_id }))
}

// Bigger applications

#[get("/")]
async fn read_users() -> &'static str {
    "Rick and Morty"
}

#[get("/{username}")]
async fn read_user(username: String) -> String {
    username
}

const USERS: Router = dunlin::router! {
    prefix: "/users",
    tags: ["users"],
    routes: [read_users, read_user],
    middleware: [require::<Dep<Verified>>()],
};

// The request itself

#[post("/raw")]
async fn raw(request: Request) -> Result<String, Error> {
    let method = request.method().to_owned();
    Ok(format!("{method} {}", request.into_body().text().await?))
}

dunlin::app! {
    title: "ChimichangApp",
    version: "0.0.1",
    description: "ChimichangApp API helps you do *awesome stuff*.",
    routes: [
        root, read_item, get_model, read_file, page, search, filtered, numbers, create_item,
        update_item, both, read_ads, agent, create_user, legacy, teapot, stock, paged, verified,
        me, basic, notify, both_at_once, factors, hits, video, raw, shop, login, create_file,
        upload, report, events, lines,
    ],
    routers: [USERS],
    middleware: [process_time, CORS, Compress::new()],
}

#[test]
fn test_read_item() {
    let client = TestClient::new(app());
    let response = client.get("/items/3").send();
    assert_eq!(response.status(), 200);
    assert_eq!(response.json::<Value>(), json!({"item_id": 3}));
}

#[test]
fn test_me() {
    let client = TestClient::new(app());
    client.provide(|| User { name: "ada".into() });
    assert_eq!(client.get("/me").send().text(), "ada");
}

#[test]
fn test_both_at_once() {
    let client = TestClient::new(app());
    client.on_fetch(async |request: Request| format!("{}!", request.target()));
    let expected = "https://api.example/burgers! and https://api.example/fries!";
    assert_eq!(client.get("/both-at-once").send().text(), expected);
}
