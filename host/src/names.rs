//! Names that are checked once, in their only constructor, and then trusted.
//!
//! All of them are cheap to clone: they travel with every invocation and every
//! log line.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is not a name of some kind: which text, what is wrong with it,
/// and what a good one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}: {reason}")]
pub struct NameError {
    text: String,
    kind: &'static str,
    reason: &'static str,
}

impl NameError {
    /// What is wrong, for a message that has named the text already.
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

/// Gives a text newtype the conversions that follow from its `FromStr`.
macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

/// Gives a type that is written as text its JSON schema: how it looks, what it
/// is, and an example. What a pattern can't say is left to the type's parser.
macro_rules! text_schema {
    ($name:ident, $pattern:literal, $description:literal, $example:literal) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": $pattern,
                    "description": $description,
                    "examples": [$example],
                })
            }
        }
    };
}

pub(crate) use text_schema;

/// The name of a function, unique on a host: 1 to 63 characters of `a-z`,
/// `0-9` and `-`, the first a letter, the last not `-`.
///
/// The rules are those of a DNS label (RFC 1035), so that a name can be a path
/// segment, a host label, a file name and a metric label without escaping.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FunctionName(Arc<str>);

text_newtype!(FunctionName);
text_schema!(
    FunctionName,
    "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$",
    "1 to 63 of `a-z`, `0-9` and `-`, beginning with a letter and not ending in `-`.",
    "shop-api"
);

impl FromStr for FunctionName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let valid = (1..=63).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(NameError {
                text: text.to_owned(),
                kind: "function name",
                reason: "use 1 to 63 of `a-z`, `0-9` and `-`, beginning with a letter \
                         and not ending in `-`, such as `shop-api`",
            })
        }
    }
}

/// One version of a function, written `shop@3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionId {
    function: FunctionName,
    number: u32,
}

impl VersionId {
    /// Version `number` of `function`. Versions are numbered from 1.
    pub fn new(function: FunctionName, number: u32) -> Self {
        Self { function, number }
    }

    /// The function that this is a version of.
    pub fn function(&self) -> &FunctionName {
        &self.function
    }

    /// The version's number, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.function, self.number)
    }
}

impl FromStr for VersionId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = || NameError {
            text: text.to_owned(),
            kind: "version",
            reason: "write a function's name, `@` and a version's number, such as `shop@3`",
        };
        let (function, number) = text.split_once('@').ok_or_else(refuse)?;
        // `parse` alone would take `+3` and `03` too: two spellings of one id.
        if !number.starts_with(|c: char| ('1'..='9').contains(&c)) {
            return Err(refuse());
        }
        let number = number.parse().map_err(|_| refuse())?;
        Ok(Self::new(function.parse()?, number))
    }
}

impl TryFrom<String> for VersionId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<VersionId> for String {
    fn from(id: VersionId) -> String {
        id.to_string()
    }
}

/// Where a function answers on the public listener: `/`, or a path such as
/// `/shop` whose segments hold letters, digits and `-._~` only, without a
/// trailing slash.
///
/// Nothing that could be encoded in two ways is a mount, so that comparing
/// text is comparing paths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mount(Arc<str>);

text_newtype!(Mount);
text_schema!(
    Mount,
    "^/([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*)?$",
    "A path of letters, digits and `-._~`, without a trailing `/`; or `/` for all paths.",
    "/shop"
);

impl Mount {
    /// `/`: the whole listener, or the whole of the function's own host.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// `/NAME`: where a function answers unless its manifest says otherwise.
    pub fn below_root(name: &FunctionName) -> Self {
        Self(format!("/{name}").into())
    }

    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        &*self.0 == "/"
    }
}

impl FromStr for Mount {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |reason| {
            Err(NameError {
                text: text.to_owned(),
                kind: "mount",
                reason,
            })
        };
        if text == "/" {
            return Ok(Self::root());
        }
        let Some(segments) = text.strip_prefix('/') else {
            return refuse("it must begin with `/`, such as `/shop`");
        };
        if segments.ends_with('/') {
            return refuse("leave out the trailing `/`");
        }
        for segment in segments.split('/') {
            if segment.is_empty() || segment == "." || segment == ".." {
                return refuse("leave out empty, `.` and `..` segments");
            }
            if !segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
            {
                return refuse(
                    "use letters, digits and `-._~` only; patterns belong to the function's routes",
                );
            }
        }
        Ok(Self(text.into()))
    }
}

/// A DNS host name, in lower case and without a trailing dot; never an
/// address.
///
/// Letters, digits, `-` and `_` (which private networks use). International
/// names are written in their `xn--` form. A last label that is a number is
/// refused: resolvers take `127.1` and `0x7f000001` for addresses, and so a
/// "name" would mean something other than it says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(Arc<str>);

text_newtype!(HostName);
text_schema!(
    HostName,
    "^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\\.?$",
    "A DNS name, never an address.",
    "api.example.com"
);

impl HostName {
    /// Whether this is `localhost` itself (RFC 6761 6.3).
    pub fn is_localhost(&self) -> bool {
        &*self.0 == "localhost"
    }

    /// Whether this is a name below `parent`, at any depth, and not `parent`.
    pub fn is_below(&self, parent: &HostName) -> bool {
        self.0
            .strip_suffix(parent.as_str())
            .is_some_and(|rest| rest.ends_with('.'))
    }
}

impl FromStr for HostName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |reason| {
            Err(NameError {
                text: text.to_owned(),
                kind: "host name",
                reason,
            })
        };
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() || name.len() > 253 {
            return refuse("use 1 to 253 characters, such as `api.example.com`");
        }
        if !name.is_ascii() {
            return refuse("write international names in their `xn--` form");
        }
        for label in name.split('.') {
            if label.is_empty() || label.len() > 63 {
                return refuse("each part between dots has 1 to 63 characters");
            }
            if label.starts_with('-') || label.ends_with('-') {
                return refuse("no part begins or ends with `-`");
            }
            if !label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            {
                return refuse("use letters, digits, `-`, `_` and dots only");
            }
        }
        let last = name.rsplit('.').next().unwrap_or(name);
        let hexadecimal = last.len() >= 2 && last.as_bytes()[..2].eq_ignore_ascii_case(b"0x");
        if last.bytes().all(|b| b.is_ascii_digit()) || hexadecimal {
            return refuse(
                "its last part is a number; write an address in full, such as `192.0.2.1`",
            );
        }
        Ok(Self(name.to_ascii_lowercase().into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn function_names_are_dns_labels() {
        for good in ["a", "shop", "shop-2", "a--b", &"a".repeat(63)] {
            assert_eq!(good.parse::<FunctionName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "Shop",
            "2shop",
            "-a",
            "a-",
            "a_b",
            "a.b",
            "ä",
            &"a".repeat(64),
        ] {
            assert!(bad.parse::<FunctionName>().is_err(), "{bad}");
        }
        let error = "Shop".parse::<FunctionName>().unwrap_err().to_string();
        assert!(
            error.contains("`Shop`") && error.contains("`shop-api`"),
            "{error}"
        );
    }

    #[test]
    fn version_ids_have_one_spelling() {
        let id: VersionId = "shop@3".parse().unwrap();
        assert_eq!((id.function().as_str(), id.number()), ("shop", 3));
        assert_eq!(id.to_string(), "shop@3");
        for bad in [
            "shop",
            "shop@",
            "shop@0",
            "shop@03",
            "shop@+3",
            "shop@4294967296",
            "@3",
        ] {
            assert!(bad.parse::<VersionId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn mounts_have_one_spelling() {
        for good in ["/", "/shop", "/a/b.c/~d_-"] {
            assert_eq!(good.parse::<Mount>().unwrap().as_str(), good);
        }
        for bad in [
            "", "shop", "/shop/", "//", "/a//b", "/a/../b", "/.", "/a?b", "/a#b", "/{id}", "/a%2f",
            "/*", "/ä", "/a b",
        ] {
            assert!(bad.parse::<Mount>().is_err(), "{bad}");
        }
    }

    #[test]
    fn host_names_are_lower_case_and_never_addresses() {
        for (text, name) in [
            ("API.Example.com", "api.example.com"),
            ("example.com.", "example.com"),
            ("localhost", "localhost"),
            ("my_db", "my_db"),
            ("1.example", "1.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(text.parse::<HostName>().unwrap().as_str(), name);
        }
        for bad in [
            "",
            ".",
            "a..b",
            "-a.b",
            "a-.b",
            "a b",
            "a/b",
            "a@b",
            "a:1",
            "[::1]",
            "bücher.example",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "a.0X7f",
            "%31",
            &"a".repeat(64),
        ] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn below_means_a_whole_label_more() {
        let name = |text: &str| text.parse::<HostName>().unwrap();
        assert!(name("a.example.com").is_below(&name("example.com")));
        assert!(name("a.b.example.com").is_below(&name("example.com")));
        assert!(!name("example.com").is_below(&name("example.com")));
        assert!(!name("badexample.com").is_below(&name("example.com")));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_round_trips(text in "\\PC{0,70}") {
            if let Ok(name) = text.parse::<FunctionName>() {
                prop_assert_eq!(name.to_string(), text.clone());
            }
            if let Ok(mount) = text.parse::<Mount>() {
                prop_assert_eq!(mount.to_string(), text.clone());
            }
            if let Ok(id) = text.parse::<VersionId>() {
                prop_assert_eq!(id.to_string(), text.clone());
            }
            if let Ok(host) = text.parse::<HostName>() {
                prop_assert_eq!(host.to_string().parse::<HostName>().unwrap(), host);
            }
        }

        #[test]
        fn every_plain_host_name_parses(text in "[a-z][a-z0-9]{0,10}(\\.[a-z]{1,10}){0,4}") {
            prop_assert_eq!(text.parse::<HostName>().unwrap().to_string(), text);
        }
    }
}
