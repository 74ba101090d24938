//! `dunlin new`: what it makes is built and served as it is.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use http::Method;
use serde_json::json;

use crate::harness::{Answer, Host, dunlin, repository, run};

/// Makes a function in `folder`, with the versions of dependencies that are
/// compiled already.
async fn make(folder: &Path, name: &str, template: &str) {
    let mut new = dunlin();
    new.args(["new", name, "--template", template])
        .current_dir(folder);
    let made = run(&mut new).await.succeeded();
    assert!(made.stdout.contains(&format!("dunlin up {name}")));
    let lock = repository().join("Cargo.lock");
    fs::copy(lock, folder.join(name).join("Cargo.lock")).expect("can be written");
}

#[tokio::test]
async fn every_template_is_built_and_served() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    make(folder.path(), "new-rust", "rust").await;
    make(folder.path(), "new-rust-cpu", "rust-cpu").await;
    make(folder.path(), "new-wasi-http", "wasi-http").await;
    let data_dir = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    let mut up = dunlin();
    up.arg("up")
        .arg(".")
        .arg("--data-dir")
        .arg(data_dir.path())
        .current_dir(folder.path())
        // Shared with our own functions: what they need is compiled already.
        .env("CARGO_TARGET_DIR", repository().join("target"));
    let host = Host::spawn(up, data_dir).await;

    assert_eq!(host.get("/new-rust/").await.ok(), "Hello from new-rust!");
    let twice = host.get("/new-rust/hello/Ada?times=2").await;
    assert_eq!(twice.ok(), "Hello, Ada! Hello, Ada! ");
    let order = host.request(Method::POST, "/new-rust/orders");
    let order = order.json(&json!({ "item": "tea", "price": 3, "count": 2 }));
    let receipt = Answer::to(order).await;
    assert_eq!(receipt.status, 201);
    assert_eq!(receipt.json(), json!({ "item": "tea", "total": 6 }));

    let factors = host.get("/new-rust-cpu/factors/600851475143").await;
    let expected = json!({ "n": 600_851_475_143_u64, "factors": [71, 839, 1471, 6857] });
    assert_eq!(factors.json(), expected);

    let standard = host.get("/new-wasi-http/").await;
    assert_eq!(standard.ok(), "Hello from new-wasi-http!\n");
    assert_eq!(
        host.post("/new-wasi-http/", "and back").await.ok(),
        "and back"
    );
    assert_eq!(host.get("/new-wasi-http/x").await.status, 404);

    let listed = host.run(["ls", "--json"]).await.succeeded().json();
    let lane = |at: usize, route: usize| listed[at]["routes"][route]["lane"].clone();
    assert_eq!(
        [lane(0, 0), lane(1, 0), lane(1, 1)],
        ["async", "async", "blocking"]
    );
    assert_eq!(listed[2]["interface"], "wasi:http@0.3");
}
