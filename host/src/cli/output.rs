//! All that commands print goes through here.
//!
//! Data goes to standard output, as text or, with `--json`, as one JSON value
//! a line. Everything else (progress, notes, warnings, errors) goes to
//! standard error, so that a pipe only ever carries data. Text may hold ANSI
//! colours: they are removed where the stream is no terminal.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Context as _;
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text for people.
    Human,
    /// One JSON value a line (`--json`).
    Json,
}

/// The user's terminal, or what stands in its place. Cheap to clone; clones
/// share the spinners.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    format: Format,
    /// How often `-v` was given.
    verbosity: u8,
    /// Draws all spinners, so that lines printed meanwhile don't tear them.
    /// Hidden where standard error is no terminal, and with `--json`.
    spinners: MultiProgress,
}

impl Output {
    pub(crate) fn new(format: Format, verbosity: u8) -> Self {
        let target = if io::stderr().is_terminal() && format == Format::Human {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            format,
            verbosity,
            spinners: MultiProgress::with_draw_target(target),
        }
    }

    pub(crate) fn verbosity(&self) -> u8 {
        self.verbosity
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints what the command was asked for to standard output: `value` as a
    /// JSON line, or what `human` makes of it.
    ///
    /// # Errors
    /// When standard output cannot be written. A reader that went away (`| head`)
    /// is no error.
    pub(crate) fn data<T: Serialize + ?Sized>(
        &self,
        value: &T,
        human: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        let text = match self.format {
            Format::Human => human(value),
            Format::Json => serde_json::to_string(value)?,
        };
        let written = self.spinners.suspend(|| {
            let mut stdout = anstream::stdout().lock();
            writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush())
        });
        match written {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(anyhow::Error::new(error).context("cannot write to standard output"))
            }
            _ => Ok(()),
        }
    }

    /// Writes data to standard output as it is. Breaks when the reader went
    /// away.
    ///
    /// # Errors
    /// As [`Output::data`].
    pub(crate) fn bytes(&self, bytes: &[u8]) -> anyhow::Result<ControlFlow<()>> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
            Err(error) => Err(error).context("cannot write to standard output"),
        }
    }

    /// Tells the user what goes on.
    pub(crate) fn note(&self, text: impl Display) {
        self.line(text);
    }

    /// Like [`Output::note`], only with `-v`.
    pub(crate) fn detail(&self, text: impl Display) {
        if self.verbosity > 0 {
            self.line(text);
        }
    }

    pub(crate) fn warn(&self, text: impl Display) {
        self.line(format_args!("\x1b[1;33mwarning\x1b[0m: {text}"));
    }

    /// Prints `error` with its causes, one a line.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        let mut text = format!("\x1b[1;31merror\x1b[0m: {error}");
        for cause in error.chain().skip(1) {
            // Several lines (a TOML excerpt, say) stay together, indented.
            let cause = cause.to_string().replace('\n', "\n    ");
            text.push_str("\n  because: ");
            text.push_str(cause.trim_end());
        }
        self.line(text);
    }

    /// Starts a spinner that says `text`; where standard error is no terminal,
    /// a plain line instead. The spinner goes when the value is dropped.
    pub(crate) fn progress(&self, text: impl Display) -> Progress {
        let text = text.to_string();
        if self.spinners.is_hidden() {
            self.line(&text);
        }
        let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg:.dim}")
            .expect("the template is a valid one");
        let bar = self.spinners.add(ProgressBar::new_spinner());
        bar.set_style(style);
        bar.set_prefix(text);
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress(bar)
    }

    /// Starts a bar of `total` bytes; where standard error is no terminal, a
    /// plain line that says `text`.
    pub(crate) fn transfer(&self, text: impl Display, total: u64) -> Progress {
        if self.spinners.is_hidden() {
            self.line(&text);
        }
        let style = ProgressStyle::with_template(
            "{spinner} {prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}",
        )
        .expect("the template is a valid one");
        let bar = self.spinners.add(ProgressBar::new(total));
        bar.set_style(style);
        bar.set_prefix("sending");
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress(bar)
    }

    /// A writer to standard error for the log, which keeps spinners whole.
    pub(crate) fn log_writer(&self) -> LogWriter {
        LogWriter(self.spinners.clone())
    }

    fn line(&self, text: impl Display) {
        self.spinners.suspend(|| {
            // Nobody is left to be told that standard error is closed.
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        });
    }
}

/// A running spinner. Dropping it takes it off the terminal.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// What is being done at the moment. Only seen on a terminal.
    pub(crate) fn step(&self, text: impl Display) {
        self.0.set_message(text.to_string());
    }

    /// So many more bytes are done.
    pub(crate) fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// See [`Output::log_writer`].
#[derive(Debug, Clone)]
pub(crate) struct LogWriter(MultiProgress);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// `text` without its ANSI colours: for JSON and for pages in the browser.
pub(crate) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// An empty table in the columns' order.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    table
}

/// `1 function`, `2 functions`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{plural}")
}

/// A duration as people read it: `850 ms`, `3.2 s`, `2 min 5 s`.
pub(crate) fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1_000 {
        format!("{millis} ms")
    } else if millis < 60_000 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        assert_eq!(duration(Duration::from_micros(700)), "0 ms");
        assert_eq!(duration(Duration::from_millis(850)), "850 ms");
        assert_eq!(duration(Duration::from_millis(3_240)), "3.2 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 5 s");
    }

    #[test]
    fn counts_have_a_plural() {
        assert_eq!(count(1, "function"), "1 function");
        assert_eq!(count(3, "function"), "3 functions");
    }

    #[test]
    fn plain_text_has_no_colours() {
        assert_eq!(plain("\x1b[1;31merror\x1b[0m: no"), "error: no");
    }
}
