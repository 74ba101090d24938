//! The query.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use super::input::{self, At, Repairs};
use super::problem::{Loc, Problem, input_text};
use super::text::QueryInput;
use super::{FromRequestParts, Invalid};
use crate::model::Model;
use crate::openapi::{Operation, Place};
use crate::request::Parts;

/// The query, as a struct.
///
/// A field is required unless it is an `Option` or has `#[serde(default)]`. A
/// `Vec` takes all values of a repeated key (give it `#[serde(default)]` to
/// allow none); anything else takes the last. Booleans may be written `true`,
/// `1`, `yes`, `on`, and their contraries. Keys without a field are ignored,
/// unless the struct says `#[serde(deny_unknown_fields)]`.
///
/// A value that is missing or does not parse is a 422 at `["query", key]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Model> FromRequestParts for Query<T> {
    type Rejection = Invalid;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Invalid> {
        parse(parts.query().unwrap_or_default()).map(Query)
    }

    fn describe(operation: &mut Operation) {
        operation.parameters::<T>(Place::Query);
        operation.invalid();
    }
}

/// One key and its values, in their order.
pub(crate) type Group<'a> = (Cow<'a, str>, Vec<Cow<'a, str>>);

fn groups(query: &str) -> Vec<Group<'_>> {
    grouped(form_urlencoded::parse(query.as_bytes()).collect())
}

/// The values of each name, in their order.
pub(crate) fn grouped<'a>(mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>) -> Vec<Group<'a>> {
    // Sorting keeps this from being quadratic in what a client sends.
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut groups: Vec<Group> = Vec::new();
    for (key, value) in pairs {
        match groups.last_mut() {
            Some((last, values)) if *last == key => values.push(value),
            _ => groups.push((key, vec![value])),
        }
    }
    groups
}

fn parse<T: DeserializeOwned + Model>(query: &str) -> Result<T, Invalid> {
    read_groups("query", &groups(query))
}

/// Reads names that have values: of a query, header fields, cookies, a form.
pub(crate) fn read_groups<T: DeserializeOwned + Model>(
    root: &str,
    groups: &[Group<'_>],
) -> Result<T, Invalid> {
    let read = |repairs: &Repairs| {
        T::deserialize(QueryInput {
            groups,
            at: &At::root(root),
            repairs,
        })
    };
    input::read(input::MAX_PROBLEMS, root, read, |problem| {
        input_of(groups, problem)
    })
}

/// What was sent: all values of a name, or one of them.
fn input_of(groups: &[Group<'_>], problem: &Problem) -> Option<String> {
    let Loc::Name(name) = problem.loc.get(1)? else {
        return None;
    };
    let (_, values) = groups.iter().find(|(key, _)| key == name)?;
    match problem.loc.get(2) {
        Some(Loc::Index(index)) => values.get(*index).map(|value| input_text(value)),
        Some(Loc::Name(_)) => None,
        // Of a list's length.
        None if matches!(&*problem.kind, "too_short" | "too_long") => {
            let values: Vec<_> = values.iter().map(|value| input_text(value)).collect();
            Some(format!("[{}]", values.join(",")))
        }
        None => values.last().map(|value| input_text(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[crate::model]
    #[derive(PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        Newest,
        Oldest,
    }

    #[crate::model]
    #[derive(PartialEq)]
    struct Page {
        limit: u8,
        #[serde(default)]
        tag: Vec<u8>,
        q: Option<String>,
        order: Order,
        #[serde(default)]
        deep: bool,
    }

    fn read<T: DeserializeOwned + Model>(query: &str) -> Result<T, String> {
        parse(query).map_err(|invalid| input::told(&invalid))
    }

    #[test]
    fn lists_optionals_and_defaults() {
        let page = read::<Page>("tag=1&limit=3&order=oldest&tag=2&q=a+b%21&deep=yes&more=1");
        let expected = Page {
            limit: 3,
            tag: vec![1, 2],
            q: Some("a b!".into()),
            order: Order::Oldest,
            deep: true,
        };
        assert_eq!(page, Ok(expected));
        let page = read::<Page>("limit=1&limit=2&order=newest");
        let expected = Page {
            limit: 2,
            tag: vec![],
            q: None,
            order: Order::Newest,
            deep: false,
        };
        assert_eq!(page, Ok(expected));
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let told = read::<Page>("tag=1&tag=x&order=best&deep=maybe").unwrap_err();
        assert_eq!(
            told,
            "bool_parsing query.deep; enum query.order; int_parsing query.tag.1; missing query.limit"
        );
    }

    #[test]
    fn maps_and_unknown_keys() {
        let map = read::<std::collections::BTreeMap<String, u8>>("b=2&a=1").unwrap();
        assert_eq!(
            map.into_iter().collect::<Vec<_>>(),
            [("a".into(), 1), ("b".into(), 2)]
        );

        #[crate::model]
        #[serde(deny_unknown_fields)]
        struct Strict {
            #[serde(rename = "limit")]
            _limit: u8,
        }
        let told = read::<Strict>("limit=x&offset=1").unwrap_err();
        assert_eq!(
            told,
            "int_parsing query.limit; extra_forbidden query.offset"
        );
    }

    #[test]
    fn the_answer_is_as_fastapi_has_it() {
        use crate::IntoResponse;
        let invalid = parse::<Page>("limit=ten&order=newest").unwrap_err();
        let body = crate::testing::block_on(invalid.into_response().text()).unwrap();
        assert_eq!(
            body,
            r#"{"detail":[{"type":"int_parsing","loc":["query","limit"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"ten"}]}"#
        );
    }
}
