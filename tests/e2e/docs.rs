//! What functions say of themselves, and the host's pages of it: the document,
//! Swagger UI and Redoc.

use http::{Method, StatusCode};
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::harness::{Answer, Host, OpenApi, dunlin, is_as_reviewed, repository, run, until};

/// The samples, and the guest that uses what the SDK can say.
const DOCUMENTED: [&str; 6] = [
    "functions/async-endpoints",
    "functions/echo",
    "functions/fanout",
    "functions/hello",
    "functions/primes",
    "tests/guests/documented",
];

/// Set `DUNLIN_BLESS=1` to write the files anew, then review the changes.
#[tokio::test]
async fn documents_are_as_reviewed_and_valid() {
    let standard = OpenApi::standard();
    for folder in DOCUMENTED {
        let folder_of = repository().join(folder);
        // Without a host. No limit on the time: it may build.
        let printed = run(dunlin().arg("openapi").arg(folder_of))
            .await
            .succeeded();
        let name = folder.rsplit('/').next().expect("has a name");
        is_as_reviewed(
            &format!("tests/golden/{name}.openapi.json"),
            &printed.stdout,
        );
        let document: Value = printed.stdout.parse().expect("is JSON");
        assert_eq!(standard.objection(&document), None, "{folder}");
        assert_eq!(document["openapi"], "3.1.0");
        let paths = document["paths"].as_object().expect("is an object");
        assert!(!paths.is_empty(), "{folder}");
    }
}

fn get(host: &Host, path: &str) -> RequestBuilder {
    host.request(Method::GET, path)
}

#[tokio::test]
async fn the_document_is_served_without_the_guest() {
    let host = Host::start().await;
    host.deploy("documented", "mount = \"/v1/shop\"").await;
    // A start of the host: nothing is loaded yet.
    let host = Host::start_on(host.stop().await, &[]).await;
    let answer = host.get("/v1/shop/openapi.json").await;
    let document = answer.ok().parse::<Value>().expect("is JSON");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(document["servers"][0]["url"], "/v1/shop");
    assert_eq!(document["info"]["title"], "Documented");
    assert_eq!(OpenApi::standard().objection(&document), None);

    let etag = answer.header("etag").to_owned();
    for known in [&*etag, "*", &format!("\"other\", W/{etag}")] {
        let request = get(&host, "/v1/shop/openapi.json").header("if-none-match", known);
        let again = Answer::to(request).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(
            (again.header("etag"), &*again.body),
            (&*etag, ""),
            "{known}"
        );
    }
    let request = get(&host, "/v1/shop/openapi.json").header("if-none-match", "\"other\"");
    assert_eq!(Answer::to(request).await.ok(), answer.body);
    let head = host.request(Method::HEAD, "/v1/shop/openapi.json");
    let head = Answer::to(head).await;
    assert_eq!((head.ok(), head.header("etag")), ("", &*etag));
    assert_eq!(head.header("content-length"), answer.body.len().to_string());
    host.get("/v1/shop/docs").await.ok();
    // No invocation was counted, so no guest ran.
    let metrics = host.metrics().await;
    let counted = |line: &&str| line.starts_with("dunlin_invocations_total{");
    let counted: Vec<_> = metrics.lines().filter(counted).collect();
    assert!(
        counted.iter().all(|line| line.ends_with(" 0")),
        "{counted:?}"
    );
}

/// The paths that a page names, as a browser at `page` understands them.
fn links(page: &str, text: &str) -> Vec<String> {
    let (folder, _) = page.rsplit_once('/').expect("begins with a slash");
    let of = |attribute: &str| {
        let parts = text.split(attribute).skip(1);
        let links = parts.filter_map(|it| it.split('"').next());
        let links = links.filter(|it| !it.starts_with("data:"));
        links.map(|it| format!("{folder}/{it}")).collect::<Vec<_>>()
    };
    let mut found = of("href=\"");
    found.extend(of("src=\""));
    found
}

#[tokio::test]
async fn pages_are_offline_and_their_parts_are_kept_for_ever() {
    let host = Host::start().await;
    host.deploy("hello", "").await;
    host.deploy("primes", "host = \"primes.test\"").await;
    for (page, host_name, parts) in [
        ("/hello/docs", "", 3),
        ("/hello/redoc", "", 2),
        ("/docs", "primes.test", 3),
    ] {
        let asked = |path: &str| match host_name {
            "" => get(&host, path),
            name => get(&host, path).header("host", name),
        };
        let answer = Answer::to(asked(page)).await;
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("http"), "{policy}");
        assert!(!answer.ok().contains("//"), "{answer:?}");
        let links = links(page, answer.ok());
        assert_eq!(links.len(), parts, "{answer:?}");
        for link in links {
            let plain = Answer::to(asked(&link)).await;
            let cached = plain.header("cache-control").to_owned();
            assert!(cached.contains("immutable"), "{link}: {cached}");
            assert_eq!(plain.header("content-encoding"), "");
            assert!(plain.ok().len() > 100, "{link}");
            let gzip = asked(&link).header("accept-encoding", "br, gzip").send();
            let gzip = gzip.await.expect("an answer");
            assert_eq!(gzip.headers()["content-encoding"], "gzip");
            let gzip = gzip.bytes().await.expect("is whole");
            assert_eq!(gzip[..2], [0x1f, 0x8b], "{link}");
            assert!(gzip.len() < plain.body.len() + 100, "{link}");
        }
        let unknown = Answer::to(asked(&format!("{page}/-/other.js"))).await;
        unknown.failed(404, "no-route");
    }
}

#[tokio::test]
async fn what_the_function_has_itself_comes_first() {
    let host = Host::start().await;
    host.deploy("documented", "").await;
    let own = host.get("/documented/redoc").await;
    assert_eq!(own.ok(), "the function's own");
    // A route with a parameter is not at the page's very path.
    let page = host.get("/documented/docs").await;
    assert!(page.ok().contains("<title>Documented 1.2.3</title>"));
    assert_eq!(host.get("/documented/other").await.ok(), "other");
    // The host answers GET and HEAD there, nothing else.
    let put = host.request(Method::PUT, "/documented/docs").body("x");
    assert_eq!(Answer::to(put).await.body, "docs: x");
    let delete = host.request(Method::DELETE, "/documented/docs");
    Answer::to(delete).await.failed(405, "method-not-allowed");
    // Standard components answer for themselves.
    host.deploy("wasi-http", "").await;
    let page = host.get("/wasi-http/docs").await;
    assert!(!page.body.contains("<script"), "{page:?}");
}

#[tokio::test]
async fn the_manifest_switches_them_off() {
    let host = Host::start().await;
    host.deploy("documented", "docs = false").await;
    for page in ["docs", "openapi.json"] {
        assert_eq!(host.get(&format!("/documented/{page}")).await.ok(), page);
    }
    host.deploy("primes", "docs = false").await;
    for page in ["docs/-/a.js", "redoc/-/a.js"] {
        let answer = host.get(&format!("/primes/{page}")).await;
        answer.failed(404, "no-route");
    }
    // Who deploys may read it all the same.
    let printed = host.run(["openapi", "documented"]).await.succeeded();
    assert!(printed.stdout.contains("Lists items."), "{printed:#?}");
}

#[tokio::test]
async fn each_version_has_its_own() {
    let host = Host::start().await;
    let document = async |key: &str| {
        let request = get(&host, "/shop/openapi.json").header("dunlin-version-key", key);
        Answer::to(request).await.json()["info"]["title"]
            .as_str()
            .expect("is a text")
            .to_owned()
    };
    host.deploy("hello", "name = \"shop\"").await;
    host.deploy("primes", "name = \"shop\"").await;
    host.run(["split", "shop", "1=50", "2=50"])
        .await
        .succeeded();
    let mut key = 0;
    let mut of_title = async |title: &str| {
        until(title, async || {
            key += 1;
            let key = format!("user-{key}");
            (document(&key).await == title).then_some(key)
        })
        .await
    };
    let (hello, primes) = (of_title("hello").await, of_title("primes").await);
    assert_eq!(document(&hello).await, "hello");
    assert_eq!(document(&primes).await, "primes");

    host.run(["split", "shop", "2=100"]).await.succeeded();
    assert_eq!(document(&hello).await, "primes");
    let first = get(&host, "/shop/openapi.json")
        .header("dunlin-version", "1")
        .header("dunlin-token", host.token());
    assert_eq!(Answer::to(first).await.json()["info"]["title"], "hello");

    let title = async |of: &str| {
        let printed = host.run(["openapi", of, "--json"]).await.succeeded();
        printed.json()[0]["info"]["title"].clone()
    };
    assert_eq!(title("shop").await, "primes");
    assert_eq!(title("shop@1").await, "hello");
    let unknown = host.run(["openapi", "shop@9"]).await;
    assert_eq!(unknown.code(), 5, "{unknown:#?}");
    assert!(unknown.stderr.contains("shop@9"), "{unknown:#?}");
    let folder = run(host
        .command("openapi")
        .arg("hello")
        .current_dir(repository().join("functions")))
    .await;
    assert_eq!(folder.code(), 5, "{folder:#?}");
    assert!(folder.stderr.contains("say `./hello`"), "{folder:#?}");
    host.deploy("wasi-http", "").await;
    let silent = host.run(["openapi", "wasi-http"]).await;
    assert_eq!(silent.code(), 5, "{silent:#?}");
    assert!(silent.stderr.contains("no OpenAPI document"), "{silent:#?}");
}
