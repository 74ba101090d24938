//! What is wrong with a TOML file that people write, on one screen.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Reads what is written in TOML. `origin` is only for messages: the path of
/// the file that `text` came from.
///
/// # Errors
/// The first thing wrong, with its place, its key and what to write.
pub fn from_toml<T: DeserializeOwned>(text: &str, origin: &Path) -> Result<T, TomlError> {
    let document = toml::Deserializer::parse(text)
        .map_err(|error| TomlError::new(text, origin, &error, None))?;
    serde_path_to_error::deserialize(document).map_err(|error| {
        let key = Some(error.path().to_string()).filter(|path| path != ".");
        TomlError::new(text, origin, error.inner(), key)
    })
}

/// What is wrong with a TOML file, where, and what to write instead. Shows as
/// the place, the key, the message and the line itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {}{message}\n{excerpt}", origin.display(), KeyPrefix(key.as_deref()))]
pub struct TomlError {
    origin: PathBuf,
    line: usize,
    column: usize,
    key: Option<String>,
    message: String,
    excerpt: String,
}

impl TomlError {
    /// From the parser's error about `text`, and the key it was at.
    fn new(text: &str, origin: &Path, error: &toml::de::Error, key: Option<String>) -> Self {
        // What is missing has no place of its own: the top is where to add it.
        let span = error.span().unwrap_or(0..0);
        let message = error.message().replace('\n', ", ");
        let place = Place::find(text, &span);
        Self {
            origin: origin.to_owned(),
            line: place.line,
            column: place.column,
            key,
            message,
            excerpt: place.excerpt,
        }
    }

    /// What the file as a whole lacks.
    pub(super) fn lacks(text: &str, origin: &Path, message: &str) -> Self {
        let error = <toml::de::Error as serde::de::Error>::custom(message);
        Self::new(text, origin, &error, None)
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The key with its tables, such as `limits.memory`; none when the text is
    /// not TOML at all.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

struct KeyPrefix<'a>(Option<&'a str>);

impl fmt::Display for KeyPrefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(key) => write!(f, "`{key}`: "),
            None => Ok(()),
        }
    }
}

/// A place in a text as people count, with the line it is on.
struct Place {
    line: usize,
    column: usize,
    excerpt: String,
}

impl Place {
    /// Longer lines are shown around the place only, so that the message stays
    /// on one screen.
    const SHOWN_CHARACTERS: usize = 100;

    fn find(text: &str, span: &Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = 1 + text[..line_start].matches('\n').count();
        let column = 1 + text[line_start..start].chars().count();

        let content = text[line_start..].lines().next().unwrap_or("");
        let end =
            text.floor_char_boundary(span.end.clamp(start, line_start + content.len()).max(start));
        let skipped = (column - 1).saturating_sub(Self::SHOWN_CHARACTERS / 2);
        let shown: String = content
            .chars()
            .skip(skipped)
            .take(Self::SHOWN_CHARACTERS)
            // A tab is one character of a column, but not one cell of a terminal.
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let before = column - 1 - skipped;
        let room = Self::SHOWN_CHARACTERS - before;
        let marks = text[start..end].chars().count().clamp(1, room.max(1));

        let gutter = " ".repeat(line.to_string().len());
        let (indent, marks) = (" ".repeat(before), "^".repeat(marks));
        let excerpt = format!(" {gutter} |\n {line} | {shown}\n {gutter} | {indent}{marks}");
        Self {
            line,
            column,
            excerpt,
        }
    }
}
