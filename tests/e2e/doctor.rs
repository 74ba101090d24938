//! `dunlin doctor`: what is in force and why, and what is wrong.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Host, run};

const CONFIG: &str =
    "[limits]\nmemory = \"64MiB\"\ndeadline = \"10s\"\n[host]\nmax_wait = \"1s\"\n";

const MANIFEST: &str = "[limits]\ndeadline = \"20s\"\ncpu = \"2s\"";

/// A host with [`CONFIG`] and a function with [`MANIFEST`]; the configuration's
/// path.
async fn configured() -> (Host, tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), CONFIG).expect("can be written");
    let path = file.path().to_str().expect("is UTF-8").to_owned();
    let host = Host::start_with(&["--config", &path, "--workers", "1"]).await;
    host.deploy("hello", MANIFEST).await;
    (host, file, path)
}

/// The check of this name.
#[track_caller]
fn check(report: &Value, name: &str) -> Value {
    let mut checks = report["checks"].as_array().into_iter().flatten();
    let found = checks.find(|check| check["name"] == name).cloned();
    found.unwrap_or_else(|| panic!("no check `{name}`: {report:#}"))
}

#[tokio::test]
async fn every_value_comes_with_its_reason() {
    let (host, _file, path) = configured().await;
    let shown = host.run(["doctor"]).await.succeeded().stdout;
    let has = |expected: &str| {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let found = shown.lines().any(|line| words(line) == expected);
        assert!(found, "no `{expected}` in:\n{shown}");
    };
    has("SETTING IN FORCE WHY");
    has(&format!("limits.memory 64MiB {path}"));
    has(&format!("host.max_wait 1s {path}"));
    has("host.workers 1 --workers");
    has("host.max_waiting 1000 default");
    has("hello@1 IN FORCE WHY");
    has("cpu 2s dunlin.toml");
    has("deadline 10s dunlin.toml asks for 20s; the host allows 10s");
    has("memory 64MiB the default is 128MiB; the host allows 64MiB");
    has("concurrency 1000 default");
    has("CHECK STATUS SEEN");
    has("limits warning hello: `limits.deadline`: dunlin.toml asks for 20s; the host allows 10s");
}

#[tokio::test]
async fn scripts_get_the_same_as_json() {
    let (host, _file, path) = configured().await;
    let report = host.run(["doctor", "--json"]).await.succeeded().json();
    let [report] = report.as_slice() else {
        panic!("one value: {report:?}");
    };
    let settings = report["settings"].as_array().expect("is a list");
    for expected in [
        json!({ "key": "limits.memory", "value": "64MiB", "why": path }),
        json!({ "key": "host.max_invocations", "value": 10_000, "why": "default" }),
    ] {
        assert!(settings.contains(&expected), "{expected}: {report:#}");
    }
    let hello = &report["functions"][0];
    assert_eq!(
        (&hello["name"], &hello["version"]),
        (&json!("hello"), &json!(1))
    );
    assert_eq!(
        hello["limits"]["deadline"],
        json!({ "value": "10s", "why": "dunlin.toml asks for 20s; the host allows 10s" })
    );
    for name in ["host", "machine code"] {
        assert_eq!(check(report, name)["status"], "ok", "{report:#}");
    }
    let limits = check(report, "limits");
    assert_eq!(limits["status"], "warning");
    assert!(
        limits["remedy"]
            .as_str()
            .is_some_and(|it| it.contains("dunlin.toml")),
        "{limits}"
    );
}

#[tokio::test]
async fn what_does_not_work_is_an_exit_code() {
    let host = Host::start().await;
    host.deploy("hello", "").await;
    let mut wrong = host.command("doctor");
    let refused = run(wrong.args(["--token", "wrong", "--json"])).await;
    assert_eq!(refused.code(), 5, "{refused:#?}");
    let seen = check(&refused.json()[0], "host")["message"].clone();
    assert!(
        seen.as_str()
            .is_some_and(|it| it.contains("the token is missing or wrong")),
        "{seen}"
    );

    let token = fs::read_to_string(host.data_dir().join("token")).expect("is there");
    fs::remove_file(host.data_dir().join("compiled")).expect("is a link to what all share");
    let mut doctor = host.command("doctor");
    let warned = run(doctor.args(["--token", token.trim(), "--json"]))
        .await
        .succeeded();
    let code = check(&warned.json()[0], "machine code")["message"].clone();
    assert_eq!(code, "missing for hello@1");

    fs::remove_dir_all(host.data_dir()).expect("can be removed");
    let failed = run(&mut doctor).await;
    assert_eq!(failed.code(), 6, "{failed:#?}");
    assert!(failed.stderr.contains("1 check failed"), "{failed:#?}");
    let directory = check(&failed.json()[0], "data directory");
    assert_eq!(directory["status"], "failed");
    assert!(directory["remedy"].is_string(), "{directory}");
}
