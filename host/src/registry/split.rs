//! How a function's traffic is divided among its versions.

use super::Percent;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The largest weight of a version.
const MAX_WEIGHT: u32 = 1_000_000;

/// Most versions that share traffic.
const MAX_VERSIONS: usize = 16;

/// Version numbers and their weights: at least one version, no weight of zero.
/// A version's part of the traffic is its weight among all weights.
///
/// In JSON `{"3":90,"4":10}`; for people `3=90 4=10`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<u32, u32>", into = "BTreeMap<u32, u32>")]
pub struct Split(BTreeMap<u32, u32>);

impl JsonSchema for Split {
    fn schema_name() -> Cow<'static, str> {
        "Split".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "Version numbers and their weights.",
            "type": "object",
            "propertyNames": { "pattern": "^[1-9][0-9]*$" },
            "additionalProperties": { "type": "integer", "minimum": 1, "maximum": MAX_WEIGHT },
            "minProperties": 1,
            "maxProperties": MAX_VERSIONS,
            "examples": [{ "3": 90, "4": 10 }],
        })
    }
}

/// Why weights are no split.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Nobody would answer.
    #[error("a split needs at least one version: write such as `3=90 4=10`")]
    Empty,
    /// More than anybody means.
    #[error("a split has at most {MAX_VERSIONS} versions")]
    TooMany,
    /// Versions count from 1.
    #[error("there is no version 0: versions count from 1")]
    Zero,
    /// Nothing, or too much.
    #[error(
        "the weight of version {0} must be 1 to {MAX_WEIGHT}: leave out a version that is to get \
         no traffic"
    )]
    Weight(u32),
    /// Not of the form `VERSION=WEIGHT`.
    #[error("`{0}` is not VERSION=WEIGHT, such as `3=90`")]
    Form(String),
    /// Named twice.
    #[error("version {0} is named twice")]
    Twice(u32),
}

impl Split {
    /// All traffic to one version.
    pub fn all_to(version: u32) -> Self {
        Self(BTreeMap::from([(version, 100)]))
    }

    /// Reads parts of the form `VERSION=WEIGHT`; a version alone gets all.
    ///
    /// # Errors
    ///
    /// When they are no split.
    pub fn parse<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<Self, SplitError> {
        let mut weights = BTreeMap::new();
        for part in parts {
            let refuse = || SplitError::Form(part.to_owned());
            let (version, weight) = part.split_once('=').unwrap_or((part, "100"));
            let version = version.parse().map_err(|_| refuse())?;
            let weight = weight.parse().map_err(|_| refuse())?;
            if weights.insert(version, weight).is_some() {
                return Err(SplitError::Twice(version));
            }
        }
        weights.try_into()
    }

    /// The versions, ascending, each with its weight.
    pub fn weights(&self) -> impl ExactSizeIterator<Item = (u32, u32)> + '_ {
        self.0.iter().map(|(version, weight)| (*version, *weight))
    }

    /// The weight of a version; 0 if it gets no traffic.
    pub fn weight(&self, version: u32) -> u32 {
        self.0.get(&version).copied().unwrap_or_default()
    }

    /// The sum of all weights.
    pub fn total(&self) -> u32 {
        // At most 16 times a million.
        self.0.values().sum()
    }

    /// The version that gets most; of equals, the newest.
    pub fn main(&self) -> u32 {
        let most = self.weights().max_by_key(|(_, weight)| *weight);
        most.expect("a split has a version").0
    }

    /// The same, with this share for one more version; the others keep the
    /// proportions among them.
    pub fn with(&self, version: u32, share: Percent) -> Self {
        let rest = u64::from(Percent::WHOLE - share.hundredths());
        let total = u64::from(self.total());
        let mut weights: BTreeMap<u32, u64> = self
            .weights()
            .map(|(other, weight)| (other, u64::from(weight) * rest))
            .collect();
        weights.insert(version, total * u64::from(share.hundredths()));
        let divisor = weights.values().fold(0, |a, b| gcd(a, *b)).max(1);
        let most = weights.values().max().copied().unwrap_or_default() / divisor;
        let shrink = most.div_ceil(u64::from(MAX_WEIGHT)).max(1);
        let weights = weights.into_iter().filter(|(_, weight)| *weight > 0);
        let fitted = weights.map(|(version, weight)| {
            let weight = (weight / divisor).div_ceil(shrink);
            (version, u32::try_from(weight).unwrap_or(MAX_WEIGHT))
        });
        Self(fitted.collect())
    }

    /// The same without a version; None if it was the only one.
    pub fn without(&self, version: u32) -> Option<Self> {
        let mut rest = self.0.clone();
        rest.remove(&version);
        (!rest.is_empty()).then_some(Self(rest))
    }

    /// The version that a number leads to. Equal numbers lead to equal versions,
    /// and a change of weights moves as few as possible to another.
    pub fn pick(&self, number: u64) -> u32 {
        let total = u64::from(self.total());
        // The high half of the product spreads evenly, without a division.
        let high = (u128::from(number) * u128::from(total)) >> 64;
        let mut at = u32::try_from(high).expect("is below the total");
        for (version, weight) in self.weights() {
            if at < weight {
                return version;
            }
            at -= weight;
        }
        unreachable!("the weights sum up to the total")
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl TryFrom<BTreeMap<u32, u32>> for Split {
    type Error = SplitError;

    fn try_from(weights: BTreeMap<u32, u32>) -> Result<Self, SplitError> {
        if weights.is_empty() {
            return Err(SplitError::Empty);
        }
        if weights.len() > MAX_VERSIONS {
            return Err(SplitError::TooMany);
        }
        for (version, weight) in &weights {
            if *version == 0 {
                return Err(SplitError::Zero);
            }
            if !(1..=MAX_WEIGHT).contains(weight) {
                return Err(SplitError::Weight(*version));
            }
        }
        Ok(Self(weights))
    }
}

impl From<Split> for BTreeMap<u32, u32> {
    fn from(split: Split) -> Self {
        split.0
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (version, weight)) in self.weights().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{version}={weight}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(text: &str) -> Split {
        Split::parse(text.split(' ')).unwrap()
    }

    #[test]
    fn weights_are_checked_once() {
        assert_eq!(split("4=10 3=90").to_string(), "3=90 4=10");
        assert_eq!(split("7"), Split::all_to(7));
        let refused = |text: &str| Split::parse(text.split_whitespace()).unwrap_err();
        assert_eq!(refused(""), SplitError::Empty);
        assert_eq!(refused("3=0"), SplitError::Weight(3));
        assert_eq!(refused("3=1000001"), SplitError::Weight(3));
        assert_eq!(refused("0=1"), SplitError::Zero);
        assert_eq!(refused("3=1 3=2"), SplitError::Twice(3));
        assert_eq!(refused("v3=1"), SplitError::Form("v3=1".to_owned()));
        assert_eq!(refused("3=-1"), SplitError::Form("3=-1".to_owned()));
        let many: Vec<String> = (1..=17).map(|version| format!("{version}=1")).collect();
        let many = Split::parse(many.iter().map(String::as_str));
        assert_eq!(many, Err(SplitError::TooMany));
    }

    #[test]
    fn a_canary_gets_its_share_and_the_others_keep_their_proportions() {
        let ten = "10%".parse().unwrap();
        assert_eq!(split("3=100").with(4, ten), split("3=9 4=1"));
        assert_eq!(split("3=90 4=10").with(5, ten), split("3=81 4=9 5=10"));
        assert_eq!(
            split("3=1 4=1000000").with(5, "0.01%".parse().unwrap()),
            // What does not fit is rounded, and nobody is forgotten.
            Split(BTreeMap::from([(3, 1), (4, 1_000_000), (5, 101)]))
        );
        assert_eq!(split("3=9 4=1").without(4), Some(split("3=9")));
        assert_eq!(split("3=9").without(3), None);
    }

    #[test]
    fn most_traffic_makes_the_main_version() {
        assert_eq!(split("3=90 4=10").main(), 3);
        assert_eq!(split("3=50 4=50").main(), 4);
    }

    proptest! {
        #[test]
        fn each_version_gets_its_part(a in 1_u32..100, b in 1_u32..100, seed: u64) {
            let split = Split(BTreeMap::from([(1, a), (2, b)]));
            // Evenly spaced numbers hit exactly in proportion, but for rounding.
            let steps = 10_000_u64;
            let ones = (0..steps)
                .map(|step| seed.wrapping_add(u64::MAX / steps * step))
                .filter(|number| split.pick(*number) == 1)
                .count();
            let expected = f64::from(a) / f64::from(a + b) * steps as f64;
            prop_assert!((ones as f64 - expected).abs() <= 3.0, "{ones} of {expected}");
        }

        #[test]
        fn a_new_version_takes_keys_and_moves_none_among_the_others(number: u64, share in 1_u32..100) {
            let before = Split::all_to(1);
            let after = before.with(2, format!("{share}%").parse().unwrap());
            let more = before.with(2, format!("{}%", share + 1).parse().unwrap_or("100%".parse().unwrap()));
            if after.pick(number) == 2 {
                prop_assert_eq!(more.pick(number), 2);
            }
        }

        #[test]
        fn a_canary_on_any_split_is_a_split(
            weights in prop::collection::btree_map(1_u32..50, 1_u32..=MAX_WEIGHT, 1..10), share in 1_u32..=10_000,
        ) {
            let share = format!("{}.{:02}%", share / 100, share % 100).parse().unwrap();
            let split = Split(weights).with(60, share);
            prop_assert!(Split::try_from(split.0.clone()).is_ok(), "{split}");
        }
    }
}
