//! Parts of a hundred, as people write them.

use crate::names::text_schema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A share, written `10%` or `0.25%`: more than zero, 100% at most, kept in
/// hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Percent(u32);

text_schema!(
    Percent,
    "^[0-9]{1,3}([.][0-9]{1,2})?%$",
    "A share: above 0 and at most 100, and `%`.",
    "10%"
);

/// Why a text is no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a share: write a number above 0 and at most 100, and `%`, such as `10%`")]
pub struct PercentError(String);

impl Percent {
    /// All of it, in hundredths of a percent.
    pub const WHOLE: u32 = 10_000;

    /// In hundredths of a percent, 1 to 10,000.
    pub fn hundredths(self) -> u32 {
        self.0
    }

    /// Between 0 and 1.
    pub fn as_fraction(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE)
    }
}

impl FromStr for Percent {
    type Err = PercentError;

    fn from_str(text: &str) -> Result<Self, PercentError> {
        let refuse = || PercentError(text.to_owned());
        let number = text.strip_suffix('%').ok_or_else(refuse)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str, most| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole, 3) || !digits(part, 2) {
            return Err(refuse());
        }
        let whole: u32 = whole.parse().map_err(|_| refuse())?;
        let part: u32 = format!("{part:0<2}").parse().map_err(|_| refuse())?;
        match whole * 100 + part {
            share @ 1..=Self::WHOLE => Ok(Self(share)),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}%"),
            part if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            part => write!(f, "{whole}.{part:02}%"),
        }
    }
}

impl TryFrom<String> for Percent {
    type Error = PercentError;

    fn try_from(text: String) -> Result<Self, PercentError> {
        text.parse()
    }
}

impl From<Percent> for String {
    fn from(share: Percent) -> Self {
        share.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_are_written_as_people_do() {
        for (text, hundredths) in [
            ("10%", 1_000),
            ("0.5%", 50),
            ("0.05%", 5),
            ("100%", 10_000),
            ("33.33%", 3_333),
        ] {
            let share: Percent = text.parse().unwrap();
            assert_eq!(share.hundredths(), hundredths, "{text}");
            assert_eq!(share.to_string(), text);
        }
        for bad in [
            "", "%", "10", "0%", "0.00%", "100.01%", "-1%", "1.234%", "1.%", ".5%", "+1%", "1e1%",
            "9999%",
        ] {
            let error = bad.parse::<Percent>().unwrap_err().to_string();
            assert!(error.contains("such as `10%`"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_round_trips(text in "[0-9.%+ ]{0,8}") {
            if let Ok(share) = text.parse::<Percent>() {
                prop_assert_eq!(share.to_string().parse::<Percent>().unwrap(), share);
            }
        }
    }
}
