//! What the host tells its operators: the log, and the lines that guests write.

mod logs;
mod metrics;
mod request_id;

pub use self::logs::{LogLine, Logs, Source};
pub use self::metrics::{FunctionMetrics, Metrics, Now, Outcome, RouteNow};
pub use self::request_id::RequestId;

use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// How log lines are written to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: one line each, coloured on a terminal.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Installs the process's log.
///
/// `verbosity` 0 shows what operators act on, 1 each invocation, 2 everything
/// of ours; lines go to what `writer` makes. The variable `DUNLIN_LOG` (in `tracing` filter syntax) overrides it.
pub fn install<W>(format: LogFormat, verbosity: u8, writer: impl Fn() -> W + Send + Sync + 'static)
where
    W: std::io::Write + 'static,
{
    let default = match verbosity {
        0 => "warn,dunlin=info,dunlin_host=info",
        1 => "warn,dunlin=debug,dunlin_host=info",
        _ => "info,dunlin=trace,dunlin_host=debug",
    };
    let filter = EnvFilter::try_from_env("DUNLIN_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // A second installation, as in tests, keeps the first: nothing to report.
    let _ = match format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
}
