//! Who goes down with whom, and what is left behind.

use futures::future::join;
use http::Method;

use crate::harness::{Host, Upstream, Wire, until};

/// A request that is answered in part, in a shared instance, and can't be
/// repeated.
async fn half_answered(host: &Host) -> Wire {
    let mut wire = Wire::connect(host.listen).await;
    wire.send(
        "POST /misc/first-then-rest HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n",
    )
    .await;
    wire.send_chunk("a ").await;
    assert_eq!(wire.head().await.status(), 200);
    assert_eq!(wire.chunk().await, "first ");
    wire
}

async fn is_quarantined(host: &Host) -> bool {
    let ran = host.run(["ls", "--json"]).await.succeeded();
    let routes = ran.json().remove(0)["routes"].clone();
    let routes = routes.as_array().expect("has routes").clone();
    let quarantined: Vec<_> = routes
        .iter()
        .filter(|route| route["quarantined"] == true)
        .map(|route| route["path"].as_str().expect("a path").to_owned())
        .collect();
    assert!(
        quarantined.is_empty() || quarantined == ["/panic"],
        "{quarantined:?}"
    );
    !quarantined.is_empty()
}

#[tokio::test]
async fn a_route_that_keeps_crashing_is_kept_apart() {
    let host = Host::start_with(&["--workers", "1"]).await;
    host.deploy("misc", "").await;
    // Shared, a crash takes its neighbours along.
    let mut neighbour = half_answered(&host).await;
    host.get("/misc/panic").await.failed(502, "guest-trap");
    let rest = neighbour.rest().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
    assert!(!is_quarantined(&host).await);

    // A habit by now, or with the next one at the latest.
    for _ in 0..3 {
        host.get("/misc/panic").await.failed(502, "guest-trap");
    }
    host.logged("misc", "keeps crashing").await;
    assert!(is_quarantined(&host).await);
    let table = host.run(["ls"]).await.succeeded().stdout;
    assert!(table.contains("keeps crashing"), "{table}");
    let metrics = host.metrics().await;
    assert!(
        metrics.contains(
            "dunlin_quarantined_route{function=\"misc\",method=\"GET\",path=\"/panic\"} 1"
        ),
        "{metrics}"
    );

    let mut neighbour = half_answered(&host).await;
    for _ in 0..3 {
        host.get("/misc/panic").await.failed(502, "guest-trap");
    }
    neighbour.send_chunk("b ").await;
    neighbour.send("0\r\n\r\n").await;
    let mut body = String::new();
    loop {
        match neighbour.chunk().await {
            last if last.is_empty() => break,
            chunk => body.push_str(&chunk),
        }
    }
    assert_eq!(body, "a b ");

    // Another version is another story.
    host.deploy("misc", "[vars]\nNEW = \"1\"").await;
    assert!(!is_quarantined(&host).await);
}

/// The blocking lane gives each request an instance anyhow.
#[tokio::test]
async fn a_route_that_shares_nothing_is_never_quarantined() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    for _ in 0..4 {
        host.get("/misc/panic-in-fn")
            .await
            .failed(502, "guest-trap");
    }
    assert!(!is_quarantined(&host).await);
    let log = host.logs("misc").await;
    let text = serde_json::to_string(&log).expect("is JSON");
    assert!(!text.contains("keeps crashing"), "{text}");
}

/// Bodies that nobody has taken are the guest's memory, though the host has
/// them: four of 8 MiB, and no more, fit into 32 MiB.
#[tokio::test]
async fn bodies_in_the_hosts_hands_count_as_the_guests_memory() {
    let upstream = Upstream::start().await;
    let host = Host::start().await;
    let manifest = format!(
        "[limits]\nmemory = \"32MiB\"\n[egress]\nallow = [\"{}\"]",
        upstream.address
    );
    host.deploy("zoo", &manifest).await;
    let path = format!("/zoo/large-fetches?url={}&count=20", upstream.url("/hang"));
    let fetching = tokio::spawn(host.request(Method::GET, &path).send());
    upstream.hanging(4).await;
    upstream.let_go();
    let answer = fetching.await.expect("no panic").expect("is answered");
    assert_eq!(answer.text().await.expect("is whole"), "4");
}

/// What never ends keeps no instance for ever, even one that is still in use.
#[tokio::test]
async fn work_left_behind_in_a_shared_instance_is_ended() {
    let host = Host::start_with(&["--workers", "1"]).await;
    host.deploy("misc", "[limits]\ndeadline = \"300ms\"").await;
    assert_eq!(host.get("/misc/go-on-afterwards").await.ok(), "answered");
    host.logged("misc", "work that outlived its request was ended")
        .await;
    assert_eq!(host.get("/misc/method").await.ok(), "get");
}

/// Work left behind has the limits of one invocation, not what is left over of
/// an instance's life.
#[tokio::test]
async fn work_left_behind_computes_within_its_own_limit() {
    let host = Host::start_with(&["--workers", "1"]).await;
    host.deploy("misc", "[limits]\ncpu = \"300ms\"").await;
    // Many small pieces in one instance: more in sum than one may have.
    for _ in 0..10 {
        let answer = host.get("/misc/compute-afterwards/60").await;
        assert_eq!(answer.ok(), "answered");
        let done = until("it is done", async || {
            let log = host.logs("misc").await;
            let done = log.iter().filter(|line| line["message"] == "computed");
            Some(done.count())
        });
        done.await;
    }
    until("all are done", async || {
        let log = host.logs("misc").await;
        let done = log.iter().filter(|line| line["message"] == "computed");
        (done.count() == 10).then_some(())
    })
    .await;
    // And one that takes too much.
    host.get("/misc/compute-afterwards/100000").await.ok();
    host.logged("misc", "more CPU time than").await;
}

#[tokio::test]
async fn an_abandoned_invocation_is_finished_where_the_manifest_says_so() {
    let upstream = Upstream::start().await;
    let host = Host::start_with(&["--workers", "1"]).await;
    let manifest = format!(
        "on_disconnect = \"finish\"\n[egress]\nallow = [\"{}\"]",
        upstream.address
    );
    host.deploy("misc", &manifest).await;
    let errand = |word: &str| {
        let url = upstream.url("/held/2");
        format!("/misc/print-around-fetch?url={url}&word={word}")
    };
    let mut leaving = Wire::connect(host.listen).await;
    leaving
        .send(format!(
            "GET {} HTTP/1.1\r\nhost: h\r\n\r\n",
            errand("left")
        ))
        .await;
    host.logged("misc", "before left").await;
    drop(leaving);
    until("the host has seen it", async || {
        let metrics = host.metrics().await;
        metrics.contains("dunlin_connections 0").then_some(())
    })
    .await;
    // The second request lets the first go.
    host.get(&errand("other")).await.ok();
    let line = host.logged("misc", "after left").await;
    assert!(line["request_id"].is_string(), "{line}");
}

/// An answer in the middle of which its reader leaves is made to its end.
#[tokio::test]
async fn an_abandoned_answer_is_finished_where_the_manifest_says_so() {
    let host = Host::start().await;
    host.deploy("misc", "on_disconnect = \"finish\"").await;
    let mut wire = Wire::connect(host.listen).await;
    wire.send("GET /misc/give/50000000 HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    assert_eq!(wire.head().await.status(), 200);
    drop(wire);
    until("it is counted as answered", async || {
        let metrics = host.metrics().await;
        let mut answered = metrics
            .lines()
            .filter(|line| line.contains("outcome=\"answered\""));
        answered.any(|line| line.ends_with(" 1")).then_some(())
    })
    .await;
    let get = host.request(Method::GET, "/misc/method").send().await;
    assert_eq!(get.expect("is answered").status(), 200);
}

/// An instance that is about to end was handed to whoever came next, who then
/// heard of the other's failure.
#[tokio::test]
async fn who_comes_next_has_nothing_to_do_with_a_crash() {
    let host = Host::start().await;
    host.deploy("misc", "").await;
    let crashes = async {
        for _ in 0..100 {
            host.get("/misc/panic-in-fn")
                .await
                .failed(502, "guest-trap");
        }
    };
    let others = async {
        for _ in 0..400 {
            assert_eq!(host.get("/misc/calm-in-fn").await.ok(), "calm");
        }
    };
    join(crashes, others).await;
}

/// Work goes on for ever where streams overlap, but somebody waits for it.
#[tokio::test]
async fn overlapping_streams_are_whole_however_long_they_overlap() {
    let host = Host::start_with(&["--workers", "1"]).await;
    host.deploy("misc", "[limits]\ndeadline = \"2s\"").await;
    let mut before = half_answered(&host).await;
    for _ in 0..4 {
        let next = half_answered(&host).await;
        // Time passes while the guest has something to send.
        host.get("/misc/sleep/700").await.ok();
        before.send_chunk("b ").await;
        before.send("0\r\n\r\n").await;
        let mut body = String::new();
        loop {
            match before.chunk().await {
                last if last.is_empty() => break,
                chunk => body.push_str(&chunk),
            }
        }
        assert_eq!(body, "a b ");
        before = next;
    }
}

/// A guest of WASI 0.2 that waits cannot be asked what it is at.
#[tokio::test]
async fn who_lingers_after_the_answer_is_ended() {
    let host = Host::start().await;
    host.deploy("zoo-wasi-02", "[limits]\ndeadline = \"300ms\"")
        .await;
    assert_eq!(host.get("/zoo-wasi-02/lingering").await.ok(), "well");
    host.logged("zoo-wasi-02", "work that outlived its request was ended")
        .await;
    until("its instance is gone", async || {
        let metrics = host.metrics().await;
        metrics.contains("dunlin_instances 0").then_some(())
    })
    .await;
}

/// The guest is done as soon as it has said what it passes on.
#[tokio::test]
async fn what_a_function_only_passes_on_outlives_it() {
    let host = Host::start().await;
    host.deploy("echo", "isolation = \"fresh\"").await;
    let mut wire = Wire::connect(host.listen).await;
    wire.send("POST /echo/ HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    wire.send_chunk("a").await;
    assert_eq!(wire.head().await.status(), 200);
    assert_eq!(wire.chunk().await, "a");
    wire.send_chunk("b").await;
    assert_eq!(wire.chunk().await, "b");
    wire.send("0\r\n\r\n").await;
    assert_eq!(wire.chunk().await, "");
    until("the instance is gone", async || {
        let metrics = host.metrics().await;
        metrics.contains("dunlin_instances 0").then_some(())
    })
    .await;
}

/// `std::thread::sleep` in an `async fn` holds its whole instance, and nobody
/// who isn't in it.
#[tokio::test]
async fn who_sleeps_the_thread_keeps_nobody_waiting() {
    let host = Host::start_with(&["--workers", "1"]).await;
    host.deploy("zoo", "").await;
    host.get("/zoo/well").await.ok();
    let mut sleeping = Wire::connect(host.listen).await;
    sleeping
        .send("GET /zoo/sleep-the-thread HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    // The one worker has surely taken it when it has answered a later one.
    host.get("/nowhere").await.failed(404, "unknown-function");
    for _ in 0..5 {
        assert_eq!(host.get("/zoo/well").await.status, 200);
    }
}
