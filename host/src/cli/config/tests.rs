//! What flags and files come to.

use clap::Parser as _;

use super::super::args::{Cli, Command};
use super::*;

/// What `dunlin serve` with these flags decides on this file.
fn decide(flags: &str, text: &str) -> anyhow::Result<HostConfig> {
    let line = format!("dunlin serve --config host.toml {flags}");
    let Command::Serve(args) = Cli::try_parse_from(line.split_whitespace())?.command else {
        panic!("is `serve`");
    };
    HostConfig::decide(text, &args, &Detail::Brief, 20_480)
}

#[track_caller]
fn refused(text: &str, parts: &[&str]) {
    let error = decide("", text).expect_err(text).to_string();
    assert!(error.contains("host.toml"), "{error}");
    for part in parts {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
}

/// Value and reason of a setting.
fn shown(config: &HostConfig, key: &str) -> (String, String) {
    let settings = serde_json::to_value(&config.settings).unwrap();
    let all = settings.as_array().unwrap();
    let setting = all.iter().find(|it| it["key"] == key).unwrap();
    let value = &setting["value"];
    let value = value.as_str().map_or(value.to_string(), str::to_owned);
    (value, setting["why"].as_str().unwrap().to_owned())
}

#[test]
fn an_empty_file_changes_nothing() {
    let config = decide("", "").unwrap();
    assert_eq!(config.lanes, LanesConfig::default());
    assert_eq!(config.engine, EngineConfig::default());
    assert_eq!(config.maxima, Limits::maxima());
    assert_eq!(config.drain_timeout, Duration::from_secs(30));
    assert_eq!(config.unload_after, Duration::from_secs(300));
    let timeouts = GatewayConfig::default();
    assert_eq!(config.gateway.header_timeout, timeouts.header_timeout);
    assert_eq!(config.gateway.idle_timeout, timeouts.idle_timeout);
    assert_eq!(config.gateway.write_timeout, timeouts.write_timeout);
    assert_eq!(config.gateway.max_connections, 20_480 - 512 - 5_120);
    let why = |key| shown(&config, key).1;
    assert_eq!(why("host.max_wait"), "default");
    assert_eq!(why("host.workers"), "default: one per core");
    assert_eq!(
        why("gateway.max_connections"),
        "default: the open-file limit, 20480, less 5632"
    );
}

#[test]
fn every_key_is_read_and_flags_win() {
    let text = "[limits]\nmemory = \"2GiB\"\ncpu = \"1s\"\ndeadline = \"2s\"\n\
                request_body = \"1KiB\"\noutgoing_requests = 0\nconcurrency = 5\n\
                log_output = \"2KiB\"\n\
                [host]\nworkers = 3\nblocking_threads = 4\ninstances = 50\n\
                max_invocations = 20\nmax_exclusive = 10\nmax_waiting = 0\n\
                max_wait = \"50ms\"\ndrain_timeout = \"1m\"\nunload_after = \"2m\"\n\
                [gateway]\nmax_connections = 100\nheader_timeout = \"1s\"\n\
                idle_timeout = \"2s\"\nwrite_timeout = \"3s\"\n";
    let config = decide("--workers 2 --drain-timeout 5s", text).unwrap();
    let expected = LanesConfig {
        workers: 2,
        blocking_threads: 4,
        max_invocations: 20,
        max_exclusive: 10,
        max_waiting: 0,
        max_wait: Duration::from_millis(50),
    };
    assert_eq!(config.lanes, expected);
    let maxima = Limits {
        memory: ByteSize::mib(2048),
        cpu: TimeLimit::seconds(1),
        deadline: TimeLimit::seconds(2),
        request_body: ByteSize::kib(1),
        outgoing_requests: 0,
        concurrency: 5.try_into().unwrap(),
        log_output: ByteSize::kib(2),
    };
    assert_eq!(config.maxima, maxima);
    assert_eq!(config.engine.max_instances, 50);
    assert_eq!(config.engine.max_memory, 2 << 30);
    assert_eq!(config.drain_timeout, Duration::from_secs(5));
    assert_eq!(config.unload_after, Duration::from_secs(120));
    assert_eq!(config.gateway.max_connections, 100);
    assert_eq!(config.gateway.header_timeout, Duration::from_secs(1));
    assert_eq!(config.gateway.idle_timeout, Duration::from_secs(2));
    assert_eq!(config.gateway.write_timeout, Duration::from_secs(3));
    let shown = |key| shown(&config, key);
    let pair = |value: &str, why: &str| (value.to_owned(), why.to_owned());
    assert_eq!(shown("host.workers"), pair("2", "--workers"));
    assert_eq!(shown("host.drain_timeout"), pair("5s", "--drain-timeout"));
    assert_eq!(shown("host.max_wait"), pair("50ms", "host.toml"));
}

#[test]
fn mistakes_name_file_key_and_remedy() {
    refused(
        "[host]\nmax_wiat = \"1s\"",
        &[
            ":2:1: ",
            "`host.max_wiat`",
            "unknown field",
            "`max_wait`",
            "^^^^",
        ],
    );
    refused("[gatway]", &[":1:2: ", "`gatway`", "`gateway`"]);
    refused("[host]\nmax_wait = 5", &["`host.max_wait`", "\"30s\""]);
    refused("[limits]\nmemory = 1", &["`limits.memory`", "\"128MiB\""]);
    refused(
        "[limits]\nmemory = \"5GiB\"",
        &["`limits.memory` is 5GiB (host.toml)", "at most \"4GiB\""],
    );
    refused(
        "[limits]\ndeadline = \"2years\"",
        &["`limits.deadline`", "365days"],
    );
    refused("[host]\ninstances = 0", &["`host.instances`", "nonzero"]);
    refused(
        "[host]\nworkers = 1025",
        &["`host.workers` is 1025 (host.toml)", "at most 1024"],
    );
    let flag = decide("--workers 1025", "")
        .expect_err("too many")
        .to_string();
    assert!(
        flag.starts_with("`host.workers` is 1025 (--workers): "),
        "{flag}"
    );
    refused(
        "[host]\ninstances = 5000000000",
        &["`host.instances`", "5000000000"],
    );
    refused(
        "[gateway]\nheader_timeout = \"366days\"",
        &["`gateway.header_timeout`", "365days"],
    );
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    refused(
        "[host]\ninstances = 10\nmax_exclusive = 11",
        &[
            "`host.max_exclusive` is 11 (host.toml)",
            "raise `host.instances`, which is 10",
        ],
    );
    // The default follows.
    for (instances, max_exclusive) in [(10, 6), (1, 1)] {
        let config = decide("", &format!("[host]\ninstances = {instances}")).unwrap();
        assert_eq!(config.lanes.max_exclusive, max_exclusive);
    }
}

#[test]
fn connections_are_open_files() {
    let config = decide("", "[gateway]\nmax_connections = 1000000").unwrap();
    // A quarter is for outgoing ones.
    assert_eq!(config.egress.max_connections, 5_120);
    assert_eq!(config.gateway.max_connections, 20_480 - 512 - 5_120);
    let (value, why) = shown(&config, "gateway.max_connections");
    assert_eq!(value, "14848");
    assert!(why.contains("20480") && why.contains("1000000"), "{why}");

    let config = decide("", "[host]\nmax_outgoing_connections = 100").unwrap();
    assert_eq!(config.egress.max_connections, 100);
    assert_eq!(config.gateway.max_connections, 20_480 - 512 - 100);
    let error = decide("", "[host]\nmax_outgoing_connections = 10241").unwrap_err();
    assert!(error.to_string().contains("at most 10240"), "{error}");
}

fn manual() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operating.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_manual_lists_every_key_with_its_default() {
    let manual = manual();
    let config = decide("", "").unwrap();
    let settings = serde_json::to_value(&config.settings).unwrap();
    for setting in settings.as_array().unwrap() {
        let key = setting["key"].as_str().unwrap();
        let (table, name) = key.split_once('.').unwrap();
        let heading = format!("\n### `[{table}]`");
        let (_, section) = manual.split_once(&heading).expect(&heading);
        let section = section.split_once("\n#").unwrap().0;
        let (value, why) = shown(&config, key);
        // A default that depends is told in words.
        let row = match why.as_str() {
            "default" => format!("\n| `{name}` | `{value}` | "),
            _ => format!("\n| `{name}` | "),
        };
        assert!(section.contains(&row), "{row} in:{section}");
    }
}

#[test]
fn the_manuals_example_is_valid() {
    let manual = manual();
    let (_, block) = manual.split_once("<!-- host.toml -->\n```toml\n").unwrap();
    let config = decide("", block.split_once("```").unwrap().0).unwrap();
    assert_eq!(config.lanes.max_invocations, 2_000);
}
