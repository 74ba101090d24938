//! Deploying over what serves, and starting again with what was deployed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use futures::future::join_all;

use crate::harness::{Host, until, within};

/// Two components take turns under one name, both at `/`.
#[tokio::test]
async fn a_function_is_deployed_again_and_again_while_it_serves() {
    let host = Host::start().await;
    let texts = ["Hello from Dunlin!", "Hello from wasi:http 0.2!\n"];
    let deploy = async |turn: usize| {
        let name = if turn.is_multiple_of(2) {
            "hello"
        } else {
            "wasi-http"
        };
        host.deploy(name, "name = \"twin\"").await;
    };
    deploy(0).await;
    let (served, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let load = join_all((0..8).map(async |_| {
        let mut seen = BTreeSet::new();
        while !over.load(Ordering::Relaxed) {
            // Panics at any answer but a 200, and at any reset.
            let answer = host.get("/twin").await;
            seen.insert(
                texts
                    .iter()
                    .position(|text| answer.ok() == *text)
                    .expect("one of both"),
            );
            served.fetch_add(1, Ordering::Relaxed);
        }
        seen
    }));
    let deploys = async {
        for turn in 1..=20 {
            deploy(turn).await;
            // Each version gets some of the load before the next one comes.
            let enough = served.load(Ordering::Relaxed) + 16;
            until("load", async || {
                (served.load(Ordering::Relaxed) >= enough).then_some(())
            })
            .await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let (seen, ()) = within("twenty deploys", futures::future::join(load, deploys)).await;
    for seen in seen {
        assert_eq!(seen.len(), 2, "both components answered");
    }
    let [function] = &host.run(["ls", "--json"]).await.succeeded().json()[..] else {
        panic!("there is one function");
    };
    assert_eq!(
        (&function["name"], &function["version"]),
        (&"twin".into(), &21.into())
    );
}

#[tokio::test]
async fn what_is_in_flight_ends_on_the_version_that_it_began_on() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let slow = host.get("/misc/sleep/1500");
    let deploys = async {
        until("the request is in", async || {
            (host.get("/misc/method").await.status == 200).then_some(())
        })
        .await;
        host.deploy("hello", "name = \"misc\"").await;
        assert_eq!(host.get("/misc/Ada").await.ok(), "Hello, Ada!");
    };
    let (slow, ()) = futures::join!(slow, deploys);
    assert_eq!(slow.ok(), "slept 1500");
}

#[tokio::test]
async fn a_restart_brings_everything_back_and_compiles_nothing() {
    let host = Host::start_cold().await;
    host.deploy("misc", "[vars]\nWHO = \"me\"").await;
    host.deploy("hello", "").await;
    host.deploy("hello", "").await;
    let compiled = compiled_files(host.data_dir());
    assert_eq!(compiled.len(), 2, "{compiled:?}");

    let data_dir = host.stop().await;
    let host = Host::start_on(data_dir, &[]).await;
    assert_eq!(host.get("/misc/var/WHO").await.ok(), "me");
    assert_eq!(host.get("/hello/Ada").await.ok(), "Hello, Ada!");
    assert_eq!(compiled_files(host.data_dir()), compiled);
    let versions: Vec<_> = host.run(["ls", "--json"]).await.succeeded().json();
    let versions: Vec<_> = versions
        .iter()
        .map(|it| (it["name"].as_str(), it["version"].as_u64()))
        .collect();
    assert_eq!(
        versions,
        [(Some("hello"), Some(2)), (Some("misc"), Some(1))]
    );
    host.deploy("hello", "").await;
    assert_eq!(compiled_files(host.data_dir()), compiled);
}

/// The files of compiled code, and when they were written.
fn compiled_files(data_dir: &Path) -> BTreeSet<(String, SystemTime)> {
    let engines = fs::read_dir(data_dir.join("compiled")).expect("is there");
    let files = engines.flat_map(|engine| {
        let engine = engine.expect("can be read").path();
        fs::read_dir(engine).expect("is a folder")
    });
    let stamp = |file: Result<fs::DirEntry, _>| {
        let file = file.expect("can be read");
        let written = file
            .metadata()
            .and_then(|it| it.modified())
            .expect("Linux tells it");
        (file.file_name().to_string_lossy().into_owned(), written)
    };
    files.map(stamp).collect()
}

#[tokio::test]
async fn two_functions_cannot_have_one_address() {
    let host = Host::start().await;
    host.deploy("hello", "").await;
    let refused = host.try_deploy("misc", "mount = \"/hello\"").await;
    assert_eq!(refused.code(), 5, "{refused:#?}");
    for part in ["`misc`", "`hello`", "`mount`"] {
        assert!(refused.stderr.contains(part), "{refused:#?}");
    }
    assert_eq!(host.get("/hello/Ada").await.ok(), "Hello, Ada!");
}

#[tokio::test]
async fn a_second_host_on_the_same_data_directory_is_refused() {
    let host = Host::start().await;
    let mut second = crate::harness::dunlin();
    second.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--data-dir",
    ]);
    let second = crate::harness::run(second.arg(host.data_dir())).await;
    assert_eq!(second.code(), 1, "{second:#?}");
    assert!(second.stderr.contains("error: "), "{second:#?}");
}
