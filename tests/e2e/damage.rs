//! A data directory that is full, damaged, or not to be had: a clear answer,
//! and nothing is deleted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, prlimit};

use crate::harness::{Host, Ran, dunlin, run};

/// Starts a host that does not start.
async fn refused(data_dir: &Path) -> Ran {
    let mut command = dunlin();
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    run(command.arg("--data-dir").arg(data_dir)).await
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_used_is_named_with_a_remedy() {
    type Arrange = fn(&Path) -> PathBuf;
    let cases: [(&str, Arrange, &[&str]); 5] = [
        (
            "a file",
            |folder| {
                fs::write(folder.join("file"), "mine").unwrap();
                folder.join("file")
            },
            &["/file", "something else is in its place", "--data-dir"],
        ),
        (
            "below a file",
            |folder| {
                fs::write(folder.join("file"), "mine").unwrap();
                folder.join("file/data")
            },
            &["/file/data", "something else is in its place", "--data-dir"],
        ),
        (
            "where nobody may write",
            // Not even root.
            |_| "/proc/dunlin".into(),
            &["cannot create /proc/dunlin"],
        ),
        (
            "a folder for the lock",
            |folder| {
                fs::create_dir(folder.join("lock")).unwrap();
                folder.to_owned()
            },
            &["/lock", "something else is in its place"],
        ),
        (
            "a folder for the database",
            |folder| {
                fs::create_dir(folder.join("registry.sqlite")).unwrap();
                folder.to_owned()
            },
            &["database cannot be read or written"],
        ),
    ];
    for (what, arrange, parts) in cases {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let refused = refused(&arrange(folder.path())).await;
        assert_eq!(refused.code(), 1, "{what}: {refused:#?}");
        for part in parts {
            assert!(refused.stderr.contains(part), "{what}: {refused:#?}");
        }
    }
}

/// The files below a folder with what is in them.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("can be read") {
        let path = entry.expect("can be read").path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), fs::read(path).expect("can be read"));
        }
    }
    found
}

#[tokio::test]
async fn a_damaged_database_is_named_and_left_alone() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage, &str); 4] = [
        ("no database", |file| file.fill(7), "is damaged"),
        (
            "the middle",
            |file| {
                let (from, to) = (file.len() / 4, file.len() / 2);
                file[from..to].fill(7);
            },
            "is damaged",
        ),
        (
            "the end",
            |file| file.truncate(file.len() / 2),
            "is damaged",
        ),
        (
            "everything",
            Vec::clear,
            "has no versions, but there are components",
        ),
    ];
    let host = Host::start_cold().await;
    host.deploy("hello", "").await;
    host.deploy("wasi-http", "").await;
    let data_dir = host.stop().await;
    let file = data_dir.path().join("registry.sqlite");
    let whole = fs::read(&file).expect("is there");
    for (what, damage, message) in damages {
        let mut damaged = whole.clone();
        damage(&mut damaged);
        fs::write(&file, damaged).expect("can be written");
        let before = contents(data_dir.path());
        let refused = refused(data_dir.path()).await;
        assert_eq!(refused.code(), 1, "{what}: {refused:#?}");
        for part in [message, "registry.sqlite", "backup"] {
            assert!(refused.stderr.contains(part), "{what}: {refused:#?}");
        }
        assert!(contents(data_dir.path()) == before, "{what}");
    }
    // As the message says.
    fs::write(&file, whole).expect("can be written");
    let host = Host::start_on(data_dir, &[]).await;
    assert_eq!(host.get("/hello/Ada").await.ok(), "Hello, Ada!");
}

/// Files may be this large from now on, as on a disk that is nearly full.
fn leave_room(host: &Host, bytes: Option<u64>) {
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(Some(host.pid()), Resource::Fsize, limit).expect("may be lowered and raised");
}

#[tokio::test]
async fn a_full_disk_fails_the_deployment_and_nothing_else() {
    let host = Host::start_cold().await;
    host.deploy("hello", "").await;
    // Which step has too little room: the component has 79 KB, its machine
    // code more, the database's log less.
    for (bytes, message) in [
        (40_000, "free some space"),
        (120_000, "the machine code cannot be written"),
    ] {
        leave_room(&host, Some(bytes));
        let refused = host.try_deploy("wasi-http", "").await;
        assert_eq!(refused.code(), 5, "{refused:#?}");
        for part in [message, "free some space"] {
            assert!(refused.stderr.contains(part), "{refused:#?}");
        }
        assert_eq!(host.get("/hello/Ada").await.ok(), "Hello, Ada!");
        assert_eq!(host.run(["ls", "--json"]).await.succeeded().json().len(), 1);
    }
    leave_room(&host, None);
    host.deploy("wasi-http", "").await;
    // All is there but the record.
    leave_room(&host, Some(4_096));
    let refused = host.try_deploy("wasi-http", "name = \"other\"").await;
    assert_eq!(refused.code(), 5, "{refused:#?}");
    let message = "the registry's database cannot be read or written";
    assert!(refused.stderr.contains(message), "{refused:#?}");
    host.get("/other").await.failed(404, "unknown-function");
    host.get("/wasi-http").await.ok();
    leave_room(&host, None);
    host.deploy("wasi-http", "name = \"other\"").await;
    host.get("/other").await.ok();
    let data_dir = host.stop().await;
    let host = Host::start_on(data_dir, &[]).await;
    assert_eq!(host.run(["ls", "--json"]).await.succeeded().json().len(), 3);
}
