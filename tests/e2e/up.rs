//! The developer's loop: save, and the new code serves.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::harness::{Host, dunlin, repository, until};

/// A workspace of functions, away from ours but on the same SDK.
struct Workspace(tempfile::TempDir);

impl Workspace {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let workspace = Self(dir);
        let sdk = repository().join("guest-sdk");
        workspace.write(
            "Cargo.toml",
            &format!(
                "[workspace]\nresolver = \"3\"\nmembers = [\"functions/*\"]\n\
                 [workspace.dependencies]\ndunlin = {{ path = {sdk:?} }}\n"
            ),
        );
        // The same versions as ours, which are compiled already.
        let lock = fs::read(repository().join("Cargo.lock")).expect("is there");
        fs::write(workspace.path().join("Cargo.lock"), lock).expect("can be written");
        workspace
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().expect("is below")).expect("can be made");
        fs::write(path, text).expect("can be written");
    }

    /// Adds a function whose code is that of `functions/hello`, greeting
    /// otherwise. The package's name is not `hello`, which would overwrite ours.
    fn add(&self, name: &str, greeting: &str) {
        self.write(
            &format!("functions/{name}/Cargo.toml"),
            &format!(
                "[package]\nname = \"up-{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
                 [lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\ndunlin.workspace = true\n"
            ),
        );
        self.greet(name, greeting);
    }

    fn greet(&self, name: &str, greeting: &str) {
        let hello = repository().join("functions/hello/src/lib.rs");
        let code = fs::read_to_string(hello).expect("is there");
        let changed = code.replace("Hello from Dunlin!", greeting);
        assert_ne!(code, changed);
        self.write(&format!("functions/{name}/src/lib.rs"), &changed);
    }
}

async fn answers(host: &Host, path: &str, expected: &str) {
    until(&format!("`{expected}` at {path}"), async || {
        let answer = host.get(path).await;
        (answer.body == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_saved_is_served() {
    let workspace = Workspace::new();
    workspace.add("one", "the first text");
    let data_dir = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    let mut up = dunlin();
    up.arg("up")
        .arg("functions")
        .arg("--data-dir")
        .arg(data_dir.path())
        .current_dir(workspace.path())
        // Shared with our own functions: what they need is compiled already.
        .env("CARGO_TARGET_DIR", repository().join("target"));
    let host = Host::spawn(up, data_dir).await;
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

    // Functions come and go.
    workspace.add("two", "another function");
    answers(&host, "/two/", "another function").await;
    assert_eq!(host.get("/uno/").await.ok(), "the third text");
    fs::remove_dir_all(workspace.path().join("functions/two")).expect("can be removed");
    until("`two` is gone", async || {
        (host.get("/two/").await.status == 404).then_some(())
    })
    .await;
    host.stop().await;
}
