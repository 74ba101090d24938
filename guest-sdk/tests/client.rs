//! The test client, as functions use it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use dunlin::fetch::FetchError;
use dunlin::prelude::*;
use dunlin::testing::TestClient;

#[model]
#[derive(PartialEq)]
struct Item {
    name: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[get("/items/{id}")]
async fn read_item(
    Path(id): Path<u32>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: Headers,
) -> Json<(u32, BTreeMap<String, String>, Option<String>)> {
    Json((id, query, headers.get("x-a").map(str::to_owned)))
}

#[post("/items")]
async fn create_item(Json(item): Json<Item>) -> (StatusCode, Json<Item>) {
    (StatusCode::CREATED, Json(item))
}

/// The body's type and the body.
#[put("/raw")]
async fn raw(headers: Headers, body: String) -> String {
    format!("{}\n{body}", headers.get("content-type").unwrap_or("none"))
}

#[get("/login")]
async fn login() -> impl IntoResponse {
    let cookies = [
        ("set-cookie", "session=abc; Path=/; Max-Age=60"),
        ("set-cookie", "login=1"),
    ];
    (cookies, ())
}

#[get("/cookies")]
async fn cookies(headers: Headers) -> String {
    headers.get("cookie").unwrap_or("none").to_owned()
}

#[get("/var/{name}")]
fn var(name: String) -> Result<String, Error> {
    Ok(dunlin::var(&name)?)
}

#[get("/weather")]
async fn weather() -> Result<String, Error> {
    let answer = dunlin::fetch::get("https://weather.test/today")
        .timeout(Duration::from_secs(5))
        .send()
        .await?;
    Ok(answer.text().await?)
}

thread_local! {
    static STEPS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

fn step(name: &'static str) {
    STEPS.with_borrow_mut(|steps| steps.push(name));
}

/// Notes its end, however it comes.
struct Guard(&'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        step(self.0);
    }
}

#[get("/slow")]
async fn slow() -> &'static str {
    let _guard = Guard("slow dropped");
    dunlin::spawn(async {
        dunlin::sleep(Duration::from_secs(600)).await;
        step("spawned done");
    });
    dunlin::sleep(Duration::from_secs(60)).await;
    step("slow done");
    "done"
}

#[get("/stream")]
async fn stream() -> Body {
    dunlin::spawn(async {
        dunlin::sleep(Duration::from_secs(25)).await;
        step("spawned done");
    });
    Body::produce(async |mut out| {
        let _guard = Guard("stream dropped");
        for n in 1..=3 {
            out.send(format!("{n}\n")).await;
            dunlin::sleep(Duration::from_secs(10)).await;
        }
        Ok(())
    })
}

#[get("/cut")]
async fn cut() -> Body {
    Body::produce(async |mut out| {
        out.send("half").await;
        Err(Error::msg("no more"))
    })
}

dunlin::app![
    read_item,
    create_item,
    raw,
    login,
    cookies,
    var,
    weather,
    slow,
    stream,
    cut
];

fn client() -> TestClient {
    STEPS.set(Vec::new());
    TestClient::new(app())
}

fn seconds(client: &TestClient) -> u64 {
    client.elapsed().as_secs()
}

#[test]
fn a_request_is_put_together() {
    let client = client().with_header("x-a", "default");
    let answer = client.get("/items/7").query(&[("q", "a b&c")]).send();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.text(), r#"[7,{"q":"a b&c"},"default"]"#);
    let answer = client
        .get("/items/7?p=1")
        .header("X-A", "b")
        .query(&BTreeMap::from([("q", Some(2)), ("none", None)]))
        .send();
    assert_eq!(answer.text(), r#"[7,{"p":"1","q":"2"},"b"]"#);
    // The body may be read again, and in another way.
    let (id, ..): (u32, serde_json::Value, String) = answer.json();
    assert_eq!(id, 7);
    assert_eq!(client.delete("/items/7").send().status(), 405);
    let head = client.head("/items/7").send();
    assert_eq!((head.status(), head.bytes()), (StatusCode::OK, vec![]));
}

#[test]
fn bodies() {
    let client = client();
    let item = Item {
        name: "tea".into(),
        tags: vec!["hot".into(), "green".into()],
    };
    let answer = client.post("/items").json(&item).send();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.json::<Item>(), item);
    let answer = client.put("/raw").form(&item).send().text();
    assert_eq!(
        answer,
        "application/x-www-form-urlencoded\nname=tea&tags=hot&tags=green"
    );
    let answer = client.put("/raw").body("abc").send().text();
    assert_eq!(answer, "none\nabc");
    let answer = client
        .put("/raw")
        .part("title", "x")
        .file("upload", "a\".txt", "text/plain", "abc")
        .send()
        .text();
    let (head, body) = answer.split_once('\n').unwrap();
    let boundary = head.strip_prefix("multipart/form-data; boundary=").unwrap();
    assert_eq!(
        body,
        format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"title\"\r\n\r\nx\r\n\
             --{boundary}\r\ncontent-disposition: form-data; name=\"upload\"; \
             filename=\"a%22.txt\"\r\ncontent-type: text/plain\r\n\r\nabc\r\n--{boundary}--\r\n"
        )
    );
}

#[test]
fn cookies_are_kept_between_requests() {
    let client = TestClient::native(app());
    assert_eq!(client.get("/cookies").send().text(), "none");
    client.get("/login").send();
    assert_eq!(client.cookie("session").as_deref(), Some("abc"));
    client.set_cookie("mine", "1");
    let answer = client.get("/cookies").cookie("once", "2").send();
    assert_eq!(answer.text(), "session=abc; login=1; mine=1; once=2");
    // The clock goes on by a minute, and with it the session ends.
    client.get("/slow").send();
    assert_eq!(client.get("/cookies").send().text(), "login=1; mine=1");
}

#[test]
fn the_network_is_what_the_test_says() {
    let client = client();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&seen);
    client.on_fetch(move |request: Request| {
        log.borrow_mut()
            .push(format!("{} {}", request.method(), request.target()));
        async { (StatusCode::IM_A_TEAPOT, "any") }
    });
    assert_eq!(client.get("/weather").send().text(), "any");
    assert_eq!(*seen.borrow(), ["GET https://weather.test/today"]);
    client.on_fetch_from("https://weather.test/", async |_: Request| "sunny");
    assert_eq!(client.get("/weather").send().text(), "sunny");
    client.on_fetch_from("https://weather.test/", async |_: Request| {
        dunlin::sleep(Duration::from_secs(60)).await;
        "late"
    });
    assert_eq!(client.get("/weather").send().status(), 500);
    assert_eq!(seconds(&client), 5);
    client.on_fetch(|_: Request| async { Err::<(), _>(FetchError::Dns("no".into())) });
    client.on_fetch_from("https://weather.test/", |_: Request| async {
        Err::<(), _>(FetchError::Connect("refused".into()))
    });
    assert_eq!(client.get("/weather").send().status(), 500);
}

#[test]
fn without_a_fake_the_message_names_the_remedy() {
    let url = "https://weather.test/";
    let error = dunlin::testing::block_on(dunlin::fetch::get(url).send()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no network in native tests: answer `https://weather.test/` with \
         `client.on_fetch(…)` of `dunlin::testing::TestClient`"
    );
}

#[test]
fn variables_are_those_of_the_test() {
    let client = client();
    let told = client.get("/var/TOKEN").send();
    assert_eq!(told.status(), 500);
    client.set_var("TOKEN", "a");
    client.set_var("TOKEN", "b");
    assert_eq!(client.get("/var/TOKEN").send().text(), "b");
    assert_eq!(self::client().get("/var/TOKEN").send().status(), 500);
}

#[test]
fn spawned_work_has_ended_when_the_answer_is_there() {
    let client = TestClient::native(app());
    assert_eq!(client.get("/slow").send().text(), "done");
    assert_eq!(seconds(&client), 600);
    assert_eq!(STEPS.take(), ["slow done", "slow dropped", "spawned done"]);
}

#[test]
fn a_stream_runs_while_it_is_read() {
    let client = TestClient::native(app());
    let answer = client.get("/stream").send();
    assert_eq!(seconds(&client), 0);
    assert_eq!(answer.chunk().unwrap().unwrap(), b"1\n");
    assert_eq!(answer.chunk().unwrap().unwrap(), b"2\n");
    assert_eq!(seconds(&client), 10);
    assert_eq!(answer.text(), "3\n");
    assert_eq!(seconds(&client), 30);
    assert_eq!(STEPS.take(), ["spawned done", "stream dropped"]);

    let answer = client.get("/stream").send();
    assert_eq!(answer.chunk().unwrap().unwrap(), b"1\n");
    drop(answer);
    assert_eq!(STEPS.take(), ["stream dropped"]);
}

#[test]
fn a_body_that_ends_early_is_an_error() {
    let answer = client().get("/cut").send();
    assert_eq!(answer.chunk().unwrap().unwrap(), b"half");
    let error = answer.chunk().unwrap_err().to_string();
    assert!(error.starts_with("the body ended early"), "{error}");
}

#[test]
#[should_panic(expected = "`items` is no path of the function: it begins with `/`")]
fn a_target_is_a_path() {
    let _ = client().get("items");
}

#[test]
#[should_panic(expected = "not the expected JSON: ")]
fn json_of_another_form_panics_with_the_answer() {
    let _: Vec<u8> = client().get("/items/7").send().json();
}
