//! How results are shown: tables for people, JSON lines for programs, one
//! Markdown table for the documentation, all on standard output; progress goes
//! to standard error.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, presets};
use serde::Serialize;

use crate::{
    args::{Output, Plan},
    markdown,
    peer::BASELINE,
    run::Outcome,
    scenario::{Scenario, Shape},
    summary::{MixedSample, OverloadSample, Sample},
};

/// Share of the machine. The signs of life of an idle system stay below it.
const NOTEWORTHY_OTHER_LOAD: f64 = 0.10;

/// One scenario's results.
pub(crate) struct Table {
    pub(crate) scenario: &'static Scenario,
    pub(crate) rows: Vec<Row>,
}

/// One peer's.
pub(crate) struct Row {
    pub(crate) peer: &'static str,
    pub(crate) median: Sample,
}

/// Tells the person at the terminal what is going on.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

#[expect(clippy::print_stdout, reason = "the bench's results are its output")]
pub(crate) fn print(outcome: &Outcome, plan: &Plan) {
    match plan.output {
        Output::Tables => {
            for table in &outcome.tables {
                println!("{}", table.text());
            }
        }
        Output::JsonLines => {
            for (table, row) in outcome.tables.iter().flat_map(Table::rows) {
                println!("{}", table.json_line(row));
            }
        }
        Output::Markdown => print!("{}", markdown::page(outcome, plan)),
    }
}

/// One line of `--json`. Ratios are this peer's figure over the baseline's,
/// and absent when that was not measured.
#[derive(Serialize)]
struct JsonLine<'a> {
    scenario: &'a str,
    peer: &'a str,
    rps: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_us: f64,
    rss_mib: f64,
    errors: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    errors_by_kind: BTreeMap<&'a str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rps_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_load: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hog_rps: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hog_rps_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity_rps: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_rps: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goodput: Option<f64>,
}

impl Table {
    fn rows(&self) -> impl Iterator<Item = (&Self, &Row)> {
        self.rows.iter().map(move |row| (self, row))
    }

    fn json_line(&self, row: &Row) -> String {
        let median = &row.median;
        let mixed = median.mixed.as_ref();
        let overload = median.overload.as_ref();
        let line = JsonLine {
            scenario: self.scenario.name,
            peer: row.peer,
            rps: rounded(median.rps),
            p50_ms: rounded(median.p50_ms),
            p99_ms: rounded(median.p99_ms),
            cpu_us: rounded(median.cpu_us),
            rss_mib: rounded(median.rss_mib),
            errors: median.errors.total(),
            errors_by_kind: median.errors.by_kind().collect(),
            rps_ratio: self.ratio(row, RPS).map(rounded),
            cpu_ratio: self.ratio(row, CPU).map(rounded),
            other_load: median.other_load.map(rounded),
            idle_p50_ms: mixed.map(|mixed| rounded(mixed.idle_p50_ms)),
            hog_rps: mixed.map(|mixed| rounded(mixed.hog_rps)),
            hog_rps_ratio: self.ratio(row, HOG_RPS).map(rounded),
            capacity_rps: overload.map(|overload| rounded(overload.capacity_rps)),
            asked_rps: overload.map(|overload| rounded(overload.asked_rps)),
            goodput: overload.map(|overload| rounded(overload.goodput)),
        };
        serde_json::to_string(&line).expect("a line is strings and finite numbers")
    }

    fn text(&self) -> String {
        let columns = columns(self.scenario.shape);
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
        table
            .set_header(std::iter::once("peer").chain(columns.iter().map(|(heading, _)| *heading)));
        for row in &self.rows {
            let cells = columns.iter().map(|(_, cell)| cell(self, row));
            table.add_row(std::iter::once(row.peer.to_owned()).chain(cells));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let Scenario { name, about, .. } = self.scenario;
        format!("{name}: {about}\n{table}\n{}", self.warning())
    }

    fn warning(&self) -> String {
        warning(std::slice::from_ref(self)).map_or_else(String::new, |text| format!("! {text}\n"))
    }

    /// `row`'s figure over the baseline's.
    pub(crate) fn ratio(&self, row: &Row, figure: Figure) -> Option<f64> {
        let baseline = self.rows.iter().find(|row| row.peer == BASELINE)?;
        let baseline = figure(&baseline.median)?;
        (baseline > 0.0).then_some(figure(&row.median)? / baseline)
    }
}

/// Says so when the machine was not quiet.
pub(crate) fn warning(tables: &[Table]) -> Option<String> {
    let rows = tables.iter().flat_map(|table| &table.rows);
    let loads = rows.filter_map(|row| row.median.other_load);
    let highest = loads.fold(0.0, f64::max);
    (highest >= NOTEWORTHY_OTHER_LOAD).then(|| {
        format!(
            "other work took up to {:.0} % of the machine: do not rely on these figures",
            highest * 100.0
        )
    })
}

pub(crate) type Figure = fn(&Sample) -> Option<f64>;
pub(crate) const RPS: Figure = |sample| Some(sample.rps);
pub(crate) const P50: Figure = |sample| Some(sample.p50_ms);
pub(crate) const CPU: Figure = |sample| Some(sample.cpu_us);
pub(crate) const HOG_RPS: Figure = |sample| sample.mixed.as_ref().map(|mixed| mixed.hog_rps);

type Column = (&'static str, fn(&Table, &Row) -> String);

/// What the table of a scenario shows: a mixed load is about latency and what
/// the hogs keep, a start about its length, all else about throughput and cost.
fn columns(shape: Shape) -> &'static [Column] {
    const P99: Column = ("p99 ms", |_, row| number(row.median.p99_ms));
    const MEMORY: Column = ("peak MiB", |_, row| number(row.median.rss_mib));
    const ERRORS: Column = ("errors", |_, row| row.median.errors.to_string());
    match shape {
        Shape::Steady(_) => &[
            ("req/s", |_, row| number(row.median.rps)),
            ("× native", |table, row| ratio(table.ratio(row, RPS))),
            ("p50 ms", |_, row| number(row.median.p50_ms)),
            P99,
            ("CPU µs/req", |_, row| number(row.median.cpu_us)),
            ("× native", |table, row| ratio(table.ratio(row, CPU))),
            MEMORY,
            ERRORS,
        ],
        Shape::Mixed { .. } => &[
            ("idle p50 ms", |_, row| {
                mixed(row, |mixed| mixed.idle_p50_ms)
            }),
            ("p50 ms", |_, row| number(row.median.p50_ms)),
            ("× native", |table, row| ratio(table.ratio(row, P50))),
            P99,
            ("req/s", |_, row| number(row.median.rps)),
            ("hog req/s", |_, row| mixed(row, |mixed| mixed.hog_rps)),
            ("× native", |table, row| ratio(table.ratio(row, HOG_RPS))),
            MEMORY,
            ERRORS,
        ],
        Shape::Overload { .. } => &[
            ("capacity req/s", |_, row| {
                overload(row, |overload| overload.capacity_rps)
            }),
            ("asked req/s", |_, row| {
                overload(row, |overload| overload.asked_rps)
            }),
            ("goodput req/s", |_, row| number(row.median.rps)),
            ("÷ capacity", |_, row| {
                overload(row, |overload| overload.goodput)
            }),
            ("p50 ms", |_, row| number(row.median.p50_ms)),
            P99,
            MEMORY,
            ERRORS,
        ],
        Shape::Change(_) => &[
            ("p50 ms", |_, row| number(row.median.p50_ms)),
            ("longest ms", |_, row| number(row.median.p99_ms)),
            MEMORY,
        ],
        Shape::Start => &[
            ("p50 ms", |_, row| number(row.median.p50_ms)),
            ("× native", |table, row| ratio(table.ratio(row, P50))),
            ("longest ms", |_, row| number(row.median.p99_ms)),
            ("CPU ms", |_, row| number(row.median.cpu_us / 1e3)),
            MEMORY,
        ],
    }
}

fn mixed(row: &Row, figure: fn(&MixedSample) -> f64) -> String {
    let mixed = row.median.mixed.as_ref();
    mixed.map(figure).map_or_else(nothing, number)
}

fn overload(row: &Row, figure: fn(&OverloadSample) -> f64) -> String {
    let overload = row.median.overload.as_ref();
    overload.map(figure).map_or_else(nothing, number)
}

fn ratio(value: Option<f64>) -> String {
    value.map_or_else(nothing, |value| format!("{value:.2}"))
}

/// Where there is no figure.
pub(crate) fn nothing() -> String {
    "–".to_owned()
}

/// Three significant digits or so: more would be noise.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        errors::{Errors, Kind},
        scenario,
    };

    pub(crate) fn table(scenario: &str, peers: &[(&'static str, f64)]) -> Table {
        Table {
            scenario: scenario::select(&[scenario.to_owned()]).unwrap()[0],
            rows: peers
                .iter()
                .map(|&(peer, rps)| Row {
                    peer,
                    median: Sample {
                        rps,
                        p50_ms: 0.61,
                        p99_ms: 1.2345,
                        cpu_us: 9.5,
                        rss_mib: 24.0,
                        errors: Errors::default(),
                        other_load: Some(rps / 1e6),
                        mixed: scenario.starts_with("mixed").then_some(MixedSample {
                            idle_p50_ms: 10.0,
                            hog_rps: rps / 100.0,
                        }),
                        overload: (scenario == "overload").then_some(OverloadSample {
                            capacity_rps: 200.0,
                            asked_rps: 2_000.0,
                            goodput: rps / 200.0,
                        }),
                    },
                })
                .collect(),
        }
    }

    #[test]
    fn a_json_line_has_the_documented_fields() {
        let table = table("hello", &[(BASELINE, 100_000.0), ("dunlin", 70_000.0)]);
        assert_eq!(
            table.json_line(&table.rows[1]),
            r#"{"scenario":"hello","peer":"dunlin","rps":70000.0,"p50_ms":0.61,"p99_ms":1.235,"cpu_us":9.5,"rss_mib":24.0,"errors":0,"rps_ratio":0.7,"cpu_ratio":1.0,"other_load":0.07}"#
        );
    }

    #[test]
    fn ratios_need_the_baseline() {
        let table = table("mixed-sleep", &[("dunlin", 70_000.0)]);
        assert!(!table.json_line(&table.rows[0]).contains("ratio"));
        assert!(table.text().contains('–'));
    }

    #[test]
    fn a_mixed_table_shows_what_the_hogs_keep() {
        let table = table("mixed-sleep", &[(BASELINE, 1_000.0), ("dunlin", 950.0)]);
        let text = table.text();
        let dunlin = text.lines().find(|line| line.contains("dunlin")).unwrap();
        assert!(dunlin.contains("9.50"), "{text}");
        assert!(dunlin.contains("0.95"), "{text}");
    }

    #[test]
    fn errors_are_told_by_kind() {
        let mut table = table("hello", &[("dunlin", 70_000.0)]);
        table.rows[0].median.errors.add(Kind::Reset, 47);
        assert!(table.text().contains("47 (47 reset)"), "{}", table.text());
        let line = table.json_line(&table.rows[0]);
        assert!(line.contains(r#""errors_by_kind":{"reset":47}"#), "{line}");
    }

    #[test]
    fn an_overload_shows_goodput_as_a_share_of_capacity() {
        let table = table("overload", &[("dunlin", 190.0)]);
        assert!(table.text().contains("0.95"), "{}", table.text());
        let line = table.json_line(&table.rows[0]);
        assert!(line.contains(r#""goodput":0.95"#), "{line}");
    }

    #[test]
    fn a_busy_machine_is_told_of() {
        let quiet = table("hello", &[(BASELINE, 50_000.0)]);
        assert!(!quiet.text().contains('!'));
        let busy = table("hello", &[(BASELINE, 100_000.0), ("dunlin", 480_000.0)]);
        assert!(busy.text().contains("up to 48 %"), "{}", busy.text());
    }

    #[test]
    fn numbers_show_about_three_digits() {
        assert_eq!(number(98_765.4), "98765");
        assert_eq!(number(13.74), "13.7");
        assert_eq!(number(0.614), "0.61");
    }
}
