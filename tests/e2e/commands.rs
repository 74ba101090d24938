//! The command line against a running host. (What needs no function is tested
//! beside the binary, in `host/tests/cli.rs`.)

use std::fs;
use std::process::Stdio;

use http::Method;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::harness::{
    Answer, Host, Upstream, component, function_folder, repository, run, until, within,
};

#[tokio::test]
async fn a_folder_is_built_and_deployed() {
    let host = Host::start().await;
    let folder = repository().join("functions/hello");
    let deployed = host
        .run(["deploy".as_ref(), folder.as_os_str()])
        .await
        .succeeded();
    assert!(
        deployed
            .stdout
            .starts_with(&format!("deployed hello@1 at {}\n", host.url("/hello"))),
        "{deployed:#?}"
    );
    for step in [
        "upload",
        "compile",
        "describe",
        "check routes",
        "store",
        "swap",
    ] {
        assert!(deployed.stdout.contains(step), "{deployed:#?}");
    }
    assert_eq!(host.get("/hello/").await.ok(), "Hello from Dunlin!");
}

#[tokio::test]
async fn a_component_is_deployed_under_a_name() {
    let host = Host::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("any_thing.wasm");
    fs::write(&file, component("hello").await).expect("can be written");
    let file = file.to_str().expect("is UTF-8");
    let deployed = host
        .run(["deploy", file, "--name", "greeter", "--json"])
        .await
        .succeeded();
    let deployed = &deployed.json()[0];
    assert_eq!(
        (&deployed["name"], &deployed["version"], &deployed["mount"]),
        (&json!("greeter"), &json!(1), &json!("/greeter"))
    );
    assert_eq!(host.get("/greeter/Ada").await.ok(), "Hello, Ada!");
    // Without a name, the file's.
    host.run(["deploy", file]).await.succeeded();
    assert_eq!(host.get("/any-thing/Ada").await.ok(), "Hello, Ada!");
}

#[tokio::test]
async fn ls_lists_functions_and_their_routes() {
    let host = Host::start().await;
    let nothing = host.run(["ls"]).await.succeeded();
    assert_eq!(nothing.stdout, "");
    assert!(
        nothing.stderr.contains("nothing is deployed"),
        "{nothing:#?}"
    );

    host.deploy("async-endpoints", "").await;
    host.deploy("wasi-http", "mount = \"/std\"").await;
    let table = host.run(["ls"]).await.succeeded().stdout;
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let lines: Vec<_> = table.lines().map(words).collect();
    assert_eq!(lines[0][..2], ["FUNCTION", "VERSION"], "{table}");
    assert_eq!(
        lines[1][..4],
        [
            "async-endpoints",
            "1",
            "/async-endpoints",
            "dunlin:function@0.1"
        ],
        "{table}"
    );
    assert_eq!(lines[1][4..7], ["GET", "/async-data", "async"], "{table}");
    assert_eq!(
        lines[2][..3],
        ["GET", "/sync-but-can-call-async", "blocking"],
        "{table}"
    );
    assert_eq!(
        lines[3][..4],
        ["wasi-http", "1", "/std", "wasi:http@0.2"],
        "{table}"
    );

    let json = host.run(["ls", "--json"]).await.succeeded().json();
    assert_eq!(json.len(), 2);
    assert_eq!(json[0]["name"], "async-endpoints");
    assert_eq!(json[0]["routes"][0]["path"], "/async-data");
    assert_eq!(json[0]["routes"][0]["summary"], "Waits for slow data.");
    assert_eq!(json[1]["mount"], "/std");
}

#[tokio::test]
async fn logs_are_the_functions_lines_with_their_requests() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let print = |word: &str, id: &str| {
        let path = format!("/misc/print/{word}");
        Answer::to(host.request(Method::GET, &path).header("x-request-id", id))
    };
    print("one", "id-1").await.ok();
    print("two", "id-2").await.ok();
    let lines = host.run(["logs", "misc"]).await.succeeded().stdout;
    let lines: Vec<_> = lines
        .lines()
        .map(|line| line.split_once(' ').expect("a time").1)
        .collect();
    assert_eq!(
        lines,
        [
            "misc@1 id-1 stdout out one",
            "misc@1 id-1 stderr err one",
            "misc@1 id-2 stdout out two",
            "misc@1 id-2 stderr err two",
        ]
    );
    let last = host
        .run(["logs", "misc", "--tail", "1", "--json"])
        .await
        .succeeded()
        .json();
    assert_eq!(last.len(), 1);
    assert_eq!(last[0]["message"], "err two");
    assert_eq!(last[0]["request_id"], "id-2");
    let unknown = host.run(["logs", "nobody"]).await;
    assert_eq!(unknown.code(), 5, "{unknown:#?}");
    assert!(unknown.stderr.contains("`nobody`"), "{unknown:#?}");
}

/// Both are in one instance, and both have begun before either goes on.
#[tokio::test]
async fn lines_of_two_requests_in_one_instance_are_told_apart() {
    let upstream = Upstream::start().await;
    let host = Host::start_with(&["--workers", "1"]).await;
    host.deploy_misc_for(&upstream).await;
    host.get("/misc/method").await.ok();
    let print = |word: &str| {
        let url = upstream.url("/held/2");
        let path = format!("/misc/print-around-fetch?word={word}&url={url}");
        Answer::to(
            host.request(Method::GET, &path)
                .header("x-request-id", word),
        )
    };
    // An instance that is busy at the moment takes no second request: again.
    let mut rounds = 0;
    until("both in one instance", async || {
        rounds += 1;
        let (left, right) = futures::join!(print("left"), print("right"));
        [left.ok(), right.ok()].contains(&"2").then_some(())
    })
    .await;
    let log = host.logs("misc").await;
    assert_eq!(log.len(), 4 * rounds, "{log:#?}");
    for line in &log {
        let message = line["message"].as_str().expect("is a text");
        let (when, word) = message.split_once(' ').expect("two words");
        assert!(["before", "after"].contains(&when), "{line}");
        assert_eq!(line["request_id"], word, "{log:#?}");
    }
}

#[tokio::test]
async fn logs_follow() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    host.get("/misc/print/before").await.ok();
    let mut following = host
        .command("logs")
        .args(["misc", "--follow", "--json"])
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the command starts");
    let stdout = following.stdout.take().expect("is piped");
    let mut lines = BufReader::new(stdout).lines();
    let mut next = async || {
        let line = within("a line", lines.next_line())
            .await
            .expect("can be read");
        let line: serde_json::Value = line.expect("one more").parse().expect("is JSON");
        line["message"].as_str().expect("is a text").to_owned()
    };
    assert_eq!(next().await, "out before");
    assert_eq!(next().await, "err before");
    for word in ["one", "two"] {
        host.get(&format!("/misc/print/{word}")).await.ok();
        assert_eq!(next().await, format!("out {word}"));
        assert_eq!(next().await, format!("err {word}"));
    }
}

#[tokio::test]
async fn a_broken_manifest_is_pointed_at_and_the_old_version_serves_on() {
    let host = Host::start().await;
    host.deploy("hello", "").await;
    for (manifest, place, parts) in [
        (
            "mount = \"/hello\"\nmemory = 1",
            "dunlin.toml:2:1: ",
            ["`memory`", "unknown field"],
        ),
        (
            "[limits]\nmemory = \"lots\"",
            "dunlin.toml:2:10: ",
            ["`limits.memory`", "lots"],
        ),
        (
            "[egress]\nallow = [\"ftp://a\"]",
            "dunlin.toml:2:",
            ["`egress.allow", "ftp://a"],
        ),
        ("mount = hello", "dunlin.toml:1:9: ", ["mount = hello", "^"]),
    ] {
        let refused = host.try_deploy("hello", manifest).await;
        assert_eq!(refused.code(), 1, "{refused:#?}");
        assert!(refused.stderr.contains(place), "{refused:#?}");
        for part in parts {
            assert!(refused.stderr.contains(part), "{part}: {refused:#?}");
        }
        assert_eq!(host.get("/hello/").await.ok(), "Hello from Dunlin!");
    }
    let version = &host.run(["ls", "--json"]).await.succeeded().json()[0]["version"];
    assert_eq!(version, 1);
}

#[tokio::test]
async fn a_component_that_cannot_serve_is_refused_and_the_old_version_serves_on() {
    let host = Host::start().await;
    host.deploy("hello", "").await;
    let folder = function_folder("hello", "").await;
    let replace =
        |bytes: &[u8]| fs::write(folder.path.join("guest.wasm"), bytes).expect("can be written");
    let hello = component("hello").await;
    for (bytes, code, part) in [
        (b"\0asm\x0d\0\x01\0".as_slice(), 5, "exports no handler"),
        (b"\0asm\x01\0\0\0", 3, "is a core module, not a component"),
        (b"", 3, "is no wasm file"),
        (&hello[..hello.len() / 2], 5, "does not compile"),
    ] {
        replace(bytes);
        let refused = host.run(["deploy".as_ref(), folder.path.as_os_str()]).await;
        assert_eq!(refused.code(), code, "{refused:#?}");
        assert!(refused.stderr.contains(part), "{refused:#?}");
        assert_eq!(host.get("/hello/").await.ok(), "Hello from Dunlin!");
    }
    let greedy = host
        .try_deploy("hello", "[limits]\nmemory = \"512KiB\"")
        .await;
    assert_eq!(greedy.code(), 5, "{greedy:#?}");
    assert!(greedy.stderr.contains("memory"), "{greedy:#?}");
    assert_eq!(host.get("/hello/").await.ok(), "Hello from Dunlin!");
}

#[tokio::test]
async fn without_the_token_nothing_is_told_or_changed() {
    let host = Host::start().await;
    let folder = function_folder("hello", "").await;
    let folder = folder.path.to_str().expect("is UTF-8");
    for arguments in [&["ls"][..], &["deploy", folder], &["logs", "hello"]] {
        let mut command = host.command(arguments[0]);
        command.args(&arguments[1..]).args(["--token", "wrong"]);
        let refused = run(&mut command).await;
        assert_eq!(refused.code(), 5, "{refused:#?}");
        assert!(
            refused.stderr.contains("the token is missing or wrong"),
            "{refused:#?}"
        );
        assert_eq!(refused.stdout, "");
    }
    host.get("/hello/").await.failed(404, "unknown-function");
    let token = fs::read_to_string(host.data_dir().join("token")).expect("is there");
    let mut command = host.command("ls");
    run(command.args(["--token", token.trim()]))
        .await
        .succeeded();
}
