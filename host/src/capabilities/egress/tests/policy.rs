//! Nothing is reached that the policy does not open.

use std::net::SocketAddr;
use std::sync::Mutex;

use tokio::sync::mpsc;

use super::peer::Peer;
use super::*;
use crate::capabilities::egress::connect::CONCURRENT_LOOKUPS;

#[track_caller]
fn denied(result: Result<Response<Incoming>, EgressError>) -> String {
    match result {
        Err(EgressError::Denied(denial)) => denial.to_string(),
        other => panic!("expected a denial, got {other:?}"),
    }
}

#[tokio::test]
async fn a_name_that_is_not_admitted_is_not_even_resolved() {
    let names = Names::answering([&["127.0.0.1"]]);
    let egress = egress_with(PATIENT).with_resolver(names.clone());
    for allow in [
        &[][..],
        &["127.0.0.0/8"],
        &["https://a.test"],
        &["a.test:81"],
    ] {
        let denial = denied(get(&client(&egress, allow), "http://a.test/").await);
        assert!(denial.contains("[egress] allow = [\"a.test\"]"), "{denial}");
    }
    assert_eq!(names.calls(), 0);
}

#[tokio::test]
async fn a_name_alone_reaches_no_address_inside() {
    let peer = Peer::start().await;
    let inside = [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
        "fd00::1",
    ];
    for address in inside {
        let egress = egress_with(PATIENT).with_resolver(Names::answering([&[address]]));
        for allow in ["a.test", "*.test", "*"] {
            let result = get(&client(&egress, &[allow]), &peer.url("http://a.test", "/")).await;
            let denial = denied(result);
            assert!(
                !denial.contains(address),
                "the guest learns the address: {denial}"
            );
            assert!(denial.contains("\"a.test:"), "{denial}");
        }
    }
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn an_address_inside_is_reached_when_it_is_named() {
    let peer = Peer::start().await;
    let egress = egress_with(PATIENT).with_resolver(Names::answering([&["127.0.0.1"]]));
    let port = peer.address.port();

    let literal = client(&egress, &[&format!("127.0.0.1:{port}")]);
    assert_eq!(
        text(
            get(&literal, &peer.url("http://127.0.0.1", "/"))
                .await
                .unwrap()
        )
        .await,
        "hello"
    );
    denied(get(&literal, "http://127.0.0.1:1/").await);
    denied(get(&literal, &peer.url("http://127.0.0.2", "/")).await);
    denied(get(&literal, &peer.url("http://a.test", "/")).await);

    let both = client(&egress, &["a.test", "127.0.0.0/8"]);
    assert_eq!(
        text(get(&both, &peer.url("http://a.test", "/")).await.unwrap()).await,
        "hello"
    );

    let anywhere = client(&egress, &["*"]);
    let denial = denied(get(&anywhere, &peer.url("http://127.0.0.1", "/")).await);
    assert!(
        denial.contains("loopback") && denial.contains(&format!("127.0.0.1:{port}")),
        "{denial}"
    );
}

#[tokio::test]
async fn localhost_is_opened_by_its_own_name() {
    let peer = Peer::start().await;
    let egress = egress_with(PATIENT).with_resolver(Names::answering([&["::1", "127.0.0.1"]]));
    let local = client(&egress, &["localhost"]);
    assert_eq!(
        text(
            get(&local, &peer.url("http://localhost", "/"))
                .await
                .unwrap()
        )
        .await,
        "hello"
    );
    let anywhere = client(&egress, &["*"]);
    let denial = denied(get(&anywhere, &peer.url("http://localhost", "/")).await);
    assert!(
        denial.contains("[egress] allow = [\"localhost:"),
        "{denial}"
    );
}

#[tokio::test]
async fn the_address_connected_to_is_the_one_that_was_checked() {
    // 127.0.0.2 is opened; the name turns to 127.0.0.1, where a peer waits too.
    let opened = Peer::start_at("127.0.0.2:0", None).await;
    let port = opened.address.port();
    let inside = Peer::start_at(&format!("127.0.0.1:{port}"), None).await;
    let names = Names::answering([&["127.0.0.2"], &["127.0.0.1"]]);
    let egress = egress_with(PATIENT).with_resolver(names.clone());
    let allow = ["a.test", "127.0.0.2"];

    let url = opened.url("http://a.test", "/");
    assert_eq!(
        text(get(&client(&egress, &allow), &url).await.unwrap()).await,
        "hello"
    );
    assert_eq!(names.calls(), 1, "resolved again between check and use");
    denied(get(&client(&egress, &allow), &url).await);
    assert_eq!((opened.connections(), inside.connections()), (1, 0));
}

#[tokio::test]
async fn of_several_addresses_only_those_that_passed_are_tried() {
    let opened = Peer::start_at("127.0.0.2:0", None).await;
    let port = opened.address.port();
    let inside = Peer::start_at(&format!("127.0.0.1:{port}"), None).await;
    let names = Names::answering([&["127.0.0.1", "127.0.0.2", "::1"]]);
    let egress = egress_with(PATIENT).with_resolver(names);
    let client = client(&egress, &["a.test", "127.0.0.2"]);
    assert_eq!(
        text(
            get(&client, &opened.url("http://a.test", "/"))
                .await
                .unwrap()
        )
        .await,
        "hello"
    );
    assert_eq!((opened.connections(), inside.connections()), (1, 0));
}

#[tokio::test]
async fn a_pooled_connection_serves_its_own_policy_only() {
    let peer = Peer::start().await;
    let names = Names::answering([&["127.0.0.1"]]);
    let egress = egress_with(PATIENT).with_resolver(names);
    let url = peer.url("http://a.test", "/");
    let open = client(&egress, &["a.test", "127.0.0.1"]);
    for _ in 0..3 {
        assert_eq!(text(get(&open, &url).await.unwrap()).await, "hello");
    }
    assert_eq!(
        peer.connections(),
        1,
        "the version reuses its own connection"
    );

    denied(get(&client(&egress, &["a.test"]), &url).await);
    assert_eq!(peer.connections(), 1);

    let other = client(&egress, &["a.test", "127.0.0.1"]);
    assert_eq!(text(get(&other, &url).await.unwrap()).await, "hello");
    assert_eq!(peer.connections(), 2, "and never another version's");
}

#[tokio::test]
async fn a_name_without_addresses_is_a_dns_error() {
    for names in [Names::answering([]), Names::answering([&[]])] {
        let egress = egress_with(PATIENT).with_resolver(names);
        let result = get(&client(&egress, &["*"]), "http://a.test/").await;
        assert!(matches!(result, Err(EgressError::Dns { .. })), "{result:?}");
    }
}

/// Never answers; says when it is asked.
struct Silent(Mutex<mpsc::UnboundedSender<()>>);

impl Resolve for Silent {
    fn resolve(&self, _: &HostName) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.0.lock().unwrap().send(()).unwrap();
        std::future::pending().boxed()
    }
}

#[tokio::test]
async fn lookups_that_nobody_awaits_any_more_still_count() {
    let (asked, mut asks) = mpsc::unbounded_channel();
    let egress = egress_with(PATIENT).with_resolver(Silent(Mutex::new(asked)));
    let client = client(&egress, &["*"]);
    let mut requests = tokio::task::JoinSet::new();
    for n in 0..CONCURRENT_LOOKUPS {
        let client = client.clone();
        requests.spawn(async move {
            get(&client, &format!("http://host-{n}.test/"))
                .await
                .is_ok()
        });
    }
    for _ in 0..CONCURRENT_LOOKUPS {
        asks.recv().await.unwrap();
    }
    requests.shutdown().await;
    let impatient = EgressTimeouts {
        connect: Duration::from_millis(50),
        ..PATIENT
    };
    // Another version is not held up by the first one's lookups.
    let other = egress_with(impatient).with_resolver(Names::answering([&["10.0.0.1"]]));
    denied(get(&super::client(&other, &["*"]), "http://a.test/").await);
    let late = tokio::time::timeout(impatient.connect, get(&client, "http://late.test/")).await;
    assert!(late.is_err(), "{late:?}");
    assert!(asks.try_recv().is_err(), "one lookup too many");
}

#[test]
fn addresses_keep_the_port_of_the_destination() {
    let policy = EgressPolicy::parse(["*"]).unwrap();
    let destination = crate::capabilities::egress::outgoing::destination(
        &"https://a.test:8443/".parse().unwrap(),
    )
    .unwrap();
    let passed = crate::capabilities::egress::connect::reachable(
        &policy,
        &destination,
        &["1.1.1.1".parse().unwrap(), "10.0.0.1".parse().unwrap()],
    );
    assert_eq!(passed.unwrap(), [SocketAddr::from(([1, 1, 1, 1], 8443))]);
}
