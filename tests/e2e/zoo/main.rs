//! A zoo of hostile guests. Each meets the limit that is made for it, and a
//! well-behaved neighbour on the same host notices nothing.
//!
//! A row that fails is a limit that does not hold. It is not mended by a larger
//! limit: each row asserts the breach as well as the neighbour's health.

#[path = "../harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other tests use more of it")]
mod harness;

mod animal;
mod components;
mod neighbour;
mod table;

use std::slice;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use tokio::sync::Mutex;

use animal::{Animal, Guest};
use harness::{Host, Upstream, until};
use neighbour::Callers;

/// Held by each test: they measure how long others wait.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Time between an answer and the same attacker's next request, for each of the
/// animals.
const PAUSE: Duration = Duration::from_millis(2);

/// How much the host may grow under attack by one of them, in bytes: what its
/// four attackers may have by `limits.memory`, and what the host itself needs
/// for 10,000 connections.
const MAX_GROWTH: u64 = 400 << 20;

/// The same for the whole zoo.
const MAX_GROWTH_OF_ALL: u64 = 1 << 30;

/// Attacks with `animals`, all at once. Asserts that each fares as it should,
/// that the neighbour notices nothing, and that the host has grown by
/// `max_growth` bytes at most.
async fn attack(host: &Host, animals: &[Animal], max_growth: u64, who: &str) {
    let idle = neighbour::idle(host).await;
    host.forget_peak();
    let (before, _) = host.resident_bytes();
    let callers = Callers::start(host, if animals.len() > 1 { 5 } else { 1 });
    // However many they are, they make as many requests together: what hurts is
    // what the guests do, not a flood of requests.
    let pause = PAUSE * u32::try_from(animals.len()).expect("they are few");
    let attacks = animals.iter();
    join_all(attacks.map(|animal| animal.attack(host, &callers, pause))).await;
    let attacked = callers.stop();
    let (_, peak) = host.resident_bytes();

    let hogs = animals.iter().filter(|animal| animal.computes);
    attacked.bear(idle, hogs.map(|animal| animal.attackers).sum(), who);
    let growth = peak.saturating_sub(before);
    assert!(
        growth < max_growth,
        "{who}: the host grew by {growth} bytes"
    );
    for animal in animals {
        animal.is_logged(host).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_meets_its_limit_and_the_neighbour_notices_nothing() {
    let _alone = ALONE.lock().await;
    let upstream = Upstream::start().await;
    let host = Host::start().await;
    neighbour::deploy(&host).await;
    for animal in table::zoo(&upstream) {
        animal.deploy(&host).await;
        attack(&host, slice::from_ref(&animal), MAX_GROWTH, animal.name).await;
        animal.is_served(&host).await;
    }
    // Nothing that was cut off goes on.
    host.becomes_idle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_zoo_at_once() {
    let _alone = ALONE.lock().await;
    let upstream = Upstream::start().await;
    let host = Host::start().await;
    neighbour::deploy(&host).await;
    let zoo: Vec<_> = table::zoo(&upstream)
        .into_iter()
        .map(|animal| animal.attackers(1))
        .collect();
    for animal in &zoo {
        animal.deploy(&host).await;
    }
    attack(&host, &zoo, MAX_GROWTH_OF_ALL, "the whole zoo").await;
    let ready = reqwest::get(format!("http://{}/readyz", host.admin)).await;
    assert_eq!(ready.expect("an answer").status(), 200);
    for animal in &zoo {
        animal.is_served(&host).await;
    }
    host.becomes_idle().await;
}

/// What never starts is refused when it is deployed; what serves, serves on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_start_is_not_deployed() {
    let _alone = ALONE.lock().await;
    let host = Host::start().await;
    neighbour::deploy(&host).await;
    let served = Animal::new("starter", Guest::Zoo, "/well").answers("well");
    served.deploy(&host).await;
    let idle = neighbour::idle(&host).await;
    let callers = Callers::start(&host, 1);
    for (text, why) in [
        (components::ENDLESS_START, "the CPU time is used up"),
        (components::LARGE_TABLE, "table index 0 has a minimum"),
        (components::LARGE_MEMORY, "does not start: "),
    ] {
        let animal = Animal::new("starter", Guest::Text(text), "").cpu("200ms");
        let folder = animal.folder().await;
        let refused = host.run(["deploy".as_ref(), folder.path.as_os_str()]).await;
        assert_eq!(refused.code(), 5, "{refused:#?}");
        assert!(refused.stderr.contains(why), "{refused:#?}");
        served.is_served(&host).await;
    }
    until("the neighbour is served", async || {
        callers.have_seen_enough().then_some(())
    })
    .await;
    callers.stop().bear(idle, 1, "what never starts");
}

/// A start that ended when it was deployed, and does no longer, is the
/// computing of the request that the instance is for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_never_ends_fails_its_request() {
    let _alone = ALONE.lock().await;
    let host = Host::start().await;
    neighbour::deploy(&host).await;
    // Deploying takes a moment, on a busy machine a longer one.
    let mut starts_for = Duration::from_secs(1);
    let (animal, starts_until) = loop {
        let starts_until = SystemTime::now() + starts_for;
        let since = starts_until.duration_since(UNIX_EPOCH);
        let animal = Animal::new("endless-start", Guest::Zoo, "/well")
            .var("STARTS_UNTIL", since.expect("is later").as_millis())
            .cpu("100ms")
            .fails(504, "cpu-limit")
            .logs("cpu-limit: ");
        let folder = animal.folder().await;
        let deploy = ["deploy".as_ref(), folder.path.as_os_str()];
        if host.run(deploy).await.status.success() {
            break (animal, starts_until);
        }
        assert!(starts_for < harness::PATIENCE, "it is never deployed");
        starts_for *= 4;
    };
    until("the start has no end", async || {
        (SystemTime::now() > starts_until).then_some(())
    })
    .await;
    attack(&host, slice::from_ref(&animal), MAX_GROWTH, animal.name).await;
    host.becomes_idle().await;

    let well = Animal::new("endless-start", Guest::Zoo, "/well");
    well.deploy(&host).await;
    well.is_served(&host).await;
}
