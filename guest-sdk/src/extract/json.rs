//! JSON bodies.

use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

use super::input::{self, At, Repairs};
use super::json_value::JsonInput;
use super::problem::{Loc, Problem, input_text};
use super::{BodyRejection, FromRequest, Invalid, Rejection};
use crate::error::HttpError;
use crate::headers::Headers;
use crate::model::{self, Model};
use crate::openapi::Operation;
use crate::request::Request;

/// A JSON body, or a JSON answer.
///
/// As an argument it asks for `content-type: application/json` (or
/// `application/…+json`): without that, any web page could post to the
/// function in its visitor's name. What it refuses, and how: [`JsonRejection`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Json<T>(pub T);

/// Of a larger body, in bytes, only the first problem is told: looking for
/// more would cost more than a caller who sends nonsense may ask for.
const MAX_THOROUGH: usize = 256 * 1024;

/// A larger body, in bytes, is never held as a tree, which takes many times
/// its size: its first problem is told as `serde_json` tells it.
const MAX_TREE: usize = 1024 * 1024;

/// Why a JSON body could not be taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum JsonRejection {
    /// 415: the `content-type` is missing or is another.
    ContentType,
    /// 422 with `json_invalid` at `["body", position]`, in bytes from 0: it is
    /// not JSON.
    Syntax(Invalid),
    /// 422 with every [`Problem`]: it is JSON, but not what the type asks for.
    Data(Invalid),
    /// 400: it ended early.
    Body(BodyRejection),
}

impl From<JsonRejection> for Rejection {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::ContentType => HttpError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be JSON: send `content-type: application/json`",
            )
            .into(),
            JsonRejection::Syntax(invalid) | JsonRejection::Data(invalid) => invalid.into(),
            JsonRejection::Body(rejection) => rejection.into(),
        }
    }
}

impl<T: DeserializeOwned + Model> FromRequest for Json<T> {
    type Rejection = JsonRejection;

    async fn from_request(request: Request) -> Result<Self, JsonRejection> {
        if !is_json(request.headers()) {
            return Err(JsonRejection::ContentType);
        }
        let body = request.into_body().bytes().await;
        let body = body.map_err(|error| JsonRejection::Body(error.into()))?;
        parse(&body).map(Json)
    }

    fn describe(operation: &mut Operation) {
        let schema = operation.schema::<T>();
        operation.body("application/json", Some(schema));
        operation.http_error(Some(415), "Not JSON");
        operation.invalid();
    }
}

fn is_json(headers: &Headers) -> bool {
    let Some(content_type) = headers.get("content-type") else {
        return false;
    };
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let Some((kind, subtype)) = essence.split_once('/') else {
        return false;
    };
    let suffix = subtype.rsplit('+').next().unwrap_or_default();
    kind.eq_ignore_ascii_case("application") && suffix.eq_ignore_ascii_case("json")
}

fn parse<T: DeserializeOwned + Model>(body: &[u8]) -> Result<T, JsonRejection> {
    // One look at the whole is cheaper than one at each text inside.
    let text = str::from_utf8(body).map_err(|error| {
        let problem = invalid_json(error.valid_up_to(), "invalid unicode code point");
        JsonRejection::Syntax(problem.into())
    })?;
    match serde_json::from_str::<T>(text) {
        Ok(value) => {
            let mut broken = model::check(&value, "body");
            if broken.is_empty() {
                return Ok(value);
            }
            if body.len() > MAX_TREE {
                broken.truncate(1);
                let broken = model::with_inputs(broken, |_| None);
                return Err(JsonRejection::Data(broken));
            }
        }
        Err(error) if error.classify() == Category::Data && body.len() > MAX_TREE => {
            let msg = format!("Value error, {error}");
            let problem = Problem::new(&["body"], "value_error", msg, "");
            return Err(JsonRejection::Data(problem.into()));
        }
        Err(error) if error.classify() == Category::Data => {}
        Err(error) => return Err(JsonRejection::Syntax(syntax(body, &error).into())),
    }
    // serde_json stops at the first wrong value and does not say where it is.
    // Reading once more, from a tree, finds them all.
    let tree: Value = match serde_json::from_str(text) {
        Ok(tree) => tree,
        Err(error) => return Err(JsonRejection::Syntax(syntax(body, &error).into())),
    };
    let max = if body.len() > MAX_THOROUGH {
        1
    } else {
        input::MAX_PROBLEMS
    };
    let read = |repairs: &Repairs| {
        T::deserialize(JsonInput {
            value: &tree,
            at: &At::root("body"),
            repairs,
        })
    };
    input::read(max, "body", read, |problem| input_at(&tree, &problem.loc))
        .map_err(JsonRejection::Data)
}

/// What was sent at a place below the body.
fn input_at(tree: &Value, loc: &[Loc]) -> Option<String> {
    let mut value = tree;
    for step in loc.get(1..)? {
        value = match step {
            Loc::Name(name) => value.get(&**name)?,
            Loc::Index(index) => value.get(index)?,
        };
    }
    Some(value.to_string())
}

fn syntax(body: &[u8], error: &serde_json::Error) -> Problem {
    // The text ends in ` at line 1 column 2`, which the position says better.
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    invalid_json(position(body, error), text)
}

fn invalid_json(position: usize, text: &str) -> Problem {
    Problem {
        kind: "json_invalid".into(),
        loc: vec![Loc::Name("body".into()), Loc::Index(position)],
        msg: "JSON decode error".into(),
        input: "{}".into(),
        ctx: Some(format!("{{\"error\":{}}}", input_text(text))),
    }
}

/// Lines count from 1, columns from 1 (0 at a line's very start).
fn position(body: &[u8], error: &serde_json::Error) -> usize {
    if error.is_eof() {
        return body.len();
    }
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (before + error.column()).saturating_sub(1).min(body.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read from a tree, `2.0` for an integer, needs a small body.
    #[test]
    fn a_large_body_is_held_once() {
        #[crate::model]
        struct Large {
            id: u8,
            #[field(max_length = 3)]
            note: String,
            rest: Vec<u8>,
        }
        let body = |id: &str, note: &str, rest: usize| {
            format!(
                "{{\"id\":{id},\"note\":\"{note}\",\"rest\":[{}0]}}",
                "0,".repeat(rest)
            )
        };
        let refused = |body: String| match parse::<Large>(body.as_bytes()) {
            Err(JsonRejection::Data(invalid)) => invalid.problems,
            other => panic!("{other:?}"),
        };
        let large = MAX_TREE / 2;
        let read = parse::<Large>(body("1", "abc", large).as_bytes()).unwrap();
        assert_eq!(
            (read.id, read.note.len(), read.rest.len()),
            (1, 3, large + 1)
        );
        assert!(parse::<Large>(body("1.0", "abc", 1).as_bytes()).is_ok());
        let [problem] = &refused(body("\"x\"", "abc", large))[..] else {
            panic!("one problem is told");
        };
        assert_eq!((&*problem.kind, &*problem.input), ("value_error", "\"\""));
        assert!(
            problem.msg.contains("expected u8 at line 1 column 9"),
            "{problem:?}"
        );
        let [problem] = &refused(body("1", "abcd", large))[..] else {
            panic!("one problem is told");
        };
        assert_eq!(&*problem.kind, "string_too_long");
    }

    #[crate::model]
    #[derive(PartialEq)]
    struct Item {
        name: String,
        price: f64,
        #[serde(default)]
        tags: Vec<Tag>,
        size: Option<u8>,
    }

    #[crate::model]
    #[derive(PartialEq)]
    struct Tag {
        id: u16,
    }

    fn told(body: &str) -> String {
        match parse::<Item>(body.as_bytes()).unwrap_err() {
            JsonRejection::Syntax(invalid) | JsonRejection::Data(invalid) => input::told(&invalid),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_right_is_read() {
        let item = parse::<Item>(br#"{"name":"a","price":3,"tags":[{"id":1}]}"#).unwrap();
        assert_eq!(
            item,
            Item {
                name: "a".into(),
                price: 3.0,
                tags: vec![Tag { id: 1 }],
                size: None
            }
        );
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let body = r#"{"price":"x","tags":[{"id":1},{"id":-1},{}],"size":256}"#;
        assert_eq!(
            told(body),
            "float_type body.price; less_than_equal body.size; greater_than_equal body.tags.1.id; \
             missing body.tags.2.id; missing body.name"
        );
        assert_eq!(told("[1]"), "model_attributes_type body");
        assert_eq!(told(r#"{"name":null,"price":1}"#), "string_type body.name");
    }

    #[test]
    fn what_is_no_json_has_a_position() {
        assert_eq!(told("{\"name\": }"), "json_invalid body.9");
        assert_eq!(told("{\n\"name\" 1}"), "json_invalid body.9");
        assert_eq!(told("{"), "json_invalid body.1");
        assert_eq!(told(""), "json_invalid body.0");
        assert_eq!(told("{} x"), "json_invalid body.3");
    }

    #[test]
    fn what_is_no_text_has_a_position_too() {
        match parse::<Item>(b"{\"name\": \"\xff\"}").unwrap_err() {
            JsonRejection::Syntax(invalid) => {
                assert_eq!(input::told(&invalid), "json_invalid body.10");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn content_types() {
        let with = |value: &str| {
            let mut headers = Headers::new();
            headers.append("content-type", value);
            is_json(&headers)
        };
        assert!(with("application/json"));
        assert!(with("Application/JSON; charset=utf-8"));
        assert!(with("application/problem+json"));
        assert!(!with("text/plain"));
        assert!(!is_json(&Headers::new()));
    }
}
