//! Requests and responses: methods, paths, header fields, statuses, and what
//! the host adds.

use http::{Method, StatusCode};

use crate::harness::{Answer, Host, component};

#[tokio::test]
async fn each_method_has_its_route() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let call = async |method: Method, body: &'static str| {
        Answer::to(host.request(method, "/misc/method").body(body)).await
    };
    assert_eq!(call(Method::GET, "").await.ok(), "get");
    assert_eq!(call(Method::POST, "a").await.ok(), "post a");
    assert_eq!(call(Method::PUT, "b").await.ok(), "put b");
    assert_eq!(call(Method::PATCH, "c").await.ok(), "patch c");
    let deleted = call(Method::DELETE, "").await;
    assert_eq!(
        (deleted.status, &*deleted.body),
        (StatusCode::NO_CONTENT, "")
    );
    let options = call(Method::OPTIONS, "").await;
    assert_eq!(
        (options.ok(), options.header("allow")),
        ("options", "everything")
    );
}

#[tokio::test]
async fn head_has_a_route_of_its_own_or_that_of_get() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let own = Answer::to(host.request(Method::HEAD, "/misc/head")).await;
    assert_eq!((own.ok(), own.header("x-head")), ("", "yes"));
    let of_get = Answer::to(host.request(Method::HEAD, "/misc/method")).await;
    assert_eq!(of_get.ok(), "");
    assert_eq!(of_get.header("content-type"), "text/plain; charset=utf-8");
}

#[tokio::test]
async fn the_function_sees_its_path_below_the_mount() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let target = host.get("/misc/target/a%20b/c?x=1&y=%2F").await;
    assert_eq!(target.ok(), "/target/a%20b/c?x=1&y=%2F");
    let headers = host.get("/misc/headers").await;
    let has = |line: String| assert!(headers.ok().lines().any(|it| it == line), "{headers:?}");
    has(format!("host: {}", host.listen));
    has("x-forwarded-prefix: /misc".to_owned());
    has("x-forwarded-for: 127.0.0.1".to_owned());
    has("x-forwarded-proto: http".to_owned());
}

#[tokio::test]
async fn callers_cannot_claim_what_only_the_host_knows() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let claims = host
        .request(Method::GET, "/misc/headers")
        .header("x-forwarded-for", "10.0.0.1")
        .header("x-forwarded-prefix", "/admin")
        .header("forwarded", "for=10.0.0.1")
        .header("x-custom", "kept");
    let seen = Answer::to(claims).await;
    assert!(
        !seen.ok().contains("10.0.0.1") && !seen.body.contains("/admin"),
        "{seen:?}"
    );
    assert!(seen.body.contains("x-custom: kept"), "{seen:?}");
}

#[tokio::test]
async fn a_function_may_be_mounted_elsewhere_or_have_a_host_of_its_own() {
    let host = Host::start().await;
    host.deploy("misc", "mount = \"/\"").await;
    host.deploy("hello", "host = \"hello.example.com\"").await;
    assert_eq!(host.get("/method").await.ok(), "get");
    let own = host
        .request(Method::GET, "/Ada")
        .header("host", "hello.example.com:80");
    assert_eq!(Answer::to(own).await.ok(), "Hello, Ada!");
    host.get("/Ada").await.failed(404, "no-route");
}

#[tokio::test]
async fn a_given_request_id_is_kept_and_else_one_is_made() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let given = host
        .request(Method::GET, "/misc/headers")
        .header("x-request-id", "mine-7");
    let given = Answer::to(given).await;
    assert_eq!(given.header("x-request-id"), "mine-7");
    assert!(
        given.ok().contains("x-request-id: mine-7"),
        "the function sees it: {given:?}"
    );
    let (one, two) = (
        host.get("/misc/method").await,
        host.get("/misc/method").await,
    );
    assert!(one.header("x-request-id").len() >= 16, "{one:?}");
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
}

#[tokio::test]
async fn the_functions_own_answers_pass_whatever_their_status() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    for status in [201, 404, 418, 500, 502, 504] {
        let answer = host.get(&format!("/misc/status/{status}")).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.body, "the function's own answer");
        assert_eq!(answer.header("dunlin-error"), "", "{answer:?}");
    }
}

#[tokio::test]
async fn variables_come_from_the_manifest() {
    let host = Host::start().await;
    host.deploy("misc", "[vars]\nGREETING = \"good day\"").await;
    assert_eq!(host.get("/misc/var/GREETING").await.ok(), "good day");
    let missing = host.get("/misc/var/PATH").await;
    assert_eq!(missing.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(missing.body, r#"{"detail":"Internal Server Error"}"#);
}

#[tokio::test]
async fn a_request_of_the_wrong_shape_is_a_422_that_lists_every_mistake() {
    let host = Host::start().await;
    host.deploy("echo", "").await;
    let json = |body: &'static str| {
        let request = host.request(Method::POST, "/echo/json").body(body);
        Answer::to(request.header("content-type", "application/json"))
    };
    let wrong = json(r#"{"id":"x","items":[{"name":"tea","price":"dear","quantity":1}]}"#).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        wrong.header("dunlin-error"),
        "",
        "it is the function's answer"
    );
    let detail = wrong.json()["detail"].clone();
    let mut places: Vec<String> = detail
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["loc"].to_string())
        .collect();
    places.sort();
    assert_eq!(
        places,
        [
            r#"["body","customer"]"#,
            r#"["body","id"]"#,
            r#"["body","items",0,"price"]"#
        ],
        "{detail:#}"
    );
    let right = json(r#"{"id":1,"customer":"Ada","items":[]}"#).await;
    assert_eq!(
        right.ok(),
        r#"{"id":1,"customer":"Ada","items":[],"express":false}"#
    );
    let path = host.get("/echo/count/many").await;
    assert_eq!(path.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        path.json()["detail"][0]["loc"],
        serde_json::json!(["path", "n"])
    );
}

#[tokio::test]
async fn a_hello_is_a_small_component() {
    let bytes = component("hello").await.len();
    assert!(bytes < 150 * 1024, "{bytes} bytes");
}
