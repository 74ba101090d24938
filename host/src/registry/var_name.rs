//! Names of configuration variables.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::text_schema;

/// The name of a configuration variable: letters, digits and `_`, not
/// beginning with a digit (POSIX 8.1), so that every guest language can read it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VarName(String);

text_schema!(
    VarName,
    "^[A-Za-z_][A-Za-z0-9_]*$",
    "Letters, digits and `_`, not beginning with a digit.",
    "API_URL"
);

impl VarName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VarName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let valid = !text.is_empty()
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if valid {
            Ok(Self(text))
        } else {
            Err(format!(
                "`{text}` is not a variable name: use letters, digits and `_`, \
                 not beginning with a digit, such as `API_URL`"
            ))
        }
    }
}

impl fmt::Display for VarName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for VarName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

impl From<VarName> for String {
    fn from(name: VarName) -> String {
        name.0
    }
}
