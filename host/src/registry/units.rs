//! Sizes and times as people write them, the same in `dunlin.toml`, in the
//! admin API's JSON and in the store.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::names::text_schema;

/// Why a text is not a size or a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct UnitError {
    text: String,
    expected: &'static str,
}

/// A number of bytes, written as a whole number and its unit: `128MiB`.
///
/// Units: `B`, `KiB`, `MiB`, `GiB`, `TiB` in steps of 1,024 and `KB`, `MB`,
/// `GB`, `TB` in steps of 1,000, in any case, with or without a space before.
/// It is shown in the largest 1,024-based unit that is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

text_schema!(
    ByteSize,
    "^[0-9]+ *([KMGTkmgt][Ii]?)?[Bb]$",
    "A size: a whole number and its unit. `B`; `KiB`, `MiB`, `GiB`, `TiB` in steps of 1,024; \
     `KB`, `MB`, `GB`, `TB` in steps of 1,000.",
    "128MiB"
);

impl ByteSize {
    const EXPECTED: &str = "a size: write a whole number and its unit, such as \"128MiB\"";

    /// So many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many times 1,024 bytes.
    pub const fn kib(kib: u32) -> Self {
        Self(kib as u64 * 1024)
    }

    /// So many times 1,048,576 bytes.
    pub const fn mib(mib: u32) -> Self {
        Self(mib as u64 * 1024 * 1024)
    }

    /// The size in bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let refuse = || UnitError {
            text: text.to_owned(),
            expected: Self::EXPECTED,
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = text[..digits].parse().map_err(|_| refuse())?;
        // The crate that knows the units also takes fractions, bare numbers
        // and sums beyond 64 bits (saturating): none of them means what it says.
        let unit: bytesize::Unit = text[digits..].trim_start().parse().map_err(|_| refuse())?;
        let factor = unit * 1u64;
        number.checked_mul(factor).map(Self).ok_or_else(refuse)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        // Zero has 64 trailing zero bits, and no size a seventh step.
        let steps = match self.0 {
            0 => 0,
            bytes => bytes.trailing_zeros() / 10,
        };
        write!(f, "{}{}", self.0 >> (10 * steps), UNITS[steps as usize])
    }
}

/// A time greater than zero, written with its unit: `30s`, `500ms`, `1m 30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeLimit(Duration);

text_schema!(
    TimeLimit,
    "^ *([0-9]+ *[A-Za-zµ]+ *)+$",
    "A time, more than zero: whole numbers with their units, such as `500ms`, `30s`, `1m 30s`.",
    "30s"
);

impl TimeLimit {
    const EXPECTED: &str =
        "a time: write numbers with their units, such as \"30s\" or \"1m 30s\", more than zero";

    /// So many seconds.
    ///
    /// # Panics
    /// On zero: a limit of no time lets nothing run.
    pub const fn seconds(seconds: u32) -> Self {
        assert!(seconds > 0, "a time limit is more than zero");
        Self(Duration::from_secs(seconds as u64))
    }

    /// So long.
    ///
    /// # Panics
    /// On zero.
    pub const fn of(time: Duration) -> Self {
        assert!(!time.is_zero(), "a time limit is more than zero");
        Self(time)
    }

    /// The limit as a duration, never zero.
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

impl FromStr for TimeLimit {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match humantime::parse_duration(text) {
            Ok(duration) if !duration.is_zero() => Ok(Self(duration)),
            _ => Err(UnitError {
                text: text.to_owned(),
                expected: Self::EXPECTED,
            }),
        }
    }
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// Text in every format. A bare number is refused with the expected form,
/// because a reader cannot tell its unit.
macro_rules! serde_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($name::EXPECTED)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }
    };
}

serde_as_text!(ByteSize);
serde_as_text!(TimeLimit);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_whole_numbers_with_a_unit() {
        for (text, bytes) in [
            ("0B", 0),
            ("1B", 1),
            ("128MiB", 128 << 20),
            ("128 mib", 128 << 20),
            ("1KB", 1_000),
            ("10MB", 10_000_000),
            ("1GiB", 1 << 30),
            ("18446744073709551615B", u64::MAX),
        ] {
            assert_eq!(
                text.parse::<ByteSize>().unwrap().as_bytes(),
                bytes,
                "{text}"
            );
        }
        for bad in [
            "",
            "128",
            "MiB",
            "1.5MiB",
            "-1B",
            "1 potato",
            "17EiB",
            "99999999999999999999B",
        ] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_shown_in_the_largest_exact_unit() {
        for (size, text) in [
            (ByteSize::bytes(0), "0B"),
            (ByteSize::bytes(1023), "1023B"),
            (ByteSize::bytes(1025), "1025B"),
            (ByteSize::kib(256), "256KiB"),
            (ByteSize::mib(128), "128MiB"),
            (ByteSize::mib(4096), "4GiB"),
            (ByteSize::bytes(1 << 63), "8EiB"),
        ] {
            assert_eq!(size.to_string(), text);
        }
    }

    #[test]
    fn times_are_more_than_zero() {
        assert_eq!("30s".parse(), Ok(TimeLimit::seconds(30)));
        assert_eq!("1m 30s".parse(), Ok(TimeLimit::seconds(90)));
        assert_eq!(TimeLimit::seconds(90).to_string(), "1m 30s");
        for bad in [
            "",
            "30",
            "0s",
            "0ms",
            "-1s",
            "soon",
            "9999999999999999999999y",
        ] {
            assert!(bad.parse::<TimeLimit>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bare_number_is_refused_with_the_form_to_write() {
        let error = serde_json::from_str::<ByteSize>("128")
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"128MiB\""), "{error}");
        let error = serde_json::from_str::<TimeLimit>("30")
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"30s\""), "{error}");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,24}") {
            let _ = text.parse::<ByteSize>();
            let _ = text.parse::<TimeLimit>();
        }

        #[test]
        fn numbers_with_units_never_panic(text in "[0-9]{1,21} ?[a-zA-Zµ]{0,5}") {
            let _ = text.parse::<ByteSize>();
            let _ = text.parse::<TimeLimit>();
        }

        #[test]
        fn sizes_round_trip(bytes: u64, shift in 0u32..64) {
            let size = ByteSize::bytes(bytes >> shift << (shift / 2));
            prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
        }

        #[test]
        fn times_round_trip(seconds in 0u64..1 << 40, nanos in 0u32..1_000_000_000) {
            let duration = Duration::new(seconds, nanos);
            prop_assume!(!duration.is_zero());
            let limit = TimeLimit(duration);
            prop_assert_eq!(limit.to_string().parse::<TimeLimit>(), Ok(limit));
        }
    }
}
