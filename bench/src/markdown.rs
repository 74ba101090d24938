//! One page with all figures of a run, peers side by side: the beginning of
//! `docs/benchmarks.md`.

use std::fmt::Write as _;

use crate::{
    args::Plan,
    machine,
    peer::BASELINE,
    report::{CPU, Figure, HOG_RPS, P50, RPS, Row, Table, nothing, number, warning},
    run::Outcome,
    scenario::Shape,
    summary::Sample,
};

/// A row of the page in each table that shows it.
struct Line {
    heading: &'static str,
    cell: fn(&Sample) -> Option<String>,
    /// What is shown in parentheses, over the baseline's.
    ratio: Option<Figure>,
}

const REQUESTS: Line = Line {
    heading: "requests/s",
    cell: |sample| Some(grouped(sample.rps)),
    ratio: Some(RPS),
};
const LATENCY: Line = Line {
    heading: "p50 / p99 ms",
    cell: |sample| {
        Some(format!(
            "{} / {}",
            number(sample.p50_ms),
            number(sample.p99_ms)
        ))
    },
    ratio: Some(P50),
};
const COST: Line = Line {
    heading: "server CPU µs/request",
    cell: |sample| Some(grouped(sample.cpu_us)),
    ratio: Some(CPU),
};
const MEMORY: Line = Line {
    heading: "peak resident MiB",
    cell: |sample| Some(grouped(sample.rss_mib)),
    ratio: None,
};
const HOGS: Line = Line {
    heading: "hogs' requests/s",
    cell: |sample| Some(grouped(sample.mixed.as_ref()?.hog_rps)),
    ratio: Some(HOG_RPS),
};
const CAPACITY: Line = Line {
    heading: "capacity, requests/s",
    cell: |sample| Some(grouped(sample.overload.as_ref()?.capacity_rps)),
    ratio: None,
};
const ASKED: Line = Line {
    heading: "asked, requests/s",
    cell: |sample| Some(grouped(sample.overload.as_ref()?.asked_rps)),
    ratio: None,
};
const GOODPUT: Line = Line {
    heading: "goodput ÷ capacity",
    cell: |sample| Some(number(sample.overload.as_ref()?.goodput)),
    ratio: None,
};
const ADMITTED: Line = Line {
    heading: "admitted: p50 / p99 ms",
    ratio: None,
    ..LATENCY
};
const START: Line = Line {
    heading: "p50 ms",
    cell: |sample| Some(number(sample.p50_ms)),
    ratio: Some(P50),
};
/// Only shown where there are any.
const ERRORS: Line = Line {
    heading: "errors",
    cell: |sample| Some(sample.errors.to_string()),
    ratio: None,
};

fn lines(shape: Shape) -> &'static [Line] {
    match shape {
        Shape::Steady(_) => &[REQUESTS, LATENCY, COST, MEMORY],
        Shape::Mixed { .. } => &[LATENCY, HOGS],
        Shape::Overload { .. } => &[CAPACITY, ASKED, GOODPUT, ADMITTED],
        Shape::Start | Shape::Change(_) => &[START],
    }
}

pub(crate) fn page(outcome: &Outcome, plan: &Plan) -> String {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let mut page = format!(
        "# Benchmarks\n\n\
         The latest run of [`bench/`](../bench/README.md), which says how to read and repeat it:\n\n\
         ```console\n\
         $ bench/install-peers\n\
         $ cargo build {profile}\n\
         $ cargo run {profile} -p dunlin-bench -- {arguments}\n\
         ```\n\n\
         {today}, {machine}, load generator on the same machine. Medians over the rounds, {rounds} \
         of {seconds} s. In parentheses: the figure, of a pair the first, divided by that of \
         `{BASELINE}`. Absolute figures are this machine's; the ratios are the point.\n\n",
        profile = profile(),
        arguments = arguments.join(" "),
        today = machine::today(),
        machine = machine::description(),
        rounds = plan.rounds,
        seconds = plan.window.as_secs_f64(),
    );
    if let Some(warning) = warning(&outcome.tables) {
        page += &format!("**Not a quiet machine:** {warning}.\n\n");
    }
    for (peer, version) in &outcome.peers {
        page += &format!("- `{peer}`: {version}\n");
    }
    page.push('\n');
    page += &table(outcome);
    page
}

fn table(outcome: &Outcome) -> String {
    let peers: Vec<_> = outcome.peers.iter().map(|(name, _)| *name).collect();
    let mut text = format!("| scenario | | {} |\n", peers.join(" | "));
    text += &format!("|---|---|{}\n", "--:|".repeat(peers.len()));
    for table in &outcome.tables {
        let has_errors = |row: &Row| row.median.errors.total() > 0;
        let errors = table.rows.iter().any(has_errors).then_some(&ERRORS);
        let mut about = table.scenario.about;
        for line in lines(table.scenario.shape).iter().chain(errors) {
            let cells: Vec<_> = peers.iter().map(|peer| cell(table, line, peer)).collect();
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "| {about} | {} | {} |",
                line.heading,
                cells.join(" | ")
            );
            about = "";
        }
    }
    text
}

fn cell(table: &Table, line: &Line, peer: &str) -> String {
    let row = table.rows.iter().find(|row| row.peer == peer);
    let Some((row, figure)) = row.and_then(|row| Some((row, (line.cell)(&row.median)?))) else {
        return nothing();
    };
    let ratio = line
        .ratio
        .filter(|_| peer != BASELINE)
        .and_then(|figure| table.ratio(row, figure));
    match ratio {
        Some(ratio) if ratio < 0.01 => format!("{figure} (< 0.01)"),
        Some(ratio) => format!("{figure} ({})", number(ratio)),
        None => figure,
    }
}

/// Like [`number`], thousands apart.
fn grouped(value: f64) -> String {
    let text = number(value);
    let split = text.len().saturating_sub(3);
    if value < 1_000.0 {
        return text;
    }
    let (thousands, rest) = text.split_at(split);
    format!("{thousands},{rest}")
}

/// How cargo was told to build this: its folder is named after the profile.
fn profile() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().and_then(std::path::Path::file_name);
    match folder.and_then(std::ffi::OsStr::to_str) {
        Some(name) if !matches!(name, "release" | "debug" | "deps") => format!("--profile {name}"),
        _ => "--release".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{errors::Kind, report::tests::table as results};

    fn outcome(tables: Vec<Table>) -> Outcome {
        Outcome {
            tables,
            peers: [BASELINE, "dunlin"]
                .map(|name| (name, format!("{name} 1.0")))
                .into(),
            failures: 0,
        }
    }

    #[test]
    fn a_cell_has_the_figure_and_its_ratio() {
        let hello = results("hello", &[(BASELINE, 100_000.0), ("dunlin", 70_000.0)]);
        let text = table(&outcome(vec![hello]));
        let expected =
            "| a constant answer, 64 connections | requests/s | 100,000 | 70,000 (0.70) |";
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("errors"), "{text}");
    }

    #[test]
    fn a_ratio_of_nearly_nothing_is_not_shown_as_nothing() {
        let hello = results("hello", &[(BASELINE, 100_000.0), ("dunlin", 10.0)]);
        let text = table(&outcome(vec![hello]));
        assert!(text.contains("| 10.0 (< 0.01) |"), "{text}");
    }

    #[test]
    fn a_peer_that_took_no_part_has_a_dash() {
        let overload = results("overload", &[("dunlin", 190.0)]);
        let text = table(&outcome(vec![overload]));
        assert!(text.contains("| goodput ÷ capacity | – | 0.95 |"), "{text}");
    }

    #[test]
    fn errors_get_a_line_where_there_are_any() {
        let mut hello = results("hello", &[(BASELINE, 900.0), ("dunlin", 700.0)]);
        hello.rows[1].median.errors.add(Kind::Timeout, 3);
        let text = table(&outcome(vec![hello]));
        assert!(text.contains("|  | errors | 0 | 3 (3 timeout) |"), "{text}");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(1_234.0), "1,234");
        assert_eq!(grouped(123_456.0), "123,456");
        assert_eq!(grouped(999.4), "999");
        assert_eq!(grouped(9.5), "9.50");
    }
}
