//! Versions of a function: how they share its traffic, and the way back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::future::{join, join_all};
use http::Method;
use serde_json::{Value, json};

use sha2::{Digest as _, Sha256};

use crate::harness::{Answer, Host, Ran, Wire, function_folder, until, within};

/// Deploys `misc` as a version that tells its number: `/misc/var/VERSION`.
async fn deploy(host: &Host, number: u32) {
    deploy_as(host, number, &[]).await.succeeded();
}

async fn deploy_as(host: &Host, number: u32, flags: &[&str]) -> Ran {
    let manifest = format!("[vars]\nVERSION = \"{number}\"\nONLY_IN_{number} = \"yes\"");
    let folder = function_folder("misc", &manifest).await;
    let path = folder.path.to_str().expect("is UTF-8");
    let deploy = ["deploy", path].into_iter().chain(flags.iter().copied());
    host.run(deploy).await
}

/// The version that answers; with a key, the one for this key.
async fn version(host: &Host, key: Option<&str>) -> String {
    let mut request = host.request(Method::GET, "/misc/var/VERSION");
    if let Some(key) = key {
        request = request.header("dunlin-version-key", key);
    }
    Answer::to(request).await.ok().to_owned()
}

async fn versions(host: &Host) -> Vec<Value> {
    let listed = host.run(["versions", "misc", "--json"]).await;
    listed.succeeded().json()
}

/// Each version's number and weight, the newest first.
async fn weights(host: &Host) -> Vec<(u64, u64)> {
    let number = |version: &Value, key: &str| version[key].as_u64().expect("a number");
    let versions = versions(host).await;
    let each = versions
        .iter()
        .map(|it| (number(it, "version"), number(it, "weight")));
    each.collect()
}

#[tokio::test]
async fn traffic_is_divided_and_a_key_stays_with_its_version() {
    let host = Host::start().await;
    deploy(&host, 1).await;
    deploy(&host, 2).await;
    assert_eq!(weights(&host).await, [(2, 100), (1, 0)]);
    let said = host.run(["split", "misc", "1=50", "2=50"]).await;
    let said = said.succeeded();
    assert!(said.stdout.contains("1 (50 %) 2 (50 %)"), "{said:#?}");

    let mut seen = BTreeSet::new();
    until("answers of both versions", async || {
        seen.insert(version(&host, None).await);
        (seen.len() == 2).then_some(())
    })
    .await;
    let keys: Vec<_> = (0..16).map(|user| format!("user-{user}")).collect();
    let of_keys = async || join_all(keys.iter().map(|key| version(&host, Some(key)))).await;
    let first = of_keys().await;
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 2, "{first:?}");
    for _ in 0..4 {
        assert_eq!(of_keys().await, first);
    }
    // A cookie does the same.
    for (key, expected) in keys.iter().zip(&first) {
        let request = host.request(Method::GET, "/misc/var/VERSION");
        let cookie = format!("theme=dark; dunlin-version-key={key}");
        let answer = Answer::to(request.header("cookie", cookie)).await;
        assert_eq!(answer.ok(), expected);
    }

    // Keys are where they were after a restart, and move in one direction only.
    let data_dir = host.stop().await;
    let host = Host::start_on(data_dir, &[]).await;
    let of_keys = async || join_all(keys.iter().map(|key| version(&host, Some(key)))).await;
    assert_eq!(of_keys().await, first);
    host.run(["split", "misc", "1=10", "2=90"])
        .await
        .succeeded();
    let later = of_keys().await;
    for (before, after) in first.iter().zip(&later) {
        assert!(before <= after, "{first:?} {later:?}");
    }
    host.run(["split", "misc", "2"]).await.succeeded();
    assert!(of_keys().await.iter().all(|version| version == "2"));
    let ls = host.run(["ls", "--json"]).await.succeeded().json();
    assert_eq!(ls[0]["deployment"]["split"], json!({ "2": 100 }));
}

#[tokio::test]
async fn a_rollback_goes_back_step_by_step() {
    let host = Host::start().await;
    for number in 1..=3 {
        deploy(&host, number).await;
    }
    host.run(["split", "misc", "1=50", "3=50"])
        .await
        .succeeded();
    let back = async |expected: &[(u64, u64)]| {
        host.run(["rollback", "misc"]).await.succeeded();
        assert_eq!(weights(&host).await, expected);
    };
    back(&[(3, 100), (2, 0), (1, 0)]).await;
    back(&[(3, 0), (2, 100), (1, 0)]).await;
    assert_eq!(version(&host, None).await, "2");
    back(&[(3, 0), (2, 0), (1, 100)]).await;
    let refused = host.run(["rollback", "misc"]).await;
    assert_eq!(refused.code(), 5, "{refused:#?}");
    assert!(refused.stderr.contains("--to VERSION"), "{refused:#?}");
    host.run(["rollback", "misc", "--to", "3"])
        .await
        .succeeded();
    assert_eq!(version(&host, None).await, "3");
    // A jump is a step, too.
    back(&[(3, 0), (2, 0), (1, 100)]).await;
    assert_eq!(version(&host, None).await, "1");
}

#[tokio::test]
async fn a_token_reaches_any_version() {
    let host = Host::start().await;
    deploy(&host, 1).await;
    deploy(&host, 2).await;
    let ask = async |path: &str, version: &str, token: Option<&str>| {
        let mut request = host.request(Method::GET, path);
        request = request.header("dunlin-version", version);
        if let Some(token) = token {
            request = request.header("dunlin-token", token);
        }
        Answer::to(request).await
    };
    let token = host.token();
    let path = "/misc/var/VERSION";
    assert_eq!(ask(path, "1", Some(&token)).await.ok(), "1");
    assert_eq!(ask(path, "2", Some(&token)).await.ok(), "2");
    ask(path, "1", None).await.failed(403, "version-refused");
    ask(path, "2", Some("wrong"))
        .await
        .failed(403, "version-refused");
    for none in ["3", "0", "x", "4294967296"] {
        let answer = ask(path, none, Some(&token)).await;
        answer.failed(404, "unknown-version");
    }
    let seen = ask("/misc/headers", "1", Some(&token)).await;
    assert!(!seen.ok().contains("dunlin-"), "{seen:?}");
    assert_eq!(version(&host, None).await, "2");
    // One that was asked for by number and then gets traffic.
    host.run(["split", "misc", "1"]).await.succeeded();
    assert_eq!(version(&host, None).await, "1");
}

#[tokio::test]
async fn a_canary_that_fails_loses_its_traffic() {
    let host = Host::start().await;
    deploy(&host, 1).await;
    let canary = ["--canary", "50%", "--abort-on", "1%"];
    let said = deploy_as(&host, 2, &canary).await.succeeded();
    assert!(said.stdout.contains("1 (50 %) 2 (50 %)"), "{said:#?}");

    // Both are fine: it stays.
    for _ in 0..100 {
        version(&host, None).await;
    }
    assert_eq!(weights(&host).await, [(2, 1), (1, 1)]);
    // Only the older one has this variable; the other answers 500.
    until("the way back", async || {
        for _ in 0..20 {
            host.get("/misc/var/ONLY_IN_1").await;
        }
        (weights(&host).await == [(2, 0), (1, 1)]).then_some(())
    })
    .await;
    assert_eq!(host.get("/misc/var/ONLY_IN_1").await.ok(), "yes");
    let line = host.logged("misc", "lost its traffic").await;
    assert_eq!(line["version"], 2);
    let deployments = {
        let path = "/v1/functions/misc/deployments";
        let request = host.admin_request(Method::GET, path);
        Answer::to(request.bearer_auth(host.token())).await
    };
    let causes: Vec<_> = deployments.json()["deployments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["cause"].clone())
        .collect();
    assert_eq!(causes, ["abort", "deploy", "deploy"]);

    let alone = deploy_as(&host, 3, &["--canary", "100%"]).await;
    assert_eq!(alone.code(), 5, "{alone:#?}");
    let other = host.run(["rm", "misc", "--yes"]).await;
    other.succeeded();
    let first = deploy_as(&host, 3, &["--canary", "10%"]).await;
    assert!(first.stderr.contains("without `--canary`"), "{first:#?}");
}

#[tokio::test]
async fn what_cannot_share_traffic_is_refused_and_changes_nothing() {
    let host = Host::start().await;
    deploy(&host, 1).await;
    let moved = "mount = \"/elsewhere\"\n[vars]\nVERSION = \"2\"";
    host.deploy("misc", moved).await;
    assert_eq!(host.get("/elsewhere/var/VERSION").await.ok(), "2");
    for (weights, says) in [
        (["1=1", "2=1"], "different addresses"),
        (["2=1", "7=1"], "no version misc@7"),
        (["2=1", "1=0"], "leave out"),
        (["2=1", "x"], "VERSION=WEIGHT"),
    ] {
        let split = ["split", "misc"].into_iter().chain(weights);
        let refused = host.run(split).await;
        assert!([2, 5].contains(&refused.code()), "{refused:#?}");
        assert!(refused.stderr.contains(says), "{refused:#?}");
    }
    assert_eq!(weights(&host).await, [(2, 100), (1, 0)]);
    assert_eq!(host.get("/elsewhere/var/VERSION").await.ok(), "2");
    host.get("/misc/var/VERSION")
        .await
        .failed(404, "unknown-function");

    // Another function has the old address meanwhile.
    host.deploy("hello", "mount = \"/misc\"").await;
    let refused = host.run(["rollback", "misc"]).await;
    assert_eq!(refused.code(), 5, "{refused:#?}");
    assert!(refused.stderr.contains("`hello`"), "{refused:#?}");
    assert_eq!(host.get("/elsewhere/var/VERSION").await.ok(), "2");
}

#[tokio::test]
async fn old_versions_go_with_what_only_they_needed() {
    let config = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(config.path(), "[host]\nkept_versions = 2").expect("can be written");
    let config = config.path().to_str().expect("is UTF-8");
    let host = Host::start_with(&["--config", config]).await;
    let components = || {
        let folder = std::fs::read_dir(host.data_dir().join("components"));
        folder.expect("is there").count()
    };
    host.deploy("hello", "name = \"misc\"").await;
    host.deploy("echo", "name = \"other\"").await;
    deploy(&host, 2).await;
    assert_eq!(components(), 3);
    for number in 3..=4 {
        deploy(&host, number).await;
    }
    let kept: Vec<_> = weights(&host).await.iter().map(|it| it.0).collect();
    assert_eq!(kept, [4, 3]);
    assert_eq!(components(), 2);
    let refused = host.run(["rollback", "misc", "--to", "1"]).await;
    assert!(refused.stderr.contains("no version misc@1"), "{refused:#?}");

    let refused = host.run(["rm", "misc"]).await;
    assert_eq!(refused.code(), 2, "{refused:#?}");
    host.run(["rm", "misc", "--yes"]).await.succeeded();
    assert_eq!(components(), 1);
    host.get("/misc/method")
        .await
        .failed(404, "unknown-function");
    assert_eq!(host.run(["versions", "misc"]).await.code(), 5);
    // Its numbers are not given again.
    deploy(&host, 5).await;
    assert_eq!(weights(&host).await, [(5, 100)]);
}

/// What one caller began is everybody's: it is not left half done.
#[tokio::test]
async fn a_deployment_goes_on_when_its_caller_goes_away() {
    let host = Host::start_cold().await;
    deploy(&host, 1).await;
    let component = crate::harness::component("hello").await;
    let digest: String = Sha256::digest(component)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let fields = |length: usize| {
        let token = host.token();
        format!("host: h\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n")
    };
    let mut wire = Wire::connect(host.admin).await;
    wire.send(format!(
        "PUT /v1/components/{digest} HTTP/1.1\r\n{}",
        fields(component.len())
    ))
    .await;
    wire.send(component).await;
    assert_eq!(wire.head().await.status(), 201);
    let body = json!({ "component": digest, "manifest": { "name": "misc" } }).to_string();
    wire.send(format!(
        "POST /v1/functions/misc/versions HTTP/1.1\r\n{}{body}",
        fields(body.len())
    ))
    .await;
    until("the compiler", async || host.children().first().copied()).await;
    drop(wire);
    until("the new version", async || {
        (host.get("/misc/Ada").await.body == "Hello, Ada!").then_some(())
    })
    .await;
}

/// A hundred deployments, with splits and rollbacks between them, under load.
#[tokio::test]
async fn a_hundred_deployments_fail_no_request_and_reset_no_connection() {
    let host = Host::start().await;
    deploy(&host, 1).await;
    deploy(&host, 2).await;
    let (served, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let load = join_all((0..8).map(async |_| {
        while !over.load(Ordering::Relaxed) {
            // Panics at any answer but a 200, and at any reset.
            version(&host, None).await;
            served.fetch_add(1, Ordering::Relaxed);
        }
    }));
    let changes = async {
        for turn in 0..50 {
            // Two versions a turn.
            let newest = 3 + 2 * turn;
            deploy(&host, newest).await;
            let (newest, before) = (format!("{newest}=1"), format!("{}=9", newest - 1));
            let split = ["split", "misc", &newest, &before];
            host.run(split).await.succeeded();
            host.run(["rollback", "misc"]).await.succeeded();
            let canary = ["--canary", "20%"];
            deploy_as(&host, 0, &canary).await.succeeded();
            let enough = served.load(Ordering::Relaxed) + 16;
            until("load", async || {
                (served.load(Ordering::Relaxed) >= enough).then_some(())
            })
            .await;
        }
        over.store(true, Ordering::Relaxed);
    };
    within("a hundred deployments", join(load, changes)).await;
}
