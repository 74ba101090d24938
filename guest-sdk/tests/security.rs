//! Credentials, as functions read them.

use dunlin::prelude::*;
use dunlin::security::{self, ApiKey, Basic, Bearer, KeyPlace, KeyScheme, OAuth2, OAuth2Scheme};
use dunlin::testing::{TestClient, TestResponse};
use serde_json::{Value, json};

#[get("/bearer")]
async fn bearer(Bearer(token): Bearer) -> Result<String, HttpError> {
    match security::same(&token, "right") {
        true => Ok(token),
        false => Err(Bearer::refused()),
    }
}

#[get("/basic")]
async fn basic(basic: Basic) -> String {
    format!("{} {}", basic.username, basic.password)
}

macro_rules! key {
    ($name:ident $place:ident $key:literal) => {
        struct $name;

        impl KeyScheme for $name {
            const PLACE: KeyPlace = KeyPlace::$place;
            const NAME: &'static str = $key;
        }
    };
}

key!(InHeader Header "X-API-Key");
key!(InQuery Query "key");
key!(InCookie Cookie "session");

#[get("/header")]
async fn header(key: ApiKey<InHeader>) -> String {
    key.key
}

#[get("/query")]
async fn query(key: ApiKey<InQuery>) -> String {
    key.key
}

#[get("/cookie")]
async fn cookie(key: ApiKey<InCookie>) -> String {
    key.key
}

struct Login;

impl OAuth2Scheme for Login {
    const TOKEN_URL: &'static str = "token";
}

#[get("/oauth2")]
async fn oauth2(token: OAuth2<Login>) -> String {
    token.token
}

#[get("/optional")]
async fn optional(token: Result<Bearer, HttpError>) -> &'static str {
    token.map_or("nobody", |_| "somebody")
}

dunlin::app![bearer, basic, header, query, cookie, oauth2, optional];

#[track_caller]
fn refused(answer: &TestResponse, challenge: &str, detail: &str) {
    assert_eq!(answer.status(), 401, "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    assert_eq!(answer.json::<Value>(), json!({ "detail": detail }));
}

#[test]
fn bearers() {
    let client = TestClient::new(app());
    let get = |value: &str| client.get("/bearer").header("authorization", value).send();
    assert_eq!(get("Bearer right").text(), "right");
    assert_eq!(get("bearer right").text(), "right");
    refused(&client.get("/bearer").send(), "Bearer", "Not authenticated");
    for missing in ["Basic right", "Bearer", "Bearer ", "right"] {
        refused(&get(missing), "Bearer", "Not authenticated");
    }
    refused(
        &get("Bearer wrong"),
        "Bearer error=\"invalid_token\"",
        "Invalid token",
    );
    assert_eq!(client.get("/oauth2").bearer("t").send().text(), "t");
    refused(&client.get("/oauth2").send(), "Bearer", "Not authenticated");
    assert_eq!(client.get("/optional").send().text(), "nobody");
    assert_eq!(
        client.get("/optional").bearer("t").send().text(),
        "somebody"
    );
}

#[test]
fn names_and_passwords() {
    let client = TestClient::new(app());
    let get = |value: &str| client.get("/basic").header("authorization", value).send();
    // RFC 7617's examples.
    assert_eq!(
        get("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").text(),
        "Aladdin open sesame"
    );
    assert_eq!(get("Basic dGVzdDoxMjPCow==").text(), "test 123\u{a3}");
    assert_eq!(get("Basic YTpiOmM=").text(), "a b:c");
    let challenge = "Basic realm=\"function\", charset=\"UTF-8\"";
    refused(&client.get("/basic").send(), challenge, "Not authenticated");
    for wrong in ["Basic ?", "Basic YQ==", "Basic /zo="] {
        refused(&get(wrong), challenge, "Invalid credentials");
    }
}

#[test]
fn keys() {
    let client = TestClient::native(app());
    assert_eq!(
        client.get("/header").header("x-api-key", "k").send().text(),
        "k"
    );
    assert_eq!(
        client.get("/query").query(&[("key", "k&")]).send().text(),
        "k&"
    );
    let two = client
        .get("/cookie")
        .cookie("a", "1")
        .cookie("session", "k");
    assert_eq!(two.send().text(), "k");
    let quoted = client
        .get("/cookie")
        .header("cookie", "session=old; session=\"k\"");
    assert_eq!(quoted.send().text(), "k");
    for path in ["/header", "/query?key=", "/cookie"] {
        refused(&client.get(path).send(), "ApiKey", "Not authenticated");
    }
}

#[test]
fn secrets_are_compared() {
    assert!(security::same("abc", b"abc"));
    assert!(!security::same("abc", "abd"));
    assert!(!security::same("abc", "ab"));
}

#[test]
fn secrets_do_not_get_into_logs() {
    assert_eq!(format!("{:?}", Bearer("secret".into())), "Bearer(…)");
    let basic = Basic {
        username: "ada".into(),
        password: "secret".into(),
    };
    assert_eq!(format!("{basic:?}"), "Basic(\"ada\", …)");
}

#[test]
fn the_documentation_names_the_schemes() {
    let document: Value = app().openapi().parse().unwrap();
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(
        *schemes,
        json!({
            "HTTPBearer": {"type": "http", "scheme": "bearer"},
            "HTTPBasic": {"type": "http", "scheme": "basic"},
            "APIKeyHeader-X-API-Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "APIKeyQuery-key": {"type": "apiKey", "in": "query", "name": "key"},
            "APIKeyCookie-session": {"type": "apiKey", "in": "cookie", "name": "session"},
            "OAuth2PasswordBearer": {
                "type": "oauth2",
                "flows": {"password": {"scopes": {}, "tokenUrl": "token"}},
            },
        })
    );
    let operation = &document["paths"]["/bearer"]["get"];
    assert_eq!(operation["security"], json!([{"HTTPBearer": []}]));
    assert!(operation["responses"]["401"].is_object());
}
