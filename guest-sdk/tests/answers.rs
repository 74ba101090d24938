//! What handlers answer, through the app.

use std::collections::HashSet;
use std::time::Duration;

use dunlin::prelude::*;
use dunlin::testing::TestClient;

#[derive(Debug, ErrorResponse)]
enum ShopError {
    /// There is no such item.
    ///
    /// Or it was sold.
    #[status(404, "Item {0} not found")]
    NotFound(u32),
    /// Somebody else has it: {sic}.
    #[status(409)]
    Taken,
    #[status(403, "{user} may not {{buy}} from {shop:?}")]
    Forbidden {
        user: &'static str,
        shop: &'static str,
    },
    #[status(429)]
    TooMany,
    /// The stock cannot be read
    #[status(503, "Try again later")]
    Stock(#[from] std::num::ParseIntError),
    #[status(500)]
    Broken,
}

#[get("/items/{id}")]
async fn read_item(Path(id): Path<u32>) -> Result<String, ShopError> {
    match id {
        1 => Err(ShopError::Taken),
        2 => Err(ShopError::Forbidden {
            user: "ada",
            shop: "here",
        }),
        3 => Err(ShopError::TooMany),
        4 => Ok(("x".parse::<u8>()?).to_string()),
        5 => Err(ShopError::Broken),
        6 => Ok("six".into()),
        id => Err(ShopError::NotFound(id)),
    }
}

/// An extractor may have the enum as its rejection.
struct Picky;

impl dunlin::extract::FromRequestParts for Picky {
    type Rejection = ShopError;

    async fn from_request_parts(_: &mut dunlin::Parts) -> Result<Self, ShopError> {
        Err(ShopError::NotFound(9))
    }
}

#[get("/picky")]
async fn picky(_picky: Picky) {}

/// `?` of the enum into `Error`.
#[get("/stock/{text}")]
async fn stock(text: String) -> Result<String, Error> {
    let left: u8 = text.parse().map_err(ShopError::from)?;
    Ok(left.to_string())
}

#[post("/login")]
async fn login() -> (SetCookie, &'static str) {
    (
        SetCookie::new("session", "a;b").max_age(Duration::from_secs(60)),
        "welcome",
    )
}

#[post("/logout", status = 303)]
async fn logout() -> (SetCookie, Redirect) {
    (SetCookie::remove("session"), Redirect::see_other("/login"))
}

#[get("/session")]
async fn session(headers: Headers) -> String {
    headers.get("cookie").unwrap_or("none").to_owned()
}

#[get("/report")]
async fn report() -> File {
    File::new("report.csv", "a,b\n")
}

#[get("/logo")]
async fn logo() -> Bytes {
    Bytes::new("image/png", b"\x89PNG".as_slice())
}

dunlin::app![
    read_item, picky, stock, login, logout, session, report, logo
];

#[test]
fn an_error_enum_answers() {
    let client = TestClient::native(app());
    let answers = [
        (1, 409, "Somebody else has it: {sic}"),
        (2, 403, "ada may not {buy} from \"here\""),
        (3, 429, "Too Many Requests"),
        (4, 503, "Try again later"),
        (5, 500, "Internal Server Error"),
        (7, 404, "Item 7 not found"),
    ];
    for (id, status, detail) in answers {
        let answer = client.get(&format!("/items/{id}")).send();
        assert_eq!(answer.status(), status);
        assert_eq!(
            answer.json::<serde_json::Value>(),
            serde_json::json!({ "detail": detail })
        );
    }
    assert_eq!(client.get("/items/6").send().text(), "six");
    let answer = client.get("/picky").send();
    assert_eq!(answer.text(), r#"{"detail":"Item 9 not found"}"#);
    assert_eq!(answer.status(), 404);
}

#[test]
fn an_error_enum_inside_an_error_keeps_its_answer() {
    let client = TestClient::native(app());
    let answer = client.get("/stock/many").send();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.text(), r#"{"detail":"Try again later"}"#);
    assert_eq!(client.get("/stock/7").send().text(), "7");
}

#[test]
fn an_error_enum_is_an_error_with_its_cause() {
    let error = ShopError::from("x".parse::<u8>().unwrap_err());
    assert_eq!(error.to_string(), "Try again later");
    assert_eq!(
        dunlin::Error::from(error).to_string(),
        "Try again later: invalid digit found in string"
    );
}

fn documented(path: &str, method: &str) -> serde_json::Value {
    let described: serde_json::Value = serde_json::from_str(&app().describe()).expect("is JSON");
    described["openapi"]["paths"][path][method]["responses"].clone()
}

#[test]
fn an_error_enum_documents_itself() {
    let responses = documented("/items/{id}", "get");
    let described = |status: &str| responses[status]["description"].clone();
    assert_eq!(described("404"), "There is no such item");
    assert_eq!(described("409"), "Somebody else has it: {sic}");
    assert_eq!(described("403"), "{user} may not {{buy}} from {shop:?}");
    assert_eq!(described("429"), "Too Many Requests");
    assert_eq!(described("503"), "The stock cannot be read");
    assert_eq!(
        responses["404"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/HTTPError"
    );
}

#[test]
fn a_cookie_is_kept_until_it_is_removed() {
    let client = TestClient::native(app());
    client.post("/login").send();
    assert_eq!(client.get("/session").send().text(), "session=a%3Bb");
    let answer = client.post("/logout").send();
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.header("location"), Some("/login"));
    assert_eq!(client.get("/session").send().text(), "none");
    let redirect = documented("/logout", "post");
    assert_eq!(redirect["303"]["description"], "Redirect");
}

#[test]
fn files_and_bytes_have_their_types() {
    let client = TestClient::native(app());
    let report = client.get("/report").send();
    assert_eq!(
        report.header("content-type"),
        Some("text/csv; charset=utf-8")
    );
    assert_eq!(
        report.header("content-disposition"),
        Some("attachment; filename=\"report.csv\"")
    );
    let logo = client.get("/logo").send();
    assert_eq!(logo.header("content-type"), Some("image/png"));
    assert_eq!(logo.bytes(), b"\x89PNG");
    let media: HashSet<_> = documented("/logo", "get")["200"]["content"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(media, HashSet::from(["*/*".to_owned()]));
}
