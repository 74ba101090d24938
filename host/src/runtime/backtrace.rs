//! Where a guest was when it trapped, for its author.

use std::fmt;
use std::path::Path;
use wasmtime::{FrameInfo, WasmBacktrace};

/// What backtraces tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backtraces {
    /// Names of functions.
    #[default]
    Names,
    /// File and line too, where the component has debug information. Only for
    /// components of one's own: reading what a stranger wrote there takes time
    /// and memory without a limit.
    Lines,
}

impl Backtraces {
    /// As the compiling child is told.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Names => "names",
            Self::Lines => "lines",
        }
    }

    /// The word that stands for it, as it was written.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Names, Self::Lines]
            .into_iter()
            .find(|it| it.as_str() == text)
    }
}

/// A trap and where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// What went wrong, in the engine's words.
    pub message: String,
    /// Innermost first; calls that the compiler merged are frames of their own.
    pub frames: Vec<Frame>,
}

/// One call on the guest's stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function, as its author wrote it.
    pub function: String,
    /// `FILE:LINE:COLUMN`, if the component tells. Below the host's working
    /// directory, it is relative to it.
    pub place: Option<String>,
    /// Whose code it is.
    pub origin: Origin,
}

/// Whose code a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The function's author's, as far as its place tells.
    Own,
    /// Of the standard library, the SDK or another package.
    Library,
    /// Nothing tells.
    Unknown,
}

impl Trap {
    pub(super) fn new(error: &wasmtime::Error) -> Self {
        let backtrace = error.downcast_ref::<WasmBacktrace>();
        let shown = backtrace.map(ToString::to_string);
        // The backtrace is one of the causes, in words of its own.
        let causes = error.chain().map(ToString::to_string);
        let causes: Vec<_> = causes.filter(|it| Some(it) != shown.as_ref()).collect();
        Self {
            message: causes.join(": "),
            frames: backtrace.map_or_else(Vec::new, |it| {
                it.frames().iter().flat_map(Frame::all_of).collect()
            }),
        }
    }
}

impl Frame {
    /// The calls that `info` stands for.
    fn all_of(info: &FrameInfo) -> Vec<Self> {
        let own_name = || match info.func_name() {
            Some(name) => demangled(name),
            None => format!("function {}", info.func_index()),
        };
        let outermost = info.symbols().len().saturating_sub(1);
        let symbols = info.symbols().iter().enumerate().map(|(at, symbol)| {
            // Debug information names what was merged without its module. The
            // rest has its full name in the component.
            let function = match symbol.name() {
                Some(name) if at < outermost => demangled(name),
                _ => own_name(),
            };
            let line = |line: u32| match symbol.column() {
                Some(column) => format!("{line}:{column}"),
                None => line.to_string(),
            };
            let file = symbol.file();
            Self {
                origin: file.map_or(Origin::Unknown, |file| Origin::of(&function, file)),
                place: file.map(|file| match symbol.line() {
                    Some(number) => format!("{}:{}", relative(file), line(number)),
                    None => relative(file).to_owned(),
                }),
                function,
            }
        });
        let frames: Vec<_> = symbols.collect();
        if !frames.is_empty() {
            return frames;
        }
        vec![Self {
            function: own_name(),
            place: None,
            origin: Origin::Unknown,
        }]
    }
}

impl Origin {
    fn of(function: &str, file: &str) -> Self {
        const ELSEWHERE: [&str; 4] = [
            "/rustc/",
            "/rustlib/src/",
            "/registry/src/",
            "/git/checkouts/",
        ];
        let is_sdk = || {
            let name = function.trim_start_matches(['<', '&', '_']);
            name.starts_with("dunlin::") || file.contains("/guest-sdk/src/")
        };
        if ELSEWHERE.iter().any(|part| file.contains(part)) || is_sdk() {
            Self::Library
        } else {
            Self::Own
        }
    }
}

impl fmt::Display for Trap {
    /// The author's own frames, if it is known which these are; else all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let is_own = |frame: &&Frame| frame.origin == Origin::Own;
        let own: Vec<_> = self.frames.iter().filter(is_own).collect();
        let shown = match own.is_empty() {
            true => self.frames.iter().collect(),
            false => own,
        };
        for frame in &shown {
            match &frame.place {
                Some(place) => write!(f, "\n  at {place} in {}", frame.function)?,
                None => write!(f, "\n  in {}", frame.function)?,
            }
        }
        match self.frames.len() - shown.len() {
            0 => Ok(()),
            1 => write!(f, "\n  and 1 call of libraries"),
            cut => write!(f, "\n  and {cut} calls of libraries"),
        }
    }
}

fn demangled(name: &str) -> String {
    // Without the hash.
    format!("{:#}", rustc_demangle::demangle(name))
}

/// `file` as it is named in the host's working directory, if it lies there.
fn relative(file: &str) -> &str {
    let Ok(here) = std::env::current_dir() else {
        return file;
    };
    let below = Path::new(file).strip_prefix(here).ok();
    below.and_then(Path::to_str).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_the_authors_own_unless_its_file_is_a_librarys() {
        for (function, file, origin) in [
            ("shop::cart", "/home/ada/shop/src/lib.rs", Origin::Own),
            (
                "core::panic",
                "/rustc/1f2e/library/core/src/panicking.rs",
                Origin::Library,
            ),
            (
                "serde::de",
                "/home/ada/.cargo/registry/src/index/serde-1/src/de.rs",
                Origin::Library,
            ),
            (
                "dunlin::app::run",
                "/home/ada/dunlin/src/app.rs",
                Origin::Library,
            ),
            (
                "<dunlin::Json as X>::y",
                "/home/ada/dunlin/src/json.rs",
                Origin::Library,
            ),
        ] {
            assert_eq!(Origin::of(function, file), origin, "{function}");
        }
    }

    #[test]
    fn own_frames_push_out_the_others() {
        let frame = |function: &str, origin| Frame {
            function: function.to_owned(),
            place: Some("src/lib.rs:1:2".to_owned()),
            origin,
        };
        let mut trap = Trap {
            message: "unreachable".to_owned(),
            frames: vec![frame("panic", Origin::Library), frame("shop", Origin::Own)],
        };
        assert_eq!(
            trap.to_string(),
            "unreachable\n  at src/lib.rs:1:2 in shop\n  and 1 call of libraries"
        );
        trap.frames.pop();
        assert_eq!(
            trap.to_string(),
            "unreachable\n  at src/lib.rs:1:2 in panic"
        );
        trap.frames[0].place = None;
        assert_eq!(trap.to_string(), "unreachable\n  in panic");
    }
}
