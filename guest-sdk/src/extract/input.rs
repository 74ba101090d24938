//! Reading values with serde so that everything wrong is found, not only the
//! first thing.
//!
//! Serde stops at the first error. So [`read`] notes the error with its place,
//! then reads again with that place *repaired*: the wrong value is replaced by
//! a stand-in, the missing field added, the forbidden one left out. The value
//! that comes of it is thrown away; what counts are the further errors. A
//! request that is right is read once.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess};

use super::Invalid;
use super::problem::{Loc, Problem, input_text};
use super::stand_in::{StandIn, string};
use crate::model::{self, Model};

/// No more than this many problems are listed: each costs a reading.
pub(crate) const MAX_PROBLEMS: usize = 32;

/// Reads a value and checks its model's rules, or finds what is wrong with it:
/// up to `max` problems. `root` is where it stands, `input_of` what was sent at
/// a problem's place.
pub(crate) fn read<T: Model>(
    max: usize,
    root: &str,
    mut attempt: impl FnMut(&Repairs) -> Result<T, Fault>,
    input_of: impl Fn(&Problem) -> Option<String>,
) -> Result<T, Invalid> {
    let mut repairs = Repairs::default();
    let mut problems = Vec::new();
    loop {
        match attempt(&repairs) {
            Ok(value) => {
                let broken = model::check(&value, root).into_iter();
                // What was made up says nothing.
                let broken = broken.filter(|problem| !repairs.cover(&problem.loc));
                let broken: Vec<_> = broken.take(max - problems.len()).collect();
                if broken.is_empty() && problems.is_empty() {
                    return Ok(value);
                }
                problems.extend(model::with_inputs(broken, input_of).problems);
                break;
            }
            Err(fault) => {
                let (problem, repair) = fault.into_problem();
                let hopeless = repairs.0.iter().any(|(loc, _)| *loc == problem.loc);
                if hopeless && !problems.is_empty() {
                    break;
                }
                repairs.0.push((problem.loc.clone(), repair));
                problems.push(problem);
                if problems.len() == max {
                    break;
                }
            }
        }
    }
    Err(problems.into())
}

/// Where the reader is: a list on the stack, from here to the root.
pub(crate) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    pub(crate) fn root(name: &'a str) -> At<'a> {
        At {
            parent: None,
            step: Step::Name(name),
        }
    }

    pub(crate) fn name(&'a self, name: &'a str) -> At<'a> {
        At {
            parent: Some(self),
            step: Step::Name(name),
        }
    }

    pub(crate) fn index(&'a self, index: usize) -> At<'a> {
        At {
            parent: Some(self),
            step: Step::Index(index),
        }
    }

    /// Whether this is that place. Every value is asked this, for each place
    /// found wrong before it: the last step, which mostly differs, goes first.
    fn is(&self, loc: &[Loc]) -> bool {
        let Some((last, parents)) = loc.split_last() else {
            return false;
        };
        let same = match (&self.step, last) {
            (Step::Name(here), Loc::Name(name)) => here == name,
            (Step::Index(here), Loc::Index(index)) => here == index,
            _ => false,
        };
        same && match self.parent {
            Some(parent) => parent.is(parents),
            None => parents.is_empty(),
        }
    }

    pub(crate) fn loc(&self) -> Vec<Loc> {
        let mut loc = self.parent.map(At::loc).unwrap_or_default();
        loc.push(match self.step {
            Step::Name(name) => Loc::Name(Cow::Owned(name.to_owned())),
            Step::Index(index) => Loc::Index(index),
        });
        loc
    }
}

/// What to do at a place that was found wrong before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repair {
    Replace,
    Add,
    Omit,
}

/// The places found wrong so far.
#[derive(Default)]
pub(crate) struct Repairs(Vec<(Vec<Loc>, Repair)>);

impl Repairs {
    fn at(&self, at: &At<'_>) -> Option<Repair> {
        let here = self.0.iter().find(|(loc, _)| at.is(loc));
        here.map(|(_, repair)| *repair)
    }

    /// Whether the value at this place was made up.
    fn cover(&self, loc: &[Loc]) -> bool {
        self.0.iter().any(|(repaired, _)| loc.starts_with(repaired))
    }

    /// The names of the fields to be added to the object at `at`.
    fn added(&self, at: &At<'_>) -> Vec<String> {
        let added = self.0.iter().filter(|(_, repair)| *repair == Repair::Add);
        added
            .filter_map(|(loc, _)| match loc.split_last() {
                Some((Loc::Name(name), parent)) if at.is(parent) => Some(name.to_string()),
                _ => None,
            })
            .collect()
    }
}

/// A reading that failed. Boxed, because results are passed around a lot.
#[derive(Debug)]
pub(crate) struct Fault(Box<Details>);

#[derive(Debug)]
struct Details {
    kind: &'static str,
    msg: String,
    /// The field of the object at the fault's place that is missing or extra.
    field: Option<(String, Field)>,
    loc: Option<Vec<Loc>>,
    /// JSON.
    input: Option<String>,
    /// JSON.
    ctx: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Field {
    Missing,
    Extra,
}

impl Fault {
    pub(crate) fn new(kind: &'static str, msg: impl Into<String>) -> Self {
        let msg = msg.into();
        Fault(Box::new(Details {
            kind,
            msg,
            field: None,
            loc: None,
            input: None,
            ctx: None,
        }))
    }

    /// Gives the fault its place, unless a deeper reader has done so.
    pub(crate) fn at(mut self, at: &At<'_>, input: impl FnOnce() -> String) -> Self {
        if self.0.loc.is_none() {
            let mut loc = at.loc();
            if let Some((name, _)) = &self.0.field {
                loc.push(Loc::Name(Cow::Owned(name.clone())));
            }
            self.0.loc = Some(loc);
            self.0.input = Some(input());
        }
        self
    }

    fn into_problem(self) -> (Problem, Repair) {
        let details = *self.0;
        let repair = match details.field {
            Some((_, Field::Missing)) => Repair::Add,
            Some((_, Field::Extra)) => Repair::Omit,
            None => Repair::Replace,
        };
        let problem = Problem {
            kind: details.kind.into(),
            loc: details.loc.unwrap_or_default(),
            msg: details.msg,
            input: details.input.unwrap_or_else(|| "null".into()),
            ctx: details.ctx,
        };
        (problem, repair)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.msg)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Fault::new("value_error", format!("Value error, {message}"))
    }

    fn missing_field(name: &'static str) -> Self {
        let mut fault = Fault::new("missing", "Field required");
        fault.0.field = Some((name.to_owned(), Field::Missing));
        fault
    }

    fn unknown_field(name: &str, _: &'static [&'static str]) -> Self {
        let mut fault = Fault::new("extra_forbidden", "Extra inputs are not permitted");
        fault.0.field = Some((name.to_owned(), Field::Extra));
        fault
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        let mut list = String::new();
        for (index, name) in expected.iter().enumerate() {
            list.push_str(match index {
                0 => "'",
                _ if index + 1 == expected.len() => " or '",
                _ => ", '",
            });
            list.push_str(name);
            list.push('\'');
        }
        let mut fault = Fault::new("enum", format!("Input should be {list}"));
        fault.0.ctx = Some(format!("{{\"expected\":{}}}", input_text(&list)));
        fault
    }
}

/// `value`, if it lies in the range of the integer type that was asked for.
pub(crate) fn in_range(value: i128, min: i128, max: i128) -> Result<i128, Fault> {
    let (kind, words, name, bound) = if value < min {
        ("greater_than_equal", "greater", "ge", min)
    } else if value > max {
        ("less_than_equal", "less", "le", max)
    } else {
        return Ok(value);
    };
    let mut fault = Fault::new(
        kind,
        format!("Input should be {words} than or equal to {bound}"),
    );
    fault.0.ctx = Some(format!("{{\"{name}\":{bound}}}"));
    Err(fault)
}

/// The integer methods of a `Deserializer` that has `fn integer(&self, min:
/// i128, max: i128) -> Result<i128, Fault>`. Of 128-bit integers, those that
/// an `i128` holds.
macro_rules! integers {
    () => {
        $crate::extract::input::integers! {
            deserialize_u8 visit_u8 u8, u8::MIN, u8::MAX;
            deserialize_u16 visit_u16 u16, u16::MIN, u16::MAX;
            deserialize_u32 visit_u32 u32, u32::MIN, u32::MAX;
            deserialize_u64 visit_u64 u64, u64::MIN, u64::MAX;
            deserialize_u128 visit_u128 u128, 0, i128::MAX;
            deserialize_i8 visit_i8 i8, i8::MIN, i8::MAX;
            deserialize_i16 visit_i16 i16, i16::MIN, i16::MAX;
            deserialize_i32 visit_i32 i32, i32::MIN, i32::MAX;
            deserialize_i64 visit_i64 i64, i64::MIN, i64::MAX;
            deserialize_i128 visit_i128 i128, i128::MIN, i128::MAX;
        }
    };
    ($($method:ident $visit:ident $ty:ty, $min:expr, $max:expr;)*) => {$(
        fn $method<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            visitor.$visit(self.integer($min as i128, $max as i128)? as $ty)
        }
    )*};
}
pub(crate) use integers;

/// A value of the input, which can be read into anything.
pub(crate) trait Leaf<'de>: Copy {
    fn read<S: DeserializeSeed<'de>>(
        self,
        seed: S,
        at: &At<'_>,
        repairs: &Repairs,
    ) -> Result<S::Value, Fault>;

    /// The value as JSON, for the answer.
    fn to_json(self) -> String;
}

pub(super) fn read_leaf<'de, L: Leaf<'de>, S: DeserializeSeed<'de>>(
    leaf: L,
    seed: S,
    at: &At<'_>,
    repairs: &Repairs,
) -> Result<S::Value, Fault> {
    match repairs.at(at) {
        Some(_) => seed.deserialize(StandIn),
        None => leaf
            .read(seed, at, repairs)
            .map_err(|fault| fault.at(at, || leaf.to_json())),
    }
}

/// The fields of an object.
pub(crate) struct Fields<'a, I, L> {
    entries: I,
    value: Option<(&'a str, L)>,
    added: Vec<String>,
    at: &'a At<'a>,
    repairs: &'a Repairs,
}

impl<'a, I, L> Fields<'a, I, L> {
    pub(crate) fn new(entries: I, at: &'a At<'a>, repairs: &'a Repairs) -> Self {
        Fields {
            entries,
            value: None,
            added: repairs.added(at),
            at,
            repairs,
        }
    }
}

impl<'a, 'de: 'a, I, L> MapAccess<'de> for Fields<'a, I, L>
where
    I: Iterator<Item = (&'de str, L)>,
    L: Leaf<'de>,
{
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let repairs = self.repairs;
        let at = self.at;
        let entry = self
            .entries
            .find(|(name, _)| repairs.at(&at.name(name)) != Some(Repair::Omit));
        self.value = entry;
        match (entry, self.added.last()) {
            (Some((name, _)), _) => seed
                .deserialize(de::value::BorrowedStrDeserializer::new(name))
                .map(Some),
            (None, Some(name)) => seed.deserialize(string(name)).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        match self.value.take() {
            Some((name, leaf)) => read_leaf(leaf, seed, &self.at.name(name), self.repairs),
            None => {
                let name = self.added.pop().unwrap_or_default();
                seed.deserialize(StandIn)
                    .map_err(|fault| fault.at(&self.at.name(&name), String::new))
            }
        }
    }
}

/// The elements of a list.
pub(crate) struct Elements<'a, I> {
    entries: I,
    next: usize,
    at: &'a At<'a>,
    repairs: &'a Repairs,
}

impl<'a, I> Elements<'a, I> {
    pub(crate) fn new(entries: I, at: &'a At<'a>, repairs: &'a Repairs) -> Self {
        Elements {
            entries,
            next: 0,
            at,
            repairs,
        }
    }
}

impl<'de, I, L> SeqAccess<'de> for Elements<'_, I>
where
    I: Iterator<Item = L>,
    L: Leaf<'de>,
{
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(leaf) = self.entries.next() else {
            return Ok(None);
        };
        let at = self.at.index(self.next);
        self.next += 1;
        read_leaf(leaf, seed, &at, self.repairs).map(Some)
    }
}

/// The problems' kinds and places, for tests.
#[cfg(test)]
pub(crate) fn told(invalid: &Invalid) -> String {
    let told: Vec<_> = invalid
        .problems
        .iter()
        .map(|problem| {
            let loc: Vec<_> = problem
                .loc
                .iter()
                .map(|step| match step {
                    Loc::Name(name) => name.to_string(),
                    Loc::Index(index) => index.to_string(),
                })
                .collect();
            format!("{} {}", problem.kind, loc.join("."))
        })
        .collect();
    told.join("; ")
}
