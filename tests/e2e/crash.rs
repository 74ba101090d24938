//! The host is killed, or a step fails, at every place of a deployment: what
//! served before serves on or the new version does, and nothing is left behind.
//!
//! The places are where `fail_point!` stands in the host's source.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::Arc;

use http::Method;
use rustix::process::{Signal, test_kill_process};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::harness::{Host, Ran, Wire, dunlin, run, until};

/// Only the versions that are needed: the next one lets the first go.
const SETTINGS: &str = "[host]\nkept_versions = 1\n";

/// Three versions of `f`, each with a component of its own: what to deploy, and
/// what it answers.
const VERSIONS: [(&str, &str); 3] = [
    ("async-endpoints", ""),
    ("hello", "Hello from Dunlin!"),
    ("wasi-http", "Hello from wasi:http 0.2!\n"),
];

/// Which version serves after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Serves {
    Old,
    New,
}

/// A data directory on which `f` has two versions, the second of which serves.
async fn data_dir() -> Arc<TempDir> {
    static TEMPLATE: OnceCell<Arc<TempDir>> = OnceCell::const_new();
    let template = TEMPLATE.get_or_init(|| async {
        let host = Host::start_cold().await;
        fs::write(host.data_dir().join("host.toml"), SETTINGS).expect("can be written");
        for (name, _) in &VERSIONS[..2] {
            host.deploy(name, "name = \"f\"").await;
        }
        host.stop().await
    });
    let copy = tempfile::tempdir().expect("a temporary folder");
    copy_folder(template.await.path(), copy.path());
    Arc::new(copy)
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("can be read") {
        let entry = entry.expect("can be read");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&to).expect("can be made");
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("can be copied");
        }
    }
}

/// A host that dies or fails at this place; nowhere if it is empty.
async fn start(data_dir: &Arc<TempDir>, fail_at: &str) -> Host {
    let mut command = dunlin();
    command.env("DUNLIN_FAIL_AT", fail_at).arg("serve");
    command.arg("--data-dir").arg(data_dir.path());
    command
        .arg("--config")
        .arg(data_dir.path().join("host.toml"));
    Host::spawn(command, data_dir.clone()).await
}

async fn deploy(host: &Host, version: usize) -> Ran {
    host.try_deploy(VERSIONS[version].0, "name = \"f\"").await
}

/// Asserts who serves `f`, that what the data directory holds is what its
/// versions need, and that the next deployment works.
async fn is_sound(host: &Host, serves: Serves, at: &str) {
    let answer = host.get("/f").await;
    match serves {
        Serves::Old => assert_eq!(answer.ok(), VERSIONS[1].1, "{at}"),
        Serves::New => assert_eq!(answer.ok(), VERSIONS[2].1, "{at}"),
    }
    let versions = versions(host).await;
    has_only(host.data_dir(), &versions, at);
    deploy(host, 2).await.succeeded();
    assert_eq!(host.get("/f").await.ok(), VERSIONS[2].1, "{at}");
    let number = host.run(["ls", "--json"]).await.succeeded().json()[0]["version"].clone();
    // A version that was recorded keeps its number.
    let expected = if serves == Serves::New { 4 } else { 3 };
    assert_eq!(number, expected, "{at}");
}

/// The digests of the components that the versions of `f` have.
async fn versions(host: &Host) -> BTreeSet<String> {
    let listed = host.run(["versions", "f", "--json"]).await;
    let listed = if listed.status.success() {
        listed.json()
    } else {
        Vec::new()
    };
    let component = |version: &serde_json::Value| version["component"].as_str().map(str::to_owned);
    listed.iter().filter_map(component).collect()
}

/// Asserts that the data directory holds these components, machine code of no
/// others, and nothing unfinished.
fn has_only(data_dir: &Path, components: &BTreeSet<String>, at: &str) {
    let mut found = BTreeSet::new();
    let mut folders = vec![data_dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("can be read") {
            let path = entry.expect("can be read").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path
                .file_name()
                .expect("has one")
                .to_string_lossy()
                .into_owned();
            if let Some(digest) = name.strip_suffix(".wasm") {
                found.insert(digest.to_owned());
            } else if let Some(digest) = name.strip_suffix(".cwasm") {
                assert!(components.contains(digest), "{at}: {}", path.display());
            } else {
                let known = [
                    "registry.sqlite",
                    "registry.sqlite-wal",
                    "registry.sqlite-shm",
                    "token",
                    "lock",
                    "engines",
                    "host.toml",
                ];
                assert!(known.contains(&&*name), "{at}: {}", path.display());
            }
        }
    }
    assert_eq!(found, *components, "{at}");
}

#[tokio::test]
async fn killed_anywhere_in_a_deployment_the_host_comes_back_with_one_version_or_the_other() {
    for (at, serves) in [
        ("upload-write", Serves::Old),
        ("publish", Serves::Old),
        ("uploaded", Serves::Old),
        ("compiled", Serves::Old),
        ("described", Serves::Old),
        ("routes-checked", Serves::Old),
        ("smoked", Serves::Old),
        ("store", Serves::Old),
        ("stored", Serves::New),
        ("swapped", Serves::New),
        ("pruned", Serves::New),
        ("forget", Serves::New),
    ] {
        let data_dir = data_dir().await;
        let mut host = start(&data_dir, at).await;
        assert_eq!(host.get("/f").await.ok(), VERSIONS[1].1);
        let deployed = deploy(&host, 2).await;
        assert!(!deployed.status.success(), "{at}: {deployed:#?}");
        let ended = host.ended().await;
        assert_eq!(ended.signal(), Some(Signal::KILL.as_raw()), "{at}");
        drop(host);

        let host = start(&data_dir, "").await;
        is_sound(&host, serves, at).await;
    }
}

#[tokio::test]
async fn killed_while_traffic_changes_the_host_comes_back_before_or_after() {
    let before = Some(r#"{"2":100}"#);
    for (command, at, expected) in [
        (&["rollback", "f"][..], "redeploy", before),
        (&["rollback", "f"], "redeployed", Some(r#"{"1":100}"#)),
        (&["split", "f", "1=1", "2=3"], "redeploy", before),
        (
            &["split", "f", "1=1", "2=3"],
            "redeployed",
            Some(r#"{"1":1,"2":3}"#),
        ),
        (&["rm", "f", "--yes"], "remove", before),
        (&["rm", "f", "--yes"], "removed", None),
        (&["rm", "f", "--yes"], "forget", None),
    ] {
        let at_command = format!("{command:?} at {at}");
        let data_dir = data_dir().await;
        let mut host = start(&data_dir, at).await;
        assert!(!host.run(command).await.status.success(), "{at_command}");
        let ended = host.ended().await;
        assert_eq!(ended.signal(), Some(Signal::KILL.as_raw()), "{at_command}");
        drop(host);

        let host = start(&data_dir, "").await;
        let in_force = host.run(["ls", "--json"]).await.succeeded().json();
        let split = in_force
            .first()
            .map(|it| it["deployment"]["split"].to_string());
        assert_eq!(split.as_deref(), expected, "{at_command}");
        has_only(host.data_dir(), &versions(&host).await, &at_command);
        // Numbers go on, even those of a function that was removed.
        deploy(&host, 2).await.succeeded();
        let now = &host.run(["ls", "--json"]).await.succeeded().json()[0];
        assert_eq!(now["version"], 3, "{at_command}");
    }
}

#[tokio::test]
async fn a_step_that_fails_leaves_what_serves_and_no_traces() {
    // Where, and what the message says.
    for (at, message) in [
        ("upload-write", "cannot write"),
        ("publish", "cannot write"),
        ("machine-code", "the machine code cannot be written"),
        ("store", "cannot write into"),
    ] {
        let data_dir = data_dir().await;
        let host = start(&data_dir, &format!("{at}=error")).await;
        let deployed = deploy(&host, 2).await;
        assert_eq!(deployed.code(), 5, "{at}: {deployed:#?}");
        assert!(deployed.stderr.contains(message), "{at}: {deployed:#?}");
        assert_eq!(host.get("/f").await.ok(), VERSIONS[1].1, "{at}");
        let listed = host.run(["versions", "f", "--json"]).await.succeeded();
        assert_eq!(listed.json().len(), 2, "{at}: {listed:#?}");
        assert!(unfinished(host.data_dir()).is_empty(), "{at}");
        let data_dir = host.stop().await;

        let host = start(&data_dir, "").await;
        is_sound(&host, Serves::Old, at).await;
    }
    for command in [&["rollback", "f"][..], &["split", "f", "1", "2"]] {
        let host = start(&data_dir().await, "redeploy=error").await;
        let changed = host.run(command).await;
        assert_eq!(changed.code(), 5, "{changed:#?}");
        assert!(changed.stderr.contains("cannot write into"), "{changed:#?}");
        assert_eq!(host.get("/f").await.ok(), VERSIONS[1].1);
    }
    let host = start(&data_dir().await, "remove=error").await;
    let removed = host.run(["rm", "f", "--yes"]).await;
    assert_eq!(removed.code(), 5, "{removed:#?}");
    assert_eq!(host.get("/f").await.ok(), VERSIONS[1].1);
}

/// What can be done again at the next start is no reason to refuse now.
#[tokio::test]
async fn files_that_cannot_be_removed_fail_no_command() {
    let dir = data_dir().await;
    let host = start(&dir, "forget=error").await;
    deploy(&host, 2).await.succeeded();
    host.run(["rm", "f", "--yes"]).await.succeeded();
    assert!(host.said().contains("were not removed"), "{}", host.said());
    let dir = host.stop().await;
    let host = start(&dir, "cleaning=error").await;
    assert!(
        host.said().contains("could not be removed"),
        "{}",
        host.said()
    );
    let dir = host.stop().await;
    let host = start(&dir, "").await;
    has_only(host.data_dir(), &BTreeSet::new(), "the third start");
    assert!(host.said().contains("components 3"), "{}", host.said());
}

fn unfinished(data_dir: &Path) -> Vec<String> {
    let folders = [data_dir.to_owned(), data_dir.join("components")];
    let files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).expect("is there"));
    let names = files.map(|file| file.expect("can be read").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(".tmp")).collect()
}

/// The clean-up is killed as well: the next start takes it up.
#[tokio::test]
async fn killed_while_it_cleans_up_the_host_cleans_up_next_time() {
    let data_dir = data_dir().await;
    let mut host = start(&data_dir, "stored").await;
    assert!(!deploy(&host, 2).await.status.success());
    host.ended().await;
    drop(host);
    fs::write(data_dir.path().join(".tmpabcdef"), "x").expect("can be written");
    let orphan = data_dir
        .path()
        .join("components")
        .join("0".repeat(64) + ".wasm");
    fs::write(&orphan, "x").expect("can be written");

    let mut killed = dunlin();
    killed.env("DUNLIN_FAIL_AT", "cleaning").arg("serve");
    killed.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let killed = run(killed.arg("--data-dir").arg(data_dir.path())).await;
    assert_eq!(killed.status.signal(), Some(Signal::KILL.as_raw()));
    assert!(orphan.exists() && unfinished(data_dir.path()).is_empty());
    let host = start(&data_dir, "").await;
    is_sound(&host, Serves::New, "cleaning").await;
}

#[tokio::test]
async fn a_compiler_that_is_killed_fails_one_deployment() {
    let data_dir = data_dir().await;
    let host = start(&data_dir, "machine-code").await;
    let deployed = deploy(&host, 2).await;
    assert_eq!(deployed.code(), 5, "{deployed:#?}");
    assert!(deployed.stderr.contains("too much memory"), "{deployed:#?}");
    assert_eq!(host.get("/f").await.ok(), VERSIONS[1].1);
    let data_dir = host.stop().await;
    // The file that the compiler was writing goes, too.
    is_sound(&start(&data_dir, "").await, Serves::Old, "machine-code").await;
}

#[tokio::test]
async fn the_compiler_ends_with_the_host() {
    let data_dir = data_dir().await;
    let mut host = start(&data_dir, "machine-code=hang").await;
    let (deployed, ()) = futures::join!(deploy(&host, 2), async {
        let compiler = until("the compiler hangs", async || {
            host.children().first().copied()
        })
        .await;
        host.signal(Signal::KILL);
        until("the compiler's end", async || {
            test_kill_process(compiler).is_err().then_some(())
        })
        .await;
    });
    assert!(!deployed.status.success(), "{deployed:#?}");
    host.ended().await;
    drop(host);
    is_sound(&start(&data_dir, "").await, Serves::Old, "hang").await;
}

/// A restart during the upload takes nothing for whole that is not.
#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let data_dir = data_dir().await;
    let host = start(&data_dir, "").await;
    let before = components(host.data_dir());
    let token = fs::read_to_string(data_dir.path().join("token")).expect("is there");
    let mut wire = Wire::connect(host.admin).await;
    let path = format!("/v1/components/{}", "0".repeat(64));
    let head = format!(
        "{} {path} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\ncontent-length: 1000\r\n\r\n",
        Method::PUT,
        token.trim()
    );
    wire.send(&head).await;
    wire.send("half of it").await;
    until("the upload has begun", async || {
        (!unfinished(host.data_dir()).is_empty()).then_some(())
    })
    .await;
    drop(wire);
    until("the upload is gone", async || {
        unfinished(host.data_dir()).is_empty().then_some(())
    })
    .await;
    assert_eq!(components(host.data_dir()), before);
}

fn components(data_dir: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(data_dir.join("components")).expect("is there");
    let names = files.map(|file| file.expect("can be read").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}
