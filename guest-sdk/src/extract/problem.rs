//! What is wrong with a request, and the answer that says so.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::Write as _;

use http::StatusCode;

use crate::error::{Error, HttpError};
use crate::json;
use crate::openapi::Operation;
use crate::respond::IntoResponse;
use crate::response::{Response, content_type};

/// An input longer than this is not repeated in the answer, in bytes of JSON.
const MAX_INPUT: usize = 1024;

/// One thing that is wrong with a request.
///
/// In the answer it is `{"type", "loc", "msg", "input", "ctx"?}`, as pydantic
/// and FastAPI write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub(crate) kind: Cow<'static, str>,
    pub(crate) loc: Vec<Loc>,
    pub(crate) msg: String,
    /// JSON.
    pub(crate) input: String,
    /// JSON.
    pub(crate) ctx: Option<String>,
}

/// A step on the way to the wrong value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Loc {
    Name(Cow<'static, str>),
    Index(usize),
}

impl std::fmt::Display for Loc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Loc::Name(name) => f.write_str(name),
            Loc::Index(index) => write!(f, "{index}"),
        }
    }
}

impl Problem {
    /// A problem with the value at `loc`, e.g. `["query", "limit"]`.
    ///
    /// `kind` is for programs (pydantic's words where they fit, such as
    /// `less_than_equal`), `msg` for people.
    #[must_use]
    pub fn new(
        loc: &[&str],
        kind: impl Into<Cow<'static, str>>,
        msg: impl Into<String>,
        input: &str,
    ) -> Self {
        let loc = loc
            .iter()
            .map(|name| Loc::Name(Cow::Owned((*name).to_owned())))
            .collect();
        Problem {
            kind: kind.into(),
            loc,
            msg: msg.into(),
            input: input_text(input),
            ctx: None,
        }
    }

    fn push_json(&self, out: &mut String) {
        out.push_str("{\"type\":");
        json::push_string(out, &self.kind);
        out.push_str(",\"loc\":[");
        for (index, step) in self.loc.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            match step {
                Loc::Name(name) => json::push_string(out, name),
                // Writing to a `String` cannot fail.
                Loc::Index(index) => drop(write!(out, "{index}")),
            }
        }
        out.push_str("],\"msg\":");
        json::push_string(out, &self.msg);
        out.push_str(",\"input\":");
        out.push_str(if self.input.len() > MAX_INPUT {
            "null"
        } else {
            &self.input
        });
        if let Some(ctx) = &self.ctx {
            out.push_str(",\"ctx\":");
            out.push_str(ctx);
        }
        out.push('}');
    }
}

/// A text as the JSON that a problem's `input` holds.
pub(crate) fn input_text(text: &str) -> String {
    let mut out = String::new();
    json::push_string(&mut out, text);
    out
}

/// The request is not what the handler's signature asks for: a 422 that lists
/// every [`Problem`].
///
/// A handler that finds more problems than its types can tell answers one of
/// its own:
///
/// ```
/// # use dunlin::prelude::*;
/// use dunlin::extract::{Invalid, Problem};
///
/// #[get("/{n}")]
/// fn double(Path(n): Path<u32>) -> Result<String, Invalid> {
///     match n.checked_mul(2) {
///         Some(twice) => Ok(twice.to_string()),
///         None => Err(Problem::new(&["path", "n"], "too_large", "too large", "n").into()),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    pub(crate) problems: Vec<Problem>,
}

impl Invalid {
    /// Takes over what is not yet known: what several arguments depend on is
    /// told once.
    pub(super) fn add(&mut self, more: Invalid) {
        for problem in more.problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }
}

impl From<Problem> for Invalid {
    fn from(problem: Problem) -> Self {
        Invalid {
            problems: vec![problem],
        }
    }
}

impl From<Vec<Problem>> for Invalid {
    fn from(problems: Vec<Problem>) -> Self {
        Invalid { problems }
    }
}

impl IntoResponse for Invalid {
    fn into_response(self) -> Response {
        let mut body = String::from("{\"detail\":[");
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                body.push(',');
            }
            problem.push_json(&mut body);
        }
        body.push_str("]}");
        Response::with_section(content_type!("application/json"), body)
            .with_status(StatusCode::UNPROCESSABLE_ENTITY)
    }

    fn describe(operation: &mut Operation) {
        operation.invalid();
    }
}

/// Why an argument could not be taken.
#[derive(Debug)]
pub enum Rejection {
    /// The request is wrong; listed with what else is wrong with it.
    Invalid(Invalid),
    /// Something else is; this is the whole answer.
    Answer(Response),
}

impl From<Invalid> for Rejection {
    fn from(invalid: Invalid) -> Self {
        Rejection::Invalid(invalid)
    }
}

impl From<Response> for Rejection {
    fn from(response: Response) -> Self {
        Rejection::Answer(response)
    }
}

impl From<HttpError> for Rejection {
    fn from(error: HttpError) -> Self {
        Rejection::Answer(error.into_response())
    }
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        Rejection::Answer(error.into_response())
    }
}

impl From<Infallible> for Rejection {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        match self {
            Rejection::Invalid(invalid) => invalid.into_response(),
            Rejection::Answer(response) => response,
        }
    }
}
