//! `dunlin invoke`: functions called without knowing where they are.

use std::fs;
use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use crate::harness::{Host, within};

#[tokio::test]
async fn a_function_is_called_below_its_mount_or_at_its_host() {
    let host = Host::start().await;
    host.deploy("hello", "").await;
    let plain = host.run(["invoke", "hello"]).await.succeeded();
    assert_eq!((&*plain.stdout, &*plain.stderr), ("Hello from Dunlin!", ""));
    host.deploy("hello", "mount = \"/v1/greet\"").await;
    let ada = host.run(["invoke", "hello", "/Ada"]).await.succeeded();
    assert_eq!(ada.stdout, "Hello, Ada!");
    host.deploy("hello", "host = \"hello.test\"").await;
    let ada = host.run(["invoke", "hello", "/Ada"]).await.succeeded();
    assert_eq!(ada.stdout, "Hello, Ada!");
}

#[tokio::test]
async fn bodies_are_texts_files_or_what_comes_in() {
    let host = Host::start().await;
    host.deploy("echo", "").await;
    let text = host.run(["invoke", "echo", "-d", "a text"]).await;
    assert_eq!(text.succeeded().stdout, "a text");

    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    let long = "0123456789".repeat(100_000);
    fs::write(&file, &long).expect("can be written");
    let file = format!("@{}", file.display());
    let sent = host.run(["invoke", "echo", "-d", &file]).await.succeeded();
    assert!(sent.stdout == long);

    // JSON is sent as such, so that the function takes it.
    let order = r#"{"id":1,"customer":"Ada","items":[]}"#;
    let json = host.run(["invoke", "echo", "/json", "-d", order]).await;
    assert!(json.succeeded().stdout.contains("\"customer\":\"Ada\""));
    let refused = host
        .run([
            "invoke",
            "echo",
            "/json",
            "-d",
            order,
            "-H",
            "content-type: text/plain",
        ])
        .await;
    assert_eq!(refused.code(), 7, "{refused:#?}");

    let missing = host.run(["invoke", "echo", "-d", "@/nowhere"]).await;
    assert_eq!(missing.code(), 1, "{missing:#?}");
    assert!(missing.stderr.contains("`/nowhere`"), "{missing:#?}");
}

/// What comes in goes out before the next comes in.
#[tokio::test]
async fn both_directions_stream() {
    let host = Host::start().await;
    host.deploy("echo", "").await;
    let mut calling = host
        .command("invoke")
        .args(["echo", "-d", "@-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut input = calling.stdin.take().expect("is piped");
    let mut output = BufReader::new(calling.stdout.take().expect("is piped")).lines();
    for line in ["one", "two"] {
        input
            .write_all(format!("{line}\n").as_bytes())
            .await
            .expect("is read");
        let back = within("a line", output.next_line()).await;
        assert_eq!(back.expect("can be read").as_deref(), Some(line));
    }
    drop(input);
    let end = within("the end", output.next_line()).await;
    assert_eq!(end.expect("can be read"), None);
    let status = within("the end", calling.wait()).await.expect("it ran");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn methods_and_fields_are_sent_and_shown() {
    let host = Host::start().await;
    host.deploy("echo", "").await;
    let deleted = host.run(["invoke", "echo", "-X", "DELETE"]).await;
    assert_eq!(deleted.code(), 7, "{deleted:#?}");
    assert!(deleted.stderr.contains("405"), "{deleted:#?}");
    let shown = host
        .run([
            "invoke",
            "echo",
            "-i",
            "-d",
            "x",
            "-H",
            "x-request-id: from-here",
        ])
        .await
        .succeeded();
    assert!(shown.stderr.starts_with("HTTP/1.1 200 OK\n"), "{shown:#?}");
    assert!(
        shown.stderr.contains("x-request-id: from-here\n"),
        "{shown:#?}"
    );
    assert_eq!(shown.stdout, "x");
    let json = host
        .run([
            "invoke",
            "echo",
            "--json",
            "-d",
            "x",
            "-H",
            "x-request-id: from-here",
        ])
        .await
        .succeeded()
        .json();
    assert_eq!(
        (&json[0]["status"], &json[0]["body"]),
        (&json!(200), &json!("x"))
    );
    let fields = json[0]["headers"].as_array().expect("a list");
    assert!(
        fields.contains(&json!(["x-request-id", "from-here"])),
        "{json:#?}"
    );
    let bad = host.run(["invoke", "echo", "-H", "no field"]).await;
    assert_eq!(bad.code(), 2, "{bad:#?}");
}

#[tokio::test]
async fn a_failure_has_an_exit_code() {
    let host = Host::start().await;
    host.deploy("hello", "").await;
    let lost = host.run(["invoke", "hello", "/a/b"]).await;
    assert_eq!(lost.code(), 7, "{lost:#?}");
    assert!(lost.stderr.contains("404 Not Found"), "{lost:#?}");
    assert!(lost.stdout.contains("\"code\":\"no-route\""), "{lost:#?}");
    let nobody = host.run(["invoke", "nobody"]).await;
    assert_eq!(nobody.code(), 5, "{nobody:#?}");
    assert!(nobody.stderr.contains("`nobody`"), "{nobody:#?}");
}

#[tokio::test]
async fn a_version_is_called_whatever_gets_the_traffic() {
    let host = Host::start().await;
    host.deploy("hello", "name = \"twin\"").await;
    host.deploy("wasi-http", "name = \"twin\"").await;
    let now = host.run(["invoke", "twin"]).await.succeeded();
    assert_eq!(now.stdout, "Hello from wasi:http 0.2!\n");
    let first = host.run(["invoke", "twin", "--version", "1"]).await;
    assert_eq!(first.succeeded().stdout, "Hello from Dunlin!");
    let none = host.run(["invoke", "twin", "--version", "9"]).await;
    assert_eq!(none.code(), 7, "{none:#?}");
}

#[tokio::test]
async fn a_certificate_of_the_hosts_own_is_taken_when_asked() {
    let host = Host::start_with(&["--tls-self-signed"]).await;
    host.deploy("hello", "").await;
    let refused = host.run(["invoke", "hello"]).await;
    assert_eq!(refused.code(), 4, "{refused:#?}");
    assert!(refused.stderr.contains("`-k`"), "{refused:#?}");
    let taken = host.run(["invoke", "hello", "-k"]).await.succeeded();
    assert_eq!(taken.stdout, "Hello from Dunlin!");
}
