//! Places where a test makes the host die or fail, to see what is left. They
//! are compiled into builds with debug assertions only.
//!
//! `DUNLIN_FAIL_AT=stored` has the process kill itself where
//! `fail_point!("stored")` stands; `stored=error` has the step fail there;
//! `stored=hang` has it wait there for ever. The crate `fail` does more, but
//! its switch is a feature, with which the host would be built a second time.

/// A place with a name. Where the step can fail, the second argument makes its
/// error of an `io::Error`.
macro_rules! fail_point {
    ($name:literal) => {
        if cfg!(debug_assertions) {
            // Here nothing can fail.
            let _ = $crate::failpoint::reach($name);
        }
    };
    ($name:literal, $error:expr) => {
        if cfg!(debug_assertions) {
            $crate::failpoint::reach($name).map_err($error)?;
        }
    };
}
pub(crate) use fail_point;

use rustix::process::{Signal, getpid, kill_process};
use std::io;
use std::sync::LazyLock;

/// What happens at the place that `DUNLIN_FAIL_AT` names.
#[derive(Clone, Copy)]
enum Action {
    Die,
    Fail,
    Hang,
}

/// Does what `DUNLIN_FAIL_AT` says, if it is about `name`.
pub(crate) fn reach(name: &str) -> io::Result<()> {
    static CHOSEN: LazyLock<Option<(String, Action)>> =
        LazyLock::new(|| parse(&std::env::var("DUNLIN_FAIL_AT").ok()?));
    let action = CHOSEN.as_ref().filter(|(chosen, _)| chosen == name);
    match action.map(|(_, action)| *action) {
        None => Ok(()),
        Some(Action::Fail) => Err(io::Error::other(format!("DUNLIN_FAIL_AT={name}"))),
        Some(Action::Die) => {
            // No clean-up, no last words: what SIGKILL leaves is what counts.
            let itself = getpid();
            let _ = kill_process(itself, Signal::KILL);
            hang()
        }
        Some(Action::Hang) => hang(),
    }
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

fn parse(text: &str) -> Option<(String, Action)> {
    let (name, action) = text.split_once('=').unwrap_or((text, "die"));
    let action = match action {
        "die" => Action::Die,
        "error" => Action::Fail,
        "hang" => Action::Hang,
        other => panic!("DUNLIN_FAIL_AT: `{other}` is not `die`, `error` or `hang`"),
    };
    Some((name.to_owned(), action))
}
