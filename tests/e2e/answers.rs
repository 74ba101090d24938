//! All the ways to answer, and forms, through the real host.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, Host, Wire, until};

const MIB: usize = 1024 * 1024;

async fn host() -> Host {
    let host = Host::start().await;
    host.deploy("answers", "").await;
    host
}

#[tokio::test]
async fn an_error_enum_answers_and_logs_what_is_its_own_affair() {
    let host = host().await;
    let missing = host.get("/answers/items/7").await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json(), json!({ "detail": "Item 7 not found" }));

    let broken = host.get("/answers/items/0").await;
    assert_eq!(broken.status, 503);
    assert_eq!(broken.json(), json!({ "detail": "Try again later" }));
    host.logged(
        "answers",
        "error: Try again later: invalid digit found in string",
    )
    .await;
}

#[tokio::test]
async fn cookies_redirects_and_files() {
    let host = host().await;
    let login = host.post("/answers/login", "").await;
    assert_eq!(login.status, 303);
    assert_eq!(login.header("location"), "items/1");
    let cookies: Vec<_> = login.headers.get_all("set-cookie").iter().collect();
    assert_eq!(
        cookies,
        [
            "session=a%3Bb; HttpOnly; SameSite=Lax; Path=/; Max-Age=60",
            "theme=dark; SameSite=Lax; Path=/"
        ]
    );

    let logout = host.post("/answers/logout", "").await;
    assert_eq!(logout.status, 307);
    assert!(logout.header("set-cookie").contains("; Max-Age=0; "));

    let report = host.get("/answers/report").await;
    assert_eq!(report.ok(), "name,price\n");
    assert_eq!(report.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(
        report.header("content-disposition"),
        "inline; filename=\"_bersicht.csv\"; filename*=UTF-8''%C3%9Cbersicht.csv"
    );
}

#[tokio::test]
async fn a_form_is_read_and_its_problems_are_told() {
    let host = host().await;
    let send = |body: &'static str| {
        let request = host
            .request(Method::POST, "/answers/form")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        Answer::to(request)
    };
    let right = send("name=Ada+L&age=36").await;
    assert_eq!(right.json(), json!({ "name": "Ada L", "age": 36 }));
    let wrong = send("age=old").await;
    assert_eq!(wrong.status, 422);
    assert_eq!(wrong.json()["detail"][0]["loc"], json!(["body", "age"]));
    assert_eq!(host.post("/answers/form", "name=a").await.status, 415);
}

/// The upload is larger than what the instance may have.
#[tokio::test]
async fn a_large_upload_needs_little_memory() {
    let host = Host::start().await;
    let settings = "[limits]\nrequest_body = \"64MiB\"\nmemory = \"8MiB\"";
    host.deploy("answers", settings).await;
    let mut body = b"--b\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\nhello\r\n\
        --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n"
        .to_vec();
    body.resize(body.len() + 20 * MIB, b'\r');
    body.extend(b"\r\n--b--\r\n");
    let request = host
        .request(Method::POST, "/answers/upload")
        .header("content-type", "multipart/form-data; boundary=b")
        .body(body);
    let answer = Answer::to(request).await;
    assert_eq!(answer.ok(), "note None 5\nfile Some(\"a.bin\") 20971520\n");
}

#[tokio::test]
async fn lines_are_whole_or_cut() {
    let host = host().await;
    let lines = host.get("/answers/lines").await;
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    assert_eq!(lines.ok(), "1\n2\n3\n");

    let mut wire = Wire::connect(host.listen).await;
    wire.send("GET /answers/cut HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(wire.head().await.status(), 200);
    let rest = wire.rest().await;
    let rest = String::from_utf8_lossy(&rest);
    assert!(!rest.ends_with("0\r\n\r\n"), "looks whole: {rest:?}");
    // Where the end of the connection is the end of the answer, it has none.
    let mut old = Wire::connect(host.listen).await;
    old.send("GET /answers/cut HTTP/1.0\r\n\r\n").await;
    old.was_reset().await;
    let mut old = Wire::connect(host.listen).await;
    old.send("GET /answers/lines HTTP/1.0\r\n\r\n").await;
    let whole = old.rest().await;
    assert!(whole.ends_with(b"\r\n\r\n1\n2\n3\n"), "{whole:?}");
    host.logged("answers", "the source is dry").await;
}

#[tokio::test]
async fn events_come_with_pings_and_go_on_where_they_were_left() {
    let host = host().await;
    let mut wire = Wire::connect(host.listen).await;
    wire.send("GET /answers/silent HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    let head = wire.head().await;
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("cache-control"), Some("no-cache"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    for _ in 0..3 {
        assert_eq!(wire.chunk().await, ": ping\n\n");
    }

    let request = host
        .request(Method::GET, "/answers/events")
        .header("last-event-id", "7");
    let answer = Answer::to(request).await;
    let expected = [8, 9, 10].map(|id| format!("id: {id}\ndata: one\ndata: two\n\n"));
    assert_eq!(answer.ok(), expected.concat());
}

/// Where others share the instance, that is. Alone, its whole instance ends.
#[tokio::test]
async fn a_client_that_goes_ends_the_producer() {
    let host = Host::start_with(&["--workers", "1"]).await;
    host.deploy("answers", "").await;
    let listen = async || {
        let mut wire = Wire::connect(host.listen).await;
        wire.send("GET /answers/endless HTTP/1.1\r\nhost: h\r\n\r\n")
            .await;
        assert_eq!(wire.head().await.status(), 200);
        assert_eq!(wire.chunk().await, "data: tick\n\n");
        wire
    };
    let mut staying = listen().await;
    // Whoever comes while the instance computes gets another, alone.
    until("the producer was dropped", async || {
        drop(listen().await);
        let log = host.logs("answers").await;
        let mut messages = log.iter().map(|line| &line["message"]);
        messages
            .any(|message| message == "the producer was dropped")
            .then_some(())
    })
    .await;
    assert_eq!(staying.chunk().await, "data: tick\n\n");
}
