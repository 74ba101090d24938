//! The path's parameters.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::input::{self, At, Repairs};
use super::problem::{Loc, Problem, input_text};
use super::text::PathInput;
use super::{FromRequestParts, Invalid};
use crate::model::Model;
use crate::openapi::Operation;
use crate::request::Parts;
use crate::routing;

/// The path's parameters, percent-decoded.
///
/// `Path<u32>` for one, `Path<(u32, String)>` for several in their order, or
/// `Path<T>` with a struct whose fields have their names.
///
/// A value that does not parse is a 422 at `["path", name]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Model> FromRequestParts for Path<T> {
    type Rejection = Invalid;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Invalid> {
        parse(&params(parts)?).map(Path)
    }

    fn describe(operation: &mut Operation) {
        operation.path_parameters::<T>();
        operation.invalid();
    }
}

/// One parameter: its name and its value.
pub(crate) type Param<'a> = (&'static str, Cow<'a, str>);

fn params(parts: &Parts) -> Result<Vec<Param<'_>>, Invalid> {
    let mut params = Vec::new();
    let mut problems = Vec::new();
    routing::each_param(
        parts.segments,
        parts.path(),
        |name, raw| match percent_decode_str(raw).decode_utf8() {
            Ok(value) => params.push((name, value)),
            Err(_) => problems.push(Problem {
                kind: "string_unicode".into(),
                loc: vec![Loc::Name("path".into()), Loc::Name(name.into())],
                msg: "Input should be a valid string, unable to parse raw data as a unicode string"
                    .into(),
                input: input_text(raw),
                ctx: None,
            }),
        },
    );
    if problems.is_empty() {
        Ok(params)
    } else {
        Err(problems.into())
    }
}

fn parse<T: DeserializeOwned + Model>(params: &[Param<'_>]) -> Result<T, Invalid> {
    let read = |repairs: &Repairs| {
        T::deserialize(PathInput {
            params,
            at: &At::root("path"),
            repairs,
        })
    };
    let input_of = |problem: &Problem| {
        let name = problem.loc.get(1)?.to_string();
        let (_, value) = params.iter().find(|(known, _)| *known == name)?;
        Some(input_text(value))
    };
    input::read(input::MAX_PROBLEMS, "path", read, input_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: DeserializeOwned + Model>(
        params: &[(&'static str, &'static str)],
    ) -> Result<T, String> {
        let params: Vec<Param> = params
            .iter()
            .map(|(name, value)| (*name, (*value).into()))
            .collect();
        parse(&params).map_err(|invalid| input::told(&invalid))
    }

    #[test]
    fn one_value_a_tuple_or_a_struct() {
        #[crate::model]
        #[derive(PartialEq)]
        struct Ids {
            user: u8,
            item: String,
        }
        #[crate::model]
        #[derive(PartialEq)]
        struct Id(u64);
        let two = [("user", "7"), ("item", "a b")];
        assert_eq!(read::<u32>(&[("id", "7")]), Ok(7));
        assert_eq!(read::<Id>(&[("id", "7")]), Ok(Id(7)));
        assert_eq!(read::<(i8,)>(&[("id", "-7")]), Ok((-7,)));
        assert_eq!(read::<(u8, String)>(&two), Ok((7, "a b".into())));
        assert_eq!(
            read::<Ids>(&two),
            Ok(Ids {
                user: 7,
                item: "a b".into()
            })
        );
        assert_eq!(
            read::<Vec<String>>(&two),
            Ok(vec!["7".into(), "a b".into()])
        );
    }

    #[test]
    fn every_wrong_value_is_told() {
        assert_eq!(
            read::<(u8, i64)>(&[("user", "300"), ("item", "x")]),
            Err("less_than_equal path.user; int_parsing path.item".into())
        );
        assert_eq!(
            read::<bool>(&[("flag", "maybe")]),
            Err("bool_parsing path.flag".into())
        );
    }
}
