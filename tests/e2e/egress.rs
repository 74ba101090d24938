//! What functions may reach, and how they reach it.

use http::Method;

use crate::harness::{Answer, Host, Upstream, within};

#[tokio::test]
async fn what_the_manifest_allows_is_fetched() {
    let upstream = Upstream::start().await;
    let host = Host::start().await;
    host.deploy_misc_for(&upstream).await;
    let answer = host
        .get(&format!("/misc/fetch?url={}", upstream.url("/")))
        .await;
    assert_eq!(answer.ok(), "hello from upstream");
    let headers = host
        .get(&format!("/misc/fetch?url={}", upstream.url("/headers")))
        .await;
    let has = |line: String| assert!(headers.ok().lines().any(|it| it == line), "{headers:?}");
    has("x-from: guest".to_owned());
    has(format!("host: {}", upstream.address));
    has("dunlin-hops: 1".to_owned());
}

#[tokio::test]
async fn the_rest_is_denied_and_the_setting_named() {
    let upstream = Upstream::start().await;
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let address = upstream.address;
    let denied = host
        .get(&format!("/misc/fetch?url={}", upstream.url("/")))
        .await;
    assert_eq!(denied.status, 500);
    let text = denied.json()["detail"]
        .as_str()
        .expect("is a text")
        .to_owned();
    assert!(
        text.contains(&format!("egress to `http://{address}` is not allowed")),
        "{text}"
    );
    assert!(
        text.contains(&format!("`[egress] allow = [\"{address}\"]`")),
        "{text}"
    );
    // As told, so done.
    host.deploy("misc", &format!("[egress]\nallow = [\"{address}\"]"))
        .await;
    host.get(&format!("/misc/fetch?url={}", upstream.url("/")))
        .await
        .ok();
}

#[tokio::test]
async fn another_port_another_address_and_a_name_are_denied() {
    let (upstream, other) = (Upstream::start().await, Upstream::start().await);
    let host = Host::start().await;
    host.deploy_misc_for(&upstream).await;
    let port = upstream.address.port();
    for url in [
        other.url("/"),
        format!("http://127.0.0.2:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.2]:{port}/"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        let denied = host.get(&format!("/misc/fetch?url={url}")).await;
        assert_eq!(denied.status, 500, "{url}");
        assert!(
            denied.body.contains("refused by the egress policy"),
            "{url}: {denied:?}"
        );
    }
}

#[tokio::test]
async fn a_wildcard_and_a_name_do_not_open_this_machine() {
    let upstream = Upstream::start().await;
    let port = upstream.address.port();
    let host = Host::start().await;
    host.deploy("misc", "[egress]\nallow = [\"*\"]").await;
    for name in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ] {
        let url = format!("http://{name}:{port}/");
        let denied = host.get(&format!("/misc/fetch?url={url}")).await;
        assert_eq!(denied.status, 500, "{url}");
        assert!(
            denied.body.contains("refused by the egress policy"),
            "{url}: {denied:?}"
        );
    }
    // The one name that can mean nothing else opens it for itself.
    host.deploy("misc", &format!("[egress]\nallow = [\"localhost:{port}\"]"))
        .await;
    let by_name = host
        .get(&format!("/misc/fetch?url=http://localhost:{port}/"))
        .await;
    assert_eq!(by_name.ok(), "hello from upstream");
    let by_address = host
        .get(&format!("/misc/fetch?url=http://127.0.0.1:{port}/"))
        .await;
    assert_eq!(by_address.status, 500);
}

#[tokio::test]
async fn nobody_listening_is_told_as_that() {
    let gone = Upstream::start().await.address;
    let host = Host::start().await;
    host.deploy("misc", &format!("[egress]\nallow = [\"{gone}\"]"))
        .await;
    let answer = host.get(&format!("/misc/fetch?url=http://{gone}/")).await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("no connection"), "{answer:?}");
}

#[tokio::test]
async fn fanout_has_all_its_fetches_out_at_once() {
    let upstream = Upstream::start().await;
    let host = Host::start().await;
    // None is answered before all five are in.
    let urls = vec![upstream.url("/held/5"); 5].join(" ");
    let settings = format!(
        "[vars]\nUPSTREAMS = \"{urls}\"\n[egress]\nallow = [\"{}\"]",
        upstream.address
    );
    host.deploy("fanout", &settings).await;
    let reports = host.get("/fanout/").await.json();
    let reports = reports.as_array().expect("a list");
    assert_eq!(reports.len(), 5);
    for report in reports {
        assert_eq!(
            (&report["status"], &report["bytes"]),
            (&200.into(), &19.into()),
            "{report}"
        );
    }
}

#[tokio::test]
async fn fanout_reports_what_is_denied_beside_the_rest() {
    let upstream = Upstream::start().await;
    let host = Host::start().await;
    host.deploy(
        "fanout",
        &format!("[egress]\nallow = [\"{}\"]", upstream.address),
    )
    .await;
    let query = format!("?url={}&url=https://example.com/", upstream.url("/"));
    let reports = host.get(&format!("/fanout/{query}")).await.json();
    assert_eq!(reports[0]["status"], 200, "{reports}");
    let error = reports[1]["error"].as_str().expect("is an error");
    assert!(
        error.contains("`[egress] allow = [\"example.com\"]`"),
        "{error}"
    );
}

#[tokio::test]
async fn the_outgoing_requests_of_an_invocation_are_counted() {
    let upstream = Upstream::start().await;
    let host = Host::start().await;
    let settings = format!(
        "[limits]\noutgoing_requests = 3\n[egress]\nallow = [\"{}\"]",
        upstream.address
    );
    host.deploy("fanout", &settings).await;
    let query = vec![format!("url={}", upstream.url("/")); 5].join("&");
    for _ in 0..2 {
        let reports = host.get(&format!("/fanout/?{query}")).await.json();
        let reports = reports.as_array().expect("a list");
        let failed: Vec<_> = reports
            .iter()
            .filter_map(|report| report["error"].as_str())
            .collect();
        assert_eq!(failed.len(), 2, "{reports:?}");
        assert!(failed[0].contains("outgoing_requests"), "{failed:?}");
    }
}

#[tokio::test]
async fn bodies_stream_through_a_fetch() {
    let upstream = Upstream::start().await;
    let host = Host::start().await;
    host.deploy_misc_for(&upstream).await;
    let path = format!("/misc/fetch?url={}", upstream.url("/echo"));
    let whole = host.post(&path, "a whole body").await;
    assert_eq!(whole.ok(), "a whole body");
    let pieces = (0..100).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 50_000]));
    let pieces = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    let streamed = Answer::to(host.request(Method::POST, &path).body(pieces));
    assert_eq!(within("the echo", streamed).await.ok().len(), 5_000_000);
}
