//! Who may do what, and what is known of who did.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Host, Wire, run, until};

/// A token of this scope, and its number.
async fn token(host: &Host, scope: &str) -> (String, u64) {
    let create = ["token", "create", scope, "--scope", scope, "--json"];
    let made = host.run(create).await.succeeded().json();
    let text = |key: &str| made[0][key].as_str().expect("is a text").to_owned();
    assert_eq!((text("name"), text("scope")), (scope.into(), scope.into()));
    (text("token"), made[0]["id"].as_u64().expect("a number"))
}

/// What the admin API answers.
async fn ask(host: &Host, method: &Method, path: &str, token: Option<&str>) -> Answer {
    let request = host.admin_request(method.clone(), path);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    Answer::to(request.body("{}")).await
}

async fn audit(host: &Host) -> Vec<Value> {
    let audit = ["audit", "--json", "--tail", "1000"];
    host.run(audit).await.succeeded().json()
}

/// Each request with the least scope that may.
fn requests() -> Vec<(Method, String, usize)> {
    const READ: usize = 0;
    const DEPLOY: usize = 1;
    const ADMIN: usize = 2;
    let digest = "0".repeat(64);
    let all = [
        (Method::GET, "/metrics", READ),
        (Method::GET, "/v1/host", READ),
        (Method::GET, "/v1/functions", READ),
        (Method::GET, "/v1/functions/none", READ),
        (Method::GET, "/v1/functions/none/versions", READ),
        (Method::GET, "/v1/functions/none/deployment", READ),
        (Method::GET, "/v1/functions/none/deployments", READ),
        (Method::GET, "/v1/functions/none/logs", READ),
        (Method::GET, "/v1/functions/none/secrets", READ),
        (Method::GET, "/v1/no/such/path", READ),
        (Method::POST, "/v1/functions/none/versions", DEPLOY),
        (Method::PUT, "/v1/functions/none/deployment", DEPLOY),
        (Method::POST, "/v1/functions/none/rollback", DEPLOY),
        (Method::DELETE, "/v1/functions/none", DEPLOY),
        (Method::PUT, "/v1/functions/none/secrets/A", DEPLOY),
        (Method::DELETE, "/v1/functions/none/secrets/A", DEPLOY),
        (Method::GET, "/v1/tokens", ADMIN),
        (Method::POST, "/v1/tokens", ADMIN),
        (Method::DELETE, "/v1/tokens/999", ADMIN),
        (Method::GET, "/v1/audit", ADMIN),
    ];
    let all = all.map(|(method, path, scope)| (method, path.to_owned(), scope));
    let component = format!("/v1/components/{digest}");
    let components = [
        (Method::HEAD, component.clone(), READ),
        (Method::PUT, component, DEPLOY),
    ];
    all.into_iter().chain(components).collect()
}

#[tokio::test]
async fn each_scope_opens_what_it_should_and_no_more() {
    let host = Host::start().await;
    for (held, scope) in ["read", "deploy", "admin"].into_iter().enumerate() {
        let (token, _) = token(&host, scope).await;
        for (method, path, needed) in requests() {
            let answer = ask(&host, &method, &path, Some(&token)).await;
            let refused = answer.status == StatusCode::FORBIDDEN;
            assert_eq!(
                refused,
                held < needed,
                "{scope} {method} {path}: {answer:?}"
            );
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            if refused {
                let title = answer.json()["title"].to_string();
                let needed = ["read", "deploy", "admin"][needed];
                let says = |scope: &str| title.contains(&format!("`{scope}`"));
                assert!(says(needed) && says(scope), "{title}");
                let challenge = answer.header("www-authenticate");
                assert!(challenge.contains("insufficient_scope"), "{challenge}");
            }
        }
    }
}

#[tokio::test]
async fn without_a_token_only_the_probes_answer() {
    // Few enough a host for the limit of failures.
    for some in requests().chunks(8) {
        let host = Host::start().await;
        for (method, path, _) in some {
            let answer = ask(&host, method, path, None).await;
            assert_eq!(answer.status, 401, "{method} {path}");
            let challenge = answer.header("www-authenticate");
            assert!(challenge.starts_with("Bearer"), "{challenge}");
        }
        for probe in ["/healthz", "/readyz"] {
            ask(&host, &Method::GET, probe, None).await.ok();
        }
    }
}

#[tokio::test]
async fn who_fails_too_often_waits_but_a_good_token_works() {
    let host = Host::start().await;
    let bad = async || ask(&host, &Method::GET, "/v1/functions", Some("dunlin_guess")).await;
    let mut refused = bad().await;
    for _ in 0..100 {
        if refused.status != 401 {
            break;
        }
        refused = bad().await;
    }
    assert_eq!(refused.status, 429, "{refused:?}");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=6).contains(&wait), "{wait}");
    host.run(["ls"]).await.succeeded();
    // The flood is not in the audit log, what came before it is.
    let refused = audit(&host).await;
    let refused = refused.iter().filter(|it| it["outcome"] == "refused");
    assert!((10..20).contains(&refused.count()));
}

#[tokio::test]
async fn a_removed_token_opens_nothing() {
    let host = Host::start().await;
    host.deploy("hello", "").await;
    let (token, id) = token(&host, "deploy").await;
    let chosen = async || {
        let request = host
            .request(Method::GET, "/hello/")
            .header("dunlin-version", "1");
        Answer::to(request.header("dunlin-token", &token)).await
    };
    chosen().await.ok();
    let id = id.to_string();
    host.run(["token", "rm", &id]).await.succeeded();
    assert_eq!(
        ask(&host, &Method::GET, "/v1/functions", Some(&token))
            .await
            .status,
        401
    );
    chosen().await.failed(403, "version-refused");
    let again = host.run(["token", "rm", &id]).await;
    assert_eq!(again.code(), 5, "{again:#?}");
    assert!(again.stderr.contains("dunlin token ls"), "{again:#?}");
}

#[tokio::test]
async fn a_version_is_chosen_by_who_may_deploy() {
    let host = Host::start().await;
    host.deploy("hello", "").await;
    for (scope, status) in [("read", 403), ("deploy", 200), ("admin", 200)] {
        let (token, _) = token(&host, scope).await;
        let request = host
            .request(Method::GET, "/hello/")
            .header("dunlin-version", "1");
        let answer = Answer::to(request.header("dunlin-token", &token)).await;
        assert_eq!(answer.status, status, "{scope}: {answer:?}");
    }
}

#[tokio::test]
async fn a_token_expires() {
    let host = Host::start().await;
    let create = async |lives: &str| {
        let create = [
            "token",
            "create",
            "ci",
            "--scope",
            "read",
            "--expires",
            lives,
        ];
        let made = host.run(create).await.succeeded();
        let token = made.stdout.trim().to_owned();
        ask(&host, &Method::GET, "/v1/functions", Some(&token))
            .await
            .status
    };
    assert_eq!(create("1ns").await, 401);
    assert_eq!(create("90d").await, 200);
    let list = host.run(["token", "ls"]).await.succeeded().stdout;
    assert_eq!(list.matches(" ci ").count(), 2, "{list}");
}

#[tokio::test]
async fn the_first_token_is_told_once_and_lies_in_a_file_of_its_owner() {
    let host = Host::start().await;
    let first = host.token();
    let file = host.data_dir().join("token");
    let mode = fs::metadata(&file).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(host.said().matches(&first).count(), 1, "{}", host.said());

    let data_dir = host.stop().await;
    let host = Host::start_on(data_dir, &[]).await;
    assert_eq!(host.token(), first);
    assert!(!host.said().contains(&first), "{}", host.said());
    host.run(["token", "ls"]).await.succeeded();

    // Lost: a new one is made, and the old one opens nothing.
    fs::remove_file(&file).expect("is there");
    let data_dir = host.stop().await;
    let host = Host::start_on(data_dir, &[]).await;
    assert_ne!(host.token(), first);
    let list = host.run(["token", "ls", "--json"]).await.succeeded().json();
    assert_eq!(list.len(), 1, "{list:#?}");
    assert_eq!(
        ask(&host, &Method::GET, "/v1/functions", Some(&first))
            .await
            .status,
        401
    );

    // Removed: it stays so until its file is gone, too.
    let id = list[0]["id"].to_string();
    host.run(["token", "rm", &id]).await.succeeded();
    let data_dir = host.stop().await;
    let host = Host::start_on(data_dir, &[]).await;
    assert!(host.said().contains("was removed"), "{}", host.said());
    assert_eq!(host.run(["ls"]).await.code(), 5);
}

/// Searches the data directory and all that was said.
#[tokio::test]
async fn no_token_is_kept_in_the_clear() {
    let host = Host::start_with(&["-vv"]).await;
    let (token, _) = token(&host, "admin").await;
    ask(&host, &Method::GET, "/v1/functions", Some(&token))
        .await
        .ok();
    let list = host.run(["token", "ls", "--json"]).await.succeeded();
    let log = host.run(["audit", "--json"]).await.succeeded();
    assert!(log.stdout.contains("token create"), "{log:#?}");
    for told in [&list.stdout, &log.stdout, &host.said()] {
        assert!(!told.contains(&token), "{told}");
    }
    let held = super::secrets::files_with(host.data_dir(), &token);
    assert!(held.is_empty(), "{held:?}");
    let first = super::secrets::files_with(host.data_dir(), &host.token());
    assert_eq!(first, [host.data_dir().join("token")]);
}

#[tokio::test]
async fn changes_and_refusals_are_written_down() {
    let host = Host::start().await;
    host.deploy("hello", "").await;
    host.deploy("hello", "").await;
    host.run(["split", "hello", "1=90", "2=10"])
        .await
        .succeeded();
    host.run(["rollback", "hello"]).await.succeeded();
    assert_eq!(host.run(["rollback", "hello", "--to", "9"]).await.code(), 5);
    let (reader, id) = token(&host, "read").await;
    let path = "/v1/functions/hello";
    assert_eq!(
        ask(&host, &Method::DELETE, path, Some(&reader))
            .await
            .status,
        403
    );
    assert_eq!(
        ask(&host, &Method::DELETE, path, Some("guess"))
            .await
            .status,
        401
    );
    ask(&host, &Method::GET, path, Some(&reader)).await.ok();
    host.run(["rm", "hello", "--yes"]).await.succeeded();
    host.run(["token", "rm", &id.to_string()]).await.succeeded();

    let data_dir = host.stop().await;
    let host = Host::start_on(data_dir, &[]).await;
    let log = audit(&host).await;
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let lines: Vec<_> = log
        .iter()
        .filter(|entry| entry["action"] != "upload")
        .map(|entry| {
            ["who", "action", "target", "outcome"]
                .map(|key| text(entry, key))
                .join(" ")
        })
        .collect();
    let id = id.to_string();
    let expected = [
        "local deploy hello@1 done",
        "local deploy hello@2 done",
        "local split hello done",
        "local rollback hello done",
        "local rollback hello refused",
        &format!("local token create {id} done"),
        "read rm hello refused",
        "unknown rm hello refused",
        "local rm hello done",
        &format!("local token rm {id} done"),
    ];
    assert_eq!(lines, expected);
    for entry in &log {
        assert_eq!(entry["peer"], "127.0.0.1", "{entry}");
        assert_eq!(
            entry["token"].is_null(),
            entry["who"] == "unknown",
            "{entry}"
        );
        assert!(
            entry["at_ms"]
                .as_u64()
                .is_some_and(|at| at > 1_700_000_000_000),
            "{entry}"
        );
    }
    let split = log.iter().find(|entry| entry["action"] == "split");
    let detail = split.map(|entry| text(entry, "detail"));
    assert_eq!(detail.as_deref(), Some("traffic 1=90 2=10"));
    let last = host.run(["audit", "--tail", "1"]).await.succeeded().stdout;
    assert!(
        last.contains("token rm") && !last.contains("rollback"),
        "{last}"
    );
}

#[tokio::test]
async fn a_change_that_nobody_waits_for_is_written_down() {
    let host = Host::start_cold().await;
    host.deploy("hello", "").await;
    // So that it takes a while.
    fs::remove_dir_all(host.data_dir().join("compiled")).expect("is there");
    let functions = host.run(["ls", "--json"]).await.succeeded().json();
    let component = &functions[0]["component"];
    let body = json!({ "component": component, "manifest": { "name": "twin" } }).to_string();
    let mut wire = Wire::connect(host.admin).await;
    wire.send(format!(
        "POST /v1/functions/twin/versions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        host.token(),
        body.len()
    ))
    .await;
    // It has been let in.
    assert_eq!(wire.head().await.status(), 100);
    wire.send(body).await;
    until("the compiler", async || host.children().first().copied()).await;
    drop(wire);
    let entry = until("the entry", async || {
        let log = audit(&host).await;
        log.into_iter().find(|entry| entry["target"] == "twin@1")
    })
    .await;
    assert_eq!(entry["outcome"], "done", "{entry}");
}

#[tokio::test]
async fn a_token_without_a_good_name_or_scope_is_not_made() {
    let host = Host::start().await;
    let token = host.token();
    for body in [
        json!({ "name": "a b", "scope": "read" }),
        json!({ "name": "a", "scope": "root" }),
        json!({ "name": "a" }),
        json!({ "name": "a", "scope": "read", "more": 1 }),
    ] {
        let request = host.admin_request(Method::POST, "/v1/tokens");
        let request = request.bearer_auth(&token).body(body.to_string());
        assert_eq!(Answer::to(request).await.status, 400, "{body}");
    }
    let mut command = host.command("ls");
    run(command.args(["--token", &token])).await.succeeded();
}
