//! The developer's loop, `dunlin up`, on folders that are being worked on.

mod ending;
mod failing;
mod saving;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use http::Method;
use tokio::process::Command;

use crate::harness::{Answer, Host, dunlin, repository, until};

/// A workspace of functions, away from ours but on the same SDK.
struct Workspace {
    dir: tempfile::TempDir,
    /// Part of the packages' names: all tests share the folder where cargo puts
    /// what it builds, by name.
    story: &'static str,
}

impl Workspace {
    fn new(story: &'static str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let workspace = Self { dir, story };
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
        self.dir.path()
    }

    /// `dunlin up` on its functions.
    async fn up(&self) -> Host {
        let data_dir = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        Host::spawn(self.command(data_dir.path()), data_dir).await
    }

    fn command(&self, data_dir: &Path) -> Command {
        let mut up = dunlin();
        up.arg("up")
            .arg("functions")
            .arg("--data-dir")
            .arg(data_dir)
            .current_dir(self.path())
            // Shared with our own functions: what they need is compiled already.
            .env("CARGO_TARGET_DIR", repository().join("target"));
        up
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().expect("is below")).expect("can be made");
        fs::write(path, text).expect("can be written");
    }

    /// Adds a function whose code is that of `functions/hello`, greeting
    /// otherwise. The package's name is not `hello`, which would overwrite ours.
    fn add(&self, name: &str, greeting: &str) {
        let story = self.story;
        self.write(
            &format!("functions/{name}/Cargo.toml"),
            &format!(
                "[package]\nname = \"up-{story}-{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
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

/// The answer that a browser gets that goes to `path`.
async fn browse(host: &Host, path: &str) -> Answer {
    let request = host.request(Method::GET, path);
    let request = request.header("sec-fetch-mode", "navigate");
    Answer::to(request.header("accept", "text/html,*/*;q=0.8")).await
}

/// Waits until the host has said `text`.
async fn said(host: &Host, text: &str) {
    until(text, async || host.said().contains(text).then_some(())).await;
}
