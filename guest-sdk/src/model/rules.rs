//! The rules of `#[field(…)]`, as pydantic tells them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Check;
use crate::json::push_string;

/// A number, or a bound for one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Of an integer type.
    Integer(i128),
    /// Of a floating point type.
    Float(f64),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Number::Integer(number) => number as f64,
            Number::Float(number) => number,
        }
    }

    fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Number::Integer(a), Number::Integer(b)) => Some(a.cmp(&b)),
            (a, b) => a.float().partial_cmp(&b.float()),
        }
    }

    /// As a person writes it.
    fn text(self) -> String {
        match self {
            Number::Integer(number) => number.to_string(),
            Number::Float(number) => number.to_string(),
        }
    }

    /// As JSON, of the type that the value has.
    fn json(self, value: Number) -> String {
        match (self, value) {
            (Number::Integer(number), Number::Integer(_)) => number.to_string(),
            (number, _) => format!("{:?}", number.float()),
        }
    }
}

/// What the rules for numbers apply to.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no number",
    label = "`gt`, `ge`, `lt`, `le` and `multiple_of` are for numbers",
    note = "for texts and lists write `min_length` and `max_length`; for anything else `check = your_function`"
)]
pub trait Numeric {
    /// The number; none where an optional one is missing.
    fn number(&self) -> Option<Number>;
}

macro_rules! integers {
    ($($ty:ty)*) => {$(
        impl Numeric for $ty {
            fn number(&self) -> Option<Number> {
                Some(Number::Integer(*self as i128))
            }
        }
    )*};
}

integers!(u8 u16 u32 u64 usize i8 i16 i32 i64 i128 isize);

impl Numeric for f64 {
    fn number(&self) -> Option<Number> {
        Some(Number::Float(*self))
    }
}

impl Numeric for f32 {
    fn number(&self) -> Option<Number> {
        Some(Number::Float((*self).into()))
    }
}

impl<T: Numeric> Numeric for Option<T> {
    fn number(&self) -> Option<Number> {
        self.as_ref()?.number()
    }
}

/// A rule for numbers.
#[derive(Debug, Clone, Copy)]
pub enum NumberRule {
    /// Greater than.
    Gt,
    /// Greater than or equal to.
    Ge,
    /// Less than.
    Lt,
    /// Less than or equal to.
    Le,
    /// A multiple of.
    MultipleOf,
}

/// Checks a number.
#[inline]
pub fn number<T: Numeric>(value: &T, rule: NumberRule, bound: Number, check: &Check<'_>) {
    let Some(value) = value.number() else { return };
    let order = value.compare(bound);
    let kept = match rule {
        NumberRule::Gt => order.is_some_and(|order| order.is_gt()),
        NumberRule::Ge => order.is_some_and(|order| order.is_ge()),
        NumberRule::Lt => order.is_some_and(|order| order.is_lt()),
        NumberRule::Le => order.is_some_and(|order| order.is_le()),
        NumberRule::MultipleOf => is_multiple(value, bound),
    };
    if !kept {
        tell_number(value, rule, bound, check);
    }
}

fn is_multiple(value: Number, of: Number) -> bool {
    match (value, of) {
        (Number::Integer(value), Number::Integer(of)) => of != 0 && value % of == 0,
        (value, of) => {
            // As pydantic: what a float cannot hold exactly is forgiven.
            let quotient = value.float() / of.float();
            (quotient - quotient.round()).abs() <= quotient.abs().max(1.0) * 1e-9
        }
    }
}

#[cold]
fn tell_number(value: Number, rule: NumberRule, bound: Number, check: &Check<'_>) {
    let (kind, words, name) = match rule {
        NumberRule::Gt => ("greater_than", "greater than", "gt"),
        NumberRule::Ge => ("greater_than_equal", "greater than or equal to", "ge"),
        NumberRule::Lt => ("less_than", "less than", "lt"),
        NumberRule::Le => ("less_than_equal", "less than or equal to", "le"),
        NumberRule::MultipleOf => ("multiple_of", "a multiple of", "multiple_of"),
    };
    let msg = format!("Input should be {words} {}", bound.text());
    check.problem(kind, msg, &[(name, bound.json(value))]);
}

/// How long something is, and in what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length<'a> {
    /// The characters of a text.
    Characters(&'a str),
    /// Items of a list, a map or a set, with pydantic's name for it.
    Items(usize, &'static str),
}

impl Length<'_> {
    /// A character has one to four bytes, so that most texts need no counting.
    fn is_below(self, min: usize) -> bool {
        match self {
            Length::Characters(text) => text.len().div_ceil(4) < min && text.chars().count() < min,
            Length::Items(count, _) => count < min,
        }
    }

    fn is_above(self, max: usize) -> bool {
        match self {
            Length::Characters(text) => text.len() > max && text.chars().count() > max,
            Length::Items(count, _) => count > max,
        }
    }
}

/// What `min_length` and `max_length` apply to.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no length",
    label = "`min_length` and `max_length` are for texts, lists, maps and sets",
    note = "for numbers write `ge` and `le`; for anything else `check = your_function`"
)]
pub trait Measured {
    /// Its length; none where an optional value is missing.
    fn length(&self) -> Option<Length<'_>>;
}

macro_rules! measured {
    ($([$($generics:tt)*] $ty:ty: |$value:ident| $length:expr;)*) => {$(
        impl<$($generics)*> Measured for $ty {
            fn length(&self) -> Option<Length<'_>> {
                let $value = self;
                $length
            }
        }
    )*};
}

measured! {
    [] String: |text| Some(Length::Characters(text));
    [] &str: |text| Some(Length::Characters(text));
    [] Cow<'_, str>: |text| Some(Length::Characters(text));
    [T] Vec<T>: |list| Some(Length::Items(list.len(), "List"));
    [T, const COUNT: usize] [T; COUNT]: |list| Some(Length::Items(list.len(), "Tuple"));
    [T, S] HashSet<T, S>: |set| Some(Length::Items(set.len(), "Set"));
    [T] BTreeSet<T>: |set| Some(Length::Items(set.len(), "Set"));
    [K, T, S] HashMap<K, T, S>: |map| Some(Length::Items(map.len(), "Dictionary"));
    [K, T] BTreeMap<K, T>: |map| Some(Length::Items(map.len(), "Dictionary"));
    [T: Measured + ?Sized] Box<T>: |value| value.as_ref().length();
    [T: Measured] Option<T>: |value| value.as_ref()?.length();
}

/// Checks that a length is at least `min`.
#[inline]
pub fn min_length<T: Measured>(value: &T, min: usize, check: &Check<'_>) {
    if let Some(length) = value.length().filter(|length| length.is_below(min)) {
        tell_length(length, Bound::Min(min), check);
    }
}

/// Checks that a length is at most `max`.
#[inline]
pub fn max_length<T: Measured>(value: &T, max: usize, check: &Check<'_>) {
    if let Some(length) = value.length().filter(|length| length.is_above(max)) {
        tell_length(length, Bound::Max(max), check);
    }
}

enum Bound {
    Min(usize),
    Max(usize),
}

#[cold]
fn tell_length(length: Length<'_>, bound: Bound, check: &Check<'_>) {
    let (bound, word, name, [of_text, of_items]) = match bound {
        Bound::Min(min) => (
            min,
            "least",
            "min_length",
            ["string_too_short", "too_short"],
        ),
        Bound::Max(max) => (max, "most", "max_length", ["string_too_long", "too_long"]),
    };
    let should = |what, word_of| format!("{what} should have at {word} {}", plural(bound, word_of));
    match length {
        Length::Characters(_) => {
            let context = [(name, bound.to_string())];
            check.problem(of_text, should("String", "character"), &context);
        }
        Length::Items(count, what) => {
            let msg = format!("{} after validation, not {count}", should(what, "item"));
            let context = [
                ("field_type", format!("\"{what}\"")),
                (name, bound.to_string()),
                ("actual_length", count.to_string()),
            ];
            check.problem(of_items, msg, &context);
        }
    }
}

fn plural(count: usize, word: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {word}{ending}")
}

/// What `pattern` and `format` apply to.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no text",
    label = "`pattern` and `format` are for texts",
    note = "for numbers write `ge` and `le`; for anything else `check = your_function`"
)]
pub trait Text {
    /// The text; none where an optional one is missing.
    fn text(&self) -> Option<&str>;
}

impl Text for String {
    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl Text for &str {
    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl Text for Cow<'_, str> {
    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl<T: Text> Text for Option<T> {
    fn text(&self) -> Option<&str> {
        self.as_ref()?.text()
    }
}

/// Checks a text against a regular expression.
pub fn pattern<T: Text>(value: &T, regex: &regex_lite::Regex, check: &Check<'_>) {
    let Some(text) = value.text() else { return };
    if !regex.is_match(text) {
        let pattern = regex.as_str();
        let mut json = String::new();
        push_string(&mut json, pattern);
        let msg = format!("String should match pattern '{pattern}'");
        check.problem("string_pattern_mismatch", msg, &[("pattern", json)]);
    }
}

/// Checks a text against a format; `valid` is one of [`formats`](super::formats).
pub fn format<T: Text>(value: &T, name: &str, valid: fn(&str) -> bool, check: &Check<'_>) {
    let Some(text) = value.text() else { return };
    if !valid(text) {
        let mut json = String::new();
        push_string(&mut json, name);
        let msg = format!("String should be a valid {name}");
        check.problem("string_format", msg, &[("format", json)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_measured_in_characters() {
        for text in ["", "abc", "äöü", "€", "🐦🐦🐦🐦🐦", "a€🐦ä"] {
            let count = text.chars().count();
            for bound in 0..25 {
                let length = Length::Characters(text);
                assert_eq!(length.is_below(bound), count < bound, "{text} {bound}");
                assert_eq!(length.is_above(bound), count > bound, "{text} {bound}");
            }
        }
    }
}
