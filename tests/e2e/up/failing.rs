//! What a developer is shown when the newest code does not serve.

use std::fs;

use http::Method;

use super::{Workspace, answers, browse, said};
use crate::harness::{Answer, Host, until};

/// What an open page asks: whether `number` is still the latest.
async fn ask(host: &Host, number: &str) -> Answer {
    let request = host.request(Method::GET, "/one/");
    Answer::to(request.header("dunlin-page", number)).await
}

/// The number of what a page shows.
fn number(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("data-number=").expect("has a number");
    let digits = rest.chars().take_while(char::is_ascii_digit);
    digits.collect()
}

#[tokio::test]
async fn a_compile_error_is_a_page_for_browsers_only() {
    let workspace = Workspace::new("page");
    workspace.add("one", "the good text");
    let host = workspace.up().await;
    assert_eq!(browse(&host, "/one/").await.ok(), "the good text");

    workspace.greet("one", "<script>\", 7, \"");
    let page = until("the page", async || {
        let page = browse(&host, "/one/").await;
        (page.status == 500).then_some(page)
    })
    .await;
    assert_eq!(page.header("dunlin-error"), "build-failed");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.body.contains("functions/one/src/lib.rs:"), "{page:?}");
    // Quoted, not obeyed; in colours, but none of the terminal's.
    assert!(page.body.contains("&lt;script&gt;"), "{page:?}");
    assert!(!page.body.contains("<script>&quot;"), "{page:?}");
    assert!(page.body.contains("var(--dunlin-bright-red"), "{page:?}");
    assert!(!page.body.contains('\x1b'), "{page:?}");
    assert!(!page.body.contains("http://") && !page.body.contains("https://"));

    // Every path of the function, whether it has a route there or not.
    assert_eq!(browse(&host, "/one/a/b").await.status, 500);
    for mode in ["cors", "no-cors", "same-origin"] {
        let request = host.request(Method::GET, "/one/");
        let request = request.header("sec-fetch-mode", mode);
        let answer = Answer::to(request.header("accept", "text/html")).await;
        assert_eq!(answer.ok(), "the good text", "{mode}");
    }
    assert_eq!(host.get("/one/").await.ok(), "the good text");

    // The open page asks, is answered when something has changed, and finds
    // the function there.
    let seen = number(&page);
    let asked = ask(&host, &seen);
    workspace.greet("one", "the better text");
    let answer = asked.await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_ne!(answer.header("dunlin-page"), seen);
    until("the function itself", async || {
        let answer = browse(&host, "/one/").await;
        (answer.body == "the better text").then_some(())
    })
    .await;
    host.stop().await;
}

#[tokio::test]
async fn without_a_good_version_programs_get_the_compilers_message_too() {
    let workspace = Workspace::new("none");
    workspace.add("one", "no end of this text\n\"#;");
    workspace.add("two", "the other function");
    let host = workspace.up().await;
    assert_eq!(host.get("/two/").await.ok(), "the other function");
    let answer = host.get("/one/").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("dunlin-error"), "build-failed");
    let problem = answer.json();
    assert_eq!(problem["code"], "build-failed");
    let detail = problem["detail"].as_str().expect("is text");
    assert!(detail.contains("functions/one/src/lib.rs:"), "{detail}");
    assert!(!detail.contains('\x1b'), "{detail}");
    let page = browse(&host, "/one/").await;
    assert_eq!(page.status, 500, "{page:?}");
    workspace.greet("one", "at last");
    answers(&host, "/one/", "at last").await;
    host.stop().await;
}

#[tokio::test]
async fn a_panic_shows_the_functions_own_lines() {
    let workspace = Workspace::new("panic");
    workspace.add("one", "unused");
    workspace.write(
        "functions/one/src/lib.rs",
        "use dunlin::prelude::*;\n\
         #[get(\"/{n}\")]\n\
         async fn look(Path(n): Path<usize>) -> String {\n\
             deep(n)\n\
         }\n\
         #[inline(never)]\n\
         fn deep(n: usize) -> String {\n\
             let list = vec![1, 2, 3];\n\
             format!(\"{}\", list[n])\n\
         }\n\
         dunlin::app![look];\n",
    );
    let host = workspace.up().await;
    assert_eq!(host.get("/one/1").await.ok(), "2");

    let answer = host.get("/one/7").await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.json();
    let detail = problem["detail"].as_str().expect("is text");
    let mut own = detail.lines().filter(|line| line.starts_with("  at "));
    let first = own.next().expect("the panic's place");
    assert!(first.contains("functions/one/src/lib.rs:9:"), "{detail}");
    assert!(first.ends_with("in up_panic_one::deep"), "{detail}");
    let second = own.next().expect("its caller's");
    assert!(second.contains("functions/one/src/lib.rs:4:"), "{detail}");
    assert!(!detail.contains("/rustc/"), "{detail}");
    assert!(detail.ends_with("calls of libraries"), "{detail}");
    host.logged("one", "functions/one/src/lib.rs:9:").await;
    said(&host, "functions/one/src/lib.rs:9:").await;

    let page = browse(&host, "/one/7").await;
    assert_eq!(page.status, 502, "{page:?}");
    assert_eq!(page.header("dunlin-error"), "guest-trap");
    assert!(page.body.contains("index is 7"), "{page:?}");
    assert!(
        page.body.contains("<b>functions/one/src/lib.rs:9:"),
        "{page:?}"
    );
    host.stop().await;
}

#[tokio::test]
async fn a_half_typed_manifest_holds_nobody_else_up() {
    let workspace = Workspace::new("typing");
    workspace.add("one", "the first text");
    workspace.add("two", "the other function");
    workspace.write("functions/two/dunlin.toml", "mount = \"/zwei\"\n");
    // Broken from the start: the others are served all the same.
    workspace.add("three", "never served");
    workspace.write("functions/three/dunlin.toml", "mount =");
    let host = workspace.up().await;
    said(&host, "three/dunlin.toml:1").await;
    assert_eq!(browse(&host, "/three/").await.status, 500);

    workspace.write("functions/two/dunlin.toml", "mount = \"/zw");
    said(&host, "two/dunlin.toml:1").await;
    let page = browse(&host, "/zwei/").await;
    assert_eq!(page.header("dunlin-error"), "build-failed", "{page:?}");
    assert!(page.body.contains("dunlin.toml:1:"), "{page:?}");
    assert_eq!(host.get("/zwei/").await.ok(), "the other function");
    workspace.greet("one", "the second text");
    answers(&host, "/one/", "the second text").await;

    // Cargo reads no package of a workspace with a broken one: all keep what
    // they have.
    let cargo = workspace.path().join("functions/two/Cargo.toml");
    let good = fs::read_to_string(&cargo).expect("is there");
    workspace.write("functions/two/Cargo.toml", "[package]\nname = \"up-typing");
    said(&host, "two/Cargo.toml` is broken").await;
    said(&host, "`one` was not built").await;
    assert_eq!(host.get("/one/").await.ok(), "the second text");
    assert_eq!(host.get("/zwei/").await.ok(), "the other function");
    workspace.write("functions/two/Cargo.toml", &good);
    workspace.write("functions/two/dunlin.toml", "");
    answers(&host, "/two/", "the other function").await;
    assert_eq!(browse(&host, "/one/").await.ok(), "the second text");
    host.stop().await;
}

#[tokio::test]
async fn a_refused_deploy_is_told_and_tried_again() {
    let workspace = Workspace::new("refused");
    workspace.add("one", "the first function");
    workspace.add("two", "the second function");
    let host = workspace.up().await;
    workspace.write("functions/two/dunlin.toml", "mount = \"/one\"\n");
    said(&host, "`two` was not deployed").await;
    // Who has the address keeps it; who wants it is told where it answers.
    assert_eq!(browse(&host, "/one/").await.ok(), "the first function");
    assert_eq!(host.get("/two/").await.ok(), "the second function");
    let page = browse(&host, "/two/").await;
    assert!(page.body.contains("cannot answer at"), "{page:?}");
    // The way becomes free by a change of the other one.
    workspace.write("functions/one/dunlin.toml", "mount = \"/uno\"\n");
    answers(&host, "/uno/", "the first function").await;
    answers(&host, "/one/", "the second function").await;
    host.stop().await;
}

#[tokio::test]
async fn serve_makes_no_pages() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    browse(&host, "/misc/panic").await.failed(502, "guest-trap");
    browse(&host, "/nobody/")
        .await
        .failed(404, "unknown-function");
    // A page's question is the function's to answer.
    let request = host.request(Method::GET, "/nobody/");
    let answer = Answer::to(request.header("dunlin-page", "7")).await;
    answer.failed(404, "unknown-function");
    // The log names the function that panicked, without its place.
    let line = host.logged("misc", "guest-trap").await;
    let message = line["message"].as_str().expect("is text");
    assert!(message.contains("  in misc::"), "{message}");
    assert!(!message.contains(".rs:"), "{message}");
    host.stop().await;
}
