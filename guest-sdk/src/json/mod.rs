//! Writing small JSON texts, for functions that use no `serde_json`.

mod writer;

use std::fmt::Write as _;

pub(crate) use self::writer::{to_string, to_vec, write};

/// Appends `text` as it is. Not inlined: descriptions are made of hundreds of
/// small texts, and each would bring its own code to make room.
#[inline(never)]
pub(crate) fn push(out: &mut String, text: &str) {
    out.push_str(text);
}

/// Appends `text` as a JSON string, quotes included.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => push(out, "\\\""),
            '\\' => push(out, "\\\\"),
            '\n' => push(out, "\\n"),
            control if u32::from(control) < 0x20 => {
                // Writing to a `String` cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// `{"detail": "…"}`, the form in which FastAPI's clients expect an error.
pub(crate) fn detail(text: &str) -> String {
    let mut out = String::from("{\"detail\":");
    push_string(&mut out, text);
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn strings_are_escaped() {
        let text = "a\"b\\c\nd\u{1}\u{e9}";
        let mut out = String::new();
        super::push_string(&mut out, text);
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }
}
