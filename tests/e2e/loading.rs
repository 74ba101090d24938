//! Machine code: compiled once, checked before it runs, in memory only while
//! it is used.

use std::fs;
use std::path::{Path, PathBuf};

use http::Method;

use crate::harness::{Answer, Host, Upstream, Wire, dunlin, until};

/// The files of machine code.
fn machine_code(data_dir: &Path) -> Vec<PathBuf> {
    let engines = fs::read_dir(data_dir.join("compiled")).expect("is there");
    let files = engines
        .flat_map(|engine| fs::read_dir(engine.expect("can be read").path()).expect("is a folder"));
    files
        .map(|file| file.expect("can be read").path())
        .collect()
}

/// What disks do: a bit that turned, an end that is missing, zeros where the
/// data never arrived.
#[tokio::test]
async fn damaged_machine_code_is_found_and_compiled_anew() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 4] = [
        ("a bit", |code| {
            let middle = code.len() / 2;
            code[middle] ^= 1;
        }),
        ("the end", |code| code.truncate(code.len() - 1)),
        ("everything", Vec::clear),
        ("only zeros", |code| code.fill(0)),
    ];
    let mut host = Host::start_cold().await;
    host.deploy("hello", "").await;
    for (what, damage) in damages {
        let data_dir = host.stop().await;
        let [file] = &machine_code(data_dir.path())[..] else {
            panic!("there is one component");
        };
        let whole = fs::read(file).expect("can be read");
        let mut damaged = whole.clone();
        damage(&mut damaged);
        fs::write(file, damaged).expect("can be written");

        host = Host::start_on(data_dir, &[]).await;
        assert_eq!(host.get("/hello/Ada").await.ok(), "Hello, Ada!", "{what}");
        let said = host.said();
        let lines = said.lines().filter(|line| line.contains("compiled anew"));
        assert_eq!(lines.count(), 1, "{what}: {said}");
        assert!(fs::read(file).expect("is there") == whole, "{what}");
    }
}

/// A damaged component is nothing that could be compiled: it is kept aside, and
/// counts as missing, so that the next deploy sends it again.
#[tokio::test]
async fn a_damaged_component_is_put_aside_and_sent_again() {
    let host = Host::start_cold().await;
    host.deploy("hello", "").await;
    let data_dir = host.stop().await;
    fs::remove_dir_all(data_dir.path().join("compiled")).expect("is there");
    let components = data_dir.path().join("components");
    let component = fs::read_dir(&components).expect("is there").next();
    let component = component.expect("one").expect("can be read").path();
    let mut bytes = fs::read(&component).expect("can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&component, &bytes).expect("can be written");

    let host = Host::start_on(data_dir, &[]).await;
    host.get("/hello/Ada").await.failed(500, "load-failed");
    assert!(host.said().contains("is put aside"), "{}", host.said());
    let aside = component.with_extension("wasm.damaged");
    assert!(fs::read(aside).expect("is there") == bytes);
    host.deploy("hello", "").await;
    assert_eq!(host.get("/hello/Ada").await.ok(), "Hello, Ada!");
}

#[tokio::test]
async fn a_version_that_nobody_uses_leaves_memory_and_comes_back() {
    let settings = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(settings.path(), "[host]\nunload_after = \"1s\"\n").expect("can be written");
    let config = settings.path().to_str().expect("is UTF-8");
    let upstream = Upstream::start().await;
    let host = Host::start_with(&["--config", config]).await;
    host.deploy("hello", "").await;
    host.deploy("wasi-http", "").await;
    host.deploy_misc_for(&upstream).await;
    let path = format!("/misc/fetch?url={}", upstream.url("/hang"));
    let hanging = tokio::spawn(host.request(Method::GET, &path).send());
    upstream.hanging(1).await;
    for _ in 0..2 {
        assert_eq!(host.get("/hello/Ada").await.ok(), "Hello, Ada!");
        host.get("/wasi-http").await.ok();
        // What has an invocation stays.
        loaded(&host, 1).await;
    }
    assert!(!hanging.is_finished());
    hanging.abort();
    loaded(&host, 0).await;
    assert_eq!(host.get("/misc/method").await.ok(), "get");
}

async fn loaded(host: &Host, versions: u32) {
    let line = format!("dunlin_loaded_versions {versions}");
    until(&line, async || {
        let metrics = host.metrics().await;
        metrics.lines().any(|it| it == line).then_some(())
    })
    .await;
}

/// The one who asked first goes away; who comes after finds the code loaded,
/// however long that takes.
#[tokio::test]
async fn loading_goes_on_when_its_first_request_goes_away() {
    let host = Host::start_cold().await;
    host.deploy("misc", "").await;
    let data_dir = host.stop().await;
    fs::remove_dir_all(data_dir.path().join("compiled")).expect("is there");
    let host = Host::start_on(data_dir.clone(), &[]).await;
    let mut wire = Wire::connect(host.listen).await;
    wire.send("GET /misc/method HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    until("the compiler runs", async || {
        host.children().first().copied()
    })
    .await;
    drop(wire);
    loaded(&host, 1).await;
}

/// The host that comes back could not compile anything: each compiler fails.
#[tokio::test]
async fn a_thousand_functions_come_back_and_nothing_is_compiled() {
    let host = Host::start_cold().await;
    host.deploy("hello", "name = \"f0\"").await;
    let listed = host.run(["ls", "--json"]).await.succeeded().json();
    let component = &listed[0]["component"];
    for number in 1..1_000 {
        let name = format!("f{number}");
        let request = serde_json::json!({ "component": component, "manifest": { "name": name } });
        let path = format!("/v1/functions/{name}/versions");
        let deploy = host.admin_request(Method::POST, &path).json(&request);
        let deployed = deploy.bearer_auth(host.token());
        assert_eq!(Answer::to(deployed).await.status, 201);
    }
    let data_dir = host.stop().await;

    let mut command = dunlin();
    command
        .env("DUNLIN_FAIL_AT", "machine-code=error")
        .arg("serve");
    command.arg("--data-dir").arg(data_dir.path());
    let host = Host::spawn(command, data_dir).await;
    assert_eq!(
        host.run(["ls", "--json"]).await.succeeded().json().len(),
        1_000
    );
    assert!(host.metrics().await.contains("dunlin_loaded_versions 0\n"));
    for number in [0, 1, 500, 999] {
        let answer = host.get(&format!("/f{number}/Ada")).await;
        assert_eq!(answer.ok(), "Hello, Ada!", "{number}");
    }
    assert!(host.metrics().await.contains("dunlin_loaded_versions 4\n"));
}
