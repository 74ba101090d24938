//! Save, and the new code serves.

use std::fs;

use super::{Workspace, answers};
use crate::harness::until;

#[tokio::test]
async fn what_is_saved_is_served() {
    let workspace = Workspace::new("saving");
    workspace.add("one", "the first text");
    let host = workspace.up().await;
    assert_eq!(host.get("/one/").await.ok(), "the first text");

    workspace.greet("one", "the second text");
    answers(&host, "/one/", "the second text").await;

    // Broken code: the last good version serves on, the compiler is quoted.
    workspace.greet("one", "no end of this text\n\"#;");
    until("the compiler's message", async || {
        host.said().contains("was not built").then_some(())
    })
    .await;
    assert!(
        host.said().contains("functions/one/src/lib.rs:"),
        "{}",
        host.said()
    );
    assert_eq!(host.get("/one/").await.ok(), "the second text");
    workspace.greet("one", "the third text");
    answers(&host, "/one/", "the third text").await;

    // A broken manifest is no different.
    workspace.write("functions/one/dunlin.toml", "[limits]\nmemory = \"lots\"\n");
    until("the manifest's mistake", async || {
        host.said().contains("dunlin.toml:2:10").then_some(())
    })
    .await;
    assert_eq!(host.get("/one/").await.ok(), "the third text");
    workspace.write("functions/one/dunlin.toml", "mount = \"/uno\"\n");
    answers(&host, "/uno/", "the third text").await;
    host.get("/one/").await.failed(404, "unknown-function");

    // Functions come, are renamed, and go.
    workspace.add("two", "another function");
    answers(&host, "/two/", "another function").await;
    assert_eq!(host.get("/uno/").await.ok(), "the third text");
    let folder = |name: &str| workspace.path().join("functions").join(name);
    fs::rename(folder("two"), folder("three")).expect("can be renamed");
    answers(&host, "/three/", "another function").await;
    host.get("/two/").await.failed(404, "unknown-function");
    fs::remove_dir_all(folder("three")).expect("can be removed");
    until("`three` is gone", async || {
        (host.get("/three/").await.status == 404).then_some(())
    })
    .await;
    host.stop().await;
}

#[tokio::test]
async fn only_the_last_of_quick_saves_counts() {
    let workspace = Workspace::new("quick");
    workspace.add("quick", "text 0");
    let host = workspace.up().await;
    for round in 1..=20 {
        workspace.greet("quick", &format!("text {round}"));
    }
    answers(&host, "/quick/", "text 20").await;
    // Nothing of the others comes later.
    workspace.add("later", "the other function");
    answers(&host, "/later/", "the other function").await;
    assert_eq!(host.get("/quick/").await.ok(), "text 20");
    host.stop().await;
}
