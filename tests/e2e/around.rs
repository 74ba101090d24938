//! What stands around handlers, in a real host: middleware, dependencies,
//! state, retries.

use http::{Method, StatusCode};

use crate::harness::{Answer, Host, Upstream};

const SHOP: &str = "https://shop.example";

#[tokio::test]
async fn preflights_reach_the_functions_middleware() {
    let host = Host::start().await;
    host.deploy("around", "").await;
    let preflight = host
        .request(Method::OPTIONS, "/around/hello/ada")
        .header("origin", SHOP)
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization");
    let answer = Answer::to(preflight).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), SHOP);
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    assert_eq!(answer.header("access-control-allow-methods"), "GET");
    assert_eq!(
        answer.header("access-control-allow-headers"),
        "authorization"
    );
    // Routes of the blocking lane have theirs too.
    let preflight = host
        .request(Method::OPTIONS, "/around/often/ada")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "GET");
    let answer = Answer::to(preflight).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");

    let get = host.request(Method::GET, "/around/hello/ada");
    let answer = Answer::to(get.header("origin", SHOP)).await;
    assert_eq!(answer.ok(), "Hello, ada!");
    assert_eq!(answer.header("access-control-allow-origin"), SHOP);
    assert!(answer.header("server-timing").starts_with("app;dur="));
    // What has no route stays the host's.
    let options = host.request(Method::OPTIONS, "/around/nothing");
    Answer::to(options).await.failed(404, "no-route");
    let delete = host.request(Method::DELETE, "/around/hello/ada");
    Answer::to(delete).await.failed(405, "method-not-allowed");
}

#[tokio::test]
async fn answers_are_compressed_for_who_accepts_it() {
    let host = Host::start().await;
    host.deploy("around", "").await;
    let plain = host.get("/around/often/ada").await;
    assert_eq!(plain.ok().len(), 12_000);
    assert_eq!(plain.header("vary"), "accept-encoding");
    for path in ["/around/often/ada", "/around/lines"] {
        let get = host.request(Method::GET, path);
        let answer = get.header("accept-encoding", "gzip").send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        let bytes = answer.bytes().await.expect("a whole answer");
        assert!(bytes.starts_with(&[0x1f, 0x8b]) && bytes.len() < 300);
    }
}

#[tokio::test]
async fn a_dependency_is_put_away_after_the_answer() {
    let host = Host::start().await;
    host.deploy("around", "").await;
    let get = |path: &str, session: &str| {
        let request = host.request(Method::GET, path);
        request.header("x-session", session)
    };
    let answer = Answer::to(get("/around/me", "one").bearer_auth("secret")).await;
    assert_eq!(answer.ok(), "ada one true true");
    host.logged("around", "closed one").await;
    let refused = Answer::to(get("/around/me", "two").bearer_auth("wrong")).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    host.logged("around", "closed two").await;
    let lines = Answer::to(get("/around/lines", "three")).await;
    assert_eq!(lines.ok(), "0 of three\n1 of three\n2 of three\n");
    host.logged("around", "closed three").await;
    let log = host.logs("around").await;
    let place = |text: &str| {
        let mut messages = log.iter().map(|line| line["message"].as_str());
        messages.position(|message| message.is_some_and(|message| message.contains(text)))
    };
    assert!(place("streamed three") < place("closed three"), "{log:?}");
}

#[tokio::test]
async fn waiting_for_the_first_and_trying_again() {
    let host = Host::start().await;
    let upstream = Upstream::start().await;
    let egress = format!("[egress]\nallow = [\"{}\"]", upstream.address);
    host.deploy("around", &egress).await;
    assert_eq!(host.get("/around/race").await.ok(), "the fast one");
    let url = upstream.url("/fails-once");
    let answer = host.get(&format!("/around/again?url={url}")).await;
    assert_eq!(answer.ok(), "hello from upstream");
}
