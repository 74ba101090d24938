//! Secrets: what a function knows, and nobody else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use http::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use crate::harness::{Answer, Host, Ran, dunlin, until, within};

const SECRET: &str = "correct-horse-battery-staple";

const MANIFEST: &str = "secrets = [\"API_KEY\"]";

/// Sets a secret as a script would.
async fn set(host: &Host, function: &str, key: &str, value: &str) -> Ran {
    let mut command = dunlin();
    command
        .args(["secret", "set", function, key, "--host"])
        .arg(format!("http://{}", host.admin))
        .arg("--data-dir")
        .arg(host.data_dir())
        .stdin(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("is piped");
    // One that refuses the command line does not read it.
    let _ = stdin.write_all(value.as_bytes()).await;
    drop(stdin);
    let output = within("setting a secret", child.wait_with_output());
    let output = output.await.expect("it runs");
    Ran {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The files below `folder` that hold `text`.
pub(crate) fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("can be read") {
            let path = entry.expect("can be read").path();
            if path.is_symlink() {
                // Machine code that hosts share.
            } else if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).expect("can be read");
                let mut windows = bytes.windows(text.len());
                looked += 1;
                if windows.any(|window| window == text.as_bytes()) {
                    found.push(path);
                }
            }
        }
    }
    assert!(looked > 3, "only {looked} files");
    found
}

/// A host on this data directory, with the key from its environment.
async fn with_key(data_dir: Arc<TempDir>, key: &str) -> Host {
    let mut command = dunlin();
    command
        .args(["serve", "--data-dir"])
        .arg(data_dir.path())
        .env("DUNLIN_SECRET_KEY", key);
    within("the host's start", Host::spawn(command, data_dir)).await
}

#[tokio::test]
async fn a_secret_is_granted_set_again_and_removed() {
    let host = Host::start().await;
    // Refused, with what to type; then set before there is a function.
    let early = host.try_deploy("misc", MANIFEST).await;
    assert_eq!(early.code(), 5, "{early:#?}");
    assert!(
        early.stderr.contains("dunlin secret set misc API_KEY"),
        "{early:#?}"
    );
    host.get("/misc/method")
        .await
        .failed(404, "unknown-function");
    set(&host, "misc", "API_KEY", "first\n").await.succeeded();
    set(&host, "misc", "OTHER", "not granted").await.succeeded();
    host.deploy("misc", MANIFEST).await;
    assert_eq!(host.get("/misc/var/API_KEY").await.ok(), "first");
    assert_ne!(host.get("/misc/var/OTHER").await.body, "not granted");

    // The next request sees the next value, without a deployment.
    set(&host, "misc", "API_KEY", "second\r\n")
        .await
        .succeeded();
    assert_eq!(host.get("/misc/var/API_KEY").await.ok(), "second");
    let versions = host.run(["versions", "misc", "--json"]).await;
    assert_eq!(versions.succeeded().json().len(), 1);

    // What serves needs it.
    let needed = host.run(["secret", "rm", "misc", "API_KEY"]).await;
    assert_eq!(needed.code(), 5, "{needed:#?}");
    assert!(needed.stderr.contains("misc@1"), "{needed:#?}");
    assert_eq!(host.get("/misc/var/API_KEY").await.ok(), "second");
    host.deploy("misc", "").await;
    assert_ne!(host.get("/misc/var/API_KEY").await.body, "second");
    host.run(["secret", "rm", "misc", "API_KEY"])
        .await
        .succeeded();
    let again = host.run(["secret", "rm", "misc", "API_KEY"]).await;
    assert!(again.stderr.contains("dunlin secret ls misc"), "{again:#?}");

    // And back to a version that needs it: not before it is set.
    let back = host.run(["rollback", "misc"]).await;
    assert_eq!(back.code(), 5, "{back:#?}");
    assert!(
        back.stderr.contains("dunlin secret set misc API_KEY"),
        "{back:#?}"
    );
    set(&host, "misc", "API_KEY", "third").await.succeeded();
    host.run(["rollback", "misc"]).await.succeeded();
    assert_eq!(host.get("/misc/var/API_KEY").await.ok(), "third");

    // Gone with the function.
    host.run(["rm", "misc", "--yes"]).await.succeeded();
    let left = host
        .run(["secret", "ls", "misc", "--json"])
        .await
        .succeeded();
    assert_eq!(left.stdout, "");
}

#[tokio::test]
async fn what_runs_when_a_secret_changes_ends_as_it_began() {
    let host = Host::start().await;
    set(&host, "misc", "API_KEY", "first").await.succeeded();
    host.deploy("misc", MANIFEST).await;
    let slow = host.get("/misc/sleep/1500");
    let change = async {
        until("the request is in", async || {
            (host.get("/misc/method").await.status == 200).then_some(())
        })
        .await;
        set(&host, "misc", "API_KEY", "second").await.succeeded();
        assert_eq!(host.get("/misc/var/API_KEY").await.ok(), "second");
    };
    let (slow, ()) = futures::join!(slow, change);
    assert_eq!(slow.ok(), "slept 1500");
}

#[tokio::test]
async fn a_secret_is_nowhere_in_the_clear() {
    let host = Host::start_with(&["-vv"]).await;
    set(&host, "misc", "API_KEY", SECRET).await.succeeded();
    host.deploy("misc", MANIFEST).await;
    assert_eq!(host.get("/misc/var/API_KEY").await.ok(), SECRET);
    let key = host.data_dir().join("secret.key");
    let mode = fs::metadata(&key).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    for command in [
        &["secret", "ls", "misc"][..],
        &["ls"],
        &["versions", "misc"],
        &["logs", "misc"],
        &["audit"],
        &["doctor"],
    ] {
        for format in [None, Some("--json")] {
            let told = host.run(command.iter().copied().chain(format)).await;
            assert!(!told.stdout.contains(SECRET), "{told:#?}");
            assert!(!told.stderr.contains(SECRET), "{told:#?}");
        }
    }
    let list = host.run(["secret", "ls", "misc"]).await.succeeded().stdout;
    assert!(list.contains("API_KEY"), "{list}");

    // A request that is not understood is not quoted.
    let set_raw = async |body: String| {
        let path = "/v1/functions/misc/secrets/API_KEY";
        let request = host.admin_request(Method::PUT, path);
        Answer::to(request.bearer_auth(host.token()).body(body)).await
    };
    for body in [
        json!(SECRET),
        json!({ "value": { "x": SECRET } }),
        json!({ SECRET: 1 }),
    ] {
        let answer = set_raw(body.to_string()).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(!answer.body.contains(SECRET), "{answer:?}");
    }
    let held = files_with(host.data_dir(), SECRET);
    assert!(held.is_empty(), "{held:?}");
    assert!(!host.said().contains(SECRET), "{}", host.said());
}

#[tokio::test]
async fn with_another_key_nothing_opens_and_nothing_is_lost() {
    let host = Host::start().await;
    set(&host, "misc", "API_KEY", SECRET).await.succeeded();
    host.deploy("misc", MANIFEST).await;
    let other = "42".repeat(32);
    let data_dir = host.stop().await;

    let host = with_key(data_dir, &other).await;
    let says = |text: &str| text.contains("`API_KEY` of `misc` is sealed with another key");
    assert!(says(&host.said()), "{}", host.said());
    host.get("/misc/method").await.failed(500, "load-failed");
    let doctor = host.run(["doctor"]).await;
    assert_eq!(doctor.code(), 6, "{doctor:#?}");
    let words = doctor
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(words.contains("secrets failed"), "{doctor:#?}");
    let deploy = host.try_deploy("misc", MANIFEST).await;
    assert!(says(&deploy.stderr), "{deploy:#?}");
    let set_again = set(&host, "misc", "API_KEY", "new").await;
    assert!(says(&set_again.stderr), "{set_again:#?}");
    let set_more = set(&host, "hello", "ANOTHER", "new").await;
    assert!(says(&set_more.stderr), "{set_more:#?}");
    // Others serve.
    host.deploy("hello", "").await;
    host.get("/hello/").await.ok();
    let data_dir = host.stop().await;

    // Without any key the same, and no new one is made.
    let key = data_dir.path().join("secret.key");
    let aside = data_dir.path().join("aside");
    fs::rename(&key, &aside).expect("is there");
    let host = Host::start_on(data_dir, &[]).await;
    assert!(host.said().contains("bring back"), "{}", host.said());
    host.get("/misc/method").await.failed(500, "load-failed");
    assert_ne!(set(&host, "misc", "API_KEY", "new").await.code(), 0);
    assert!(!key.exists());
    let data_dir = host.stop().await;

    // The right key, from the environment.
    let text = fs::read_to_string(&aside).expect("is there");
    let host = with_key(data_dir, &text).await;
    assert!(!host.said().contains("sealed"), "{}", host.said());
    assert_eq!(host.get("/misc/var/API_KEY").await.ok(), SECRET);
    host.run(["doctor"]).await.succeeded();
}

#[tokio::test]
async fn a_key_that_is_none_stops_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = dunlin();
    command
        .args(["serve", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(folder.path())
        .env("DUNLIN_SECRET_KEY", "hunter2");
    let refused = crate::harness::run(&mut command).await;
    assert_eq!(refused.code(), 2, "{refused:#?}");
    assert!(refused.stderr.contains("DUNLIN_SECRET_KEY"), "{refused:#?}");
    assert!(refused.stderr.contains("openssl rand"), "{refused:#?}");
    assert!(!refused.stderr.contains("hunter2"), "{refused:#?}");
}

#[tokio::test]
async fn a_damaged_secret_is_told_and_can_be_set_again() {
    let host = Host::start().await;
    set(&host, "misc", "API_KEY", SECRET).await.succeeded();
    host.deploy("misc", MANIFEST).await;
    let data_dir = host.stop().await;
    let database = rusqlite::Connection::open(data_dir.path().join("registry.sqlite"));
    let damage = "UPDATE secrets SET sealed = zeroblob(length(sealed))";
    let changed = database.expect("opens").execute(damage, []);
    assert_eq!(changed.expect("there is a table"), 1);

    let host = Host::start_on(data_dir, &[]).await;
    let says = |text: &str| text.contains("`API_KEY` of `misc` is damaged");
    assert!(says(&host.said()), "{}", host.said());
    host.get("/misc/method").await.failed(500, "load-failed");
    let deploy = host.try_deploy("misc", MANIFEST).await;
    assert!(says(&deploy.stderr), "{deploy:#?}");
    set(&host, "misc", "API_KEY", SECRET).await.succeeded();
    assert_eq!(host.get("/misc/var/API_KEY").await.ok(), SECRET);
}

#[tokio::test]
async fn a_secret_without_a_value_or_too_long_is_refused() {
    let host = Host::start().await;
    let empty = set(&host, "misc", "API_KEY", "\n").await;
    assert_eq!(empty.code(), 2, "{empty:#?}");
    let long = set(&host, "misc", "API_KEY", &"x".repeat(64 * 1024 + 1)).await;
    assert_eq!(long.code(), 5, "{long:#?}");
    assert!(long.stderr.contains("65536 bytes"), "{long:#?}");
    let longest = "x".repeat(64 * 1024);
    set(&host, "misc", "API_KEY", &format!("{longest}\r\n"))
        .await
        .succeeded();
    host.deploy("misc", MANIFEST).await;
    assert_eq!(host.get("/misc/var/API_KEY").await.ok(), longest);
}

#[tokio::test]
async fn a_name_is_a_variable_or_a_secret() {
    let host = Host::start().await;
    let both = format!("{MANIFEST}\n[vars]\nAPI_KEY = \"x\"");
    let refused = host.try_deploy("misc", &both).await;
    assert!(!refused.status.success());
    assert!(
        refused
            .stderr
            .contains("`API_KEY` is in `secrets` and in `[vars]`"),
        "{refused:#?}"
    );
}
