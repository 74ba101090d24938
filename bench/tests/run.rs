//! The bench as its users run it, on the peers that need nothing installed.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

fn bench(arguments: &str) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_dunlin-bench"))
        .args(arguments.split(' '))
        .output()
        .expect("the binary is built for this test")
}

fn json_lines(arguments: &str) -> Vec<Value> {
    let output = bench(&format!("{arguments} --rounds 1 --json"));
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    text.lines()
        .map(|line| line.parse().expect("each line is one JSON value"))
        .collect()
}

#[test]
fn a_run_prints_one_json_object_a_line_for_each_scenario_and_peer() {
    let lines = json_lines(
        "--scenario hello --scenario sleep --scenario fanout --scenario echo --scenario start \
         --peer native --peer native-pool --seconds 0.3",
    );
    let mut seen = BTreeSet::new();
    for line in lines {
        for figure in ["rps", "p50_ms", "p99_ms", "cpu_us", "rss_mib"] {
            assert!(line[figure].as_f64().is_some_and(|it| it >= 0.0), "{line}");
        }
        assert_eq!(line["errors"], 0, "{line}");
        let name = |field: &str| line[field].as_str().unwrap().to_owned();
        assert!(seen.insert((name("scenario"), name("peer"))), "{line}");
    }
    assert_eq!(seen.len(), 10, "5 scenarios by 2 peers: {seen:?}");
}

#[test]
fn a_mixed_run_also_tells_what_the_hogs_keep() {
    let lines = json_lines("--scenario mixed-sleep --peer native-pool --seconds 1");
    let [line] = lines.as_slice() else {
        panic!("one scenario, one peer: {lines:?}");
    };
    assert!(line["hog_rps"].as_f64().unwrap() > 0.0, "{line}");
    assert!(line["idle_p50_ms"].as_f64().unwrap() >= 10.0, "{line}");
}

#[test]
fn an_overload_tells_how_much_of_the_capacity_is_left() {
    let lines = json_lines("--scenario overload --peer native-pool --seconds 0.5");
    let [line] = lines.as_slice() else {
        panic!("one scenario, one peer: {lines:?}");
    };
    for figure in ["capacity_rps", "asked_rps", "goodput"] {
        assert!(line[figure].as_f64().is_some_and(|it| it > 0.0), "{line}");
    }
}

#[test]
fn the_markdown_page_says_what_was_run_and_by_whom() {
    let output = bench("--markdown --scenario hello --peer native --seconds 0.2 --rounds 1");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("# Benchmarks\n"), "{text}");
    let command = "dunlin-bench -- --markdown --scenario hello --peer native";
    assert!(text.contains(command), "{text}");
    assert!(text.contains("\n- `native`: hyper "), "{text}");
    assert!(text.contains("\n| scenario | | native |\n"), "{text}");
}

#[test]
fn without_json_the_results_are_tables_with_ratios() {
    let output = bench("--scenario hello --peer native --seconds 0.2 --rounds 1");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("hello: "), "{text}");
    assert!(text.contains("× native"), "{text}");
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let output = bench("--peer nonesuch");
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("native-pool"), "{message}");
}
