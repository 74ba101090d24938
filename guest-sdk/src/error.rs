//! Errors that are answers.
//!
//! The policy: the caller gets a status and, where the handler wrote one for
//! the caller, a text ([`HttpError`]). Everything else ([`Error`]) is the
//! function's own affair: the caller gets a bare 500, the log gets the cause.

use std::fmt;

use http::StatusCode;

use crate::headers::Headers;
use crate::json;
use crate::openapi::Operation;
use crate::respond::IntoResponse;
use crate::response::Response;

/// Any error at all; with `?` it takes whatever implements
/// [`std::error::Error`].
///
/// As an answer it is a 500 that tells the caller nothing, and a log line with
/// the error and its causes. An [`HttpError`] inside keeps its own answer, and so
/// does an enum with [`ErrorResponse`](macro@crate::ErrorResponse).
pub struct Error(Box<dyn std::error::Error + 'static>);

impl Error {
    /// An error that is only a text, for the log.
    #[must_use]
    pub fn msg(text: impl Into<String>) -> Self {
        Error(text.into().into())
    }

    /// The error inside.
    ///
    /// # Errors
    /// Itself, if what is inside is no `E`.
    pub fn downcast<E: std::error::Error + 'static>(self) -> Result<E, Self> {
        self.0.downcast().map(|error| *error).map_err(Error)
    }
}

impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Error(Box::new(error))
    }
}

/// The error, then its causes, in one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Causes(&*self.0), f)
    }
}

/// An error, then its causes, in one line.
struct Causes<'a>(&'a dyn std::error::Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let error = match self.downcast::<HttpError>() {
            Ok(answer) => return answer.into_response(),
            Err(error) => error,
        };
        if let Some(status) = status_of(&*error.0) {
            return answer_of(&*error.0, status);
        }
        eprintln!("error: {error}");
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
    }
}

/// An error meant for the caller: a status and `{"detail": "…"}`.
///
/// ```
/// # use dunlin::prelude::*;
/// #[get("/items/{id}")]
/// async fn read_item(Path(id): Path<u32>) -> Result<String, HttpError> {
///     match id {
///         1 => Ok("the item".into()),
///         _ => Err(HttpError::new(StatusCode::NOT_FOUND, "Item not found")),
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{status}: {detail}")]
pub struct HttpError {
    status: StatusCode,
    detail: String,
    headers: Headers,
}

impl HttpError {
    /// An error with this status and this text for the caller.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        HttpError {
            status,
            detail: detail.into(),
            headers: Headers::new(),
        }
    }

    /// The same error with one more header field in its answer.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.append(name, value);
        self
    }
}

impl IntoResponse for HttpError {
    fn into_response(mut self) -> Response {
        self.headers.insert("content-type", "application/json");
        let body = json::detail(&self.detail).into();
        Response {
            status: self.status,
            headers: self.headers,
            body,
        }
    }

    fn describe(operation: &mut Operation) {
        operation.http_error(None, "Error");
    }
}

/// The status with which `#[derive(ErrorResponse)]` marks an error.
#[expect(deprecated, reason = "nothing else needs it")]
fn status_of(error: &dyn std::error::Error) -> Option<u16> {
    let status = error.description().strip_prefix("dunlin::ErrorResponse ")?;
    status.parse().ok()
}

/// The answer of an error that has a status; for `#[derive(ErrorResponse)]`.
#[doc(hidden)]
#[must_use]
pub fn answer_of(error: &dyn std::error::Error, status: u16) -> Response {
    if status >= 500 {
        eprintln!("error: {}", Causes(error));
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpError::new(status, error.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;

    fn answer(error: impl Into<Error>) -> (StatusCode, String) {
        let response = error.into().into_response();
        (response.status(), block_on(response.text()).unwrap())
    }

    #[test]
    fn an_error_tells_the_caller_nothing() {
        let (status, body) = answer("x".parse::<u8>().unwrap_err());
        assert_eq!(status, 500);
        assert_eq!(body, r#"{"detail":"Internal Server Error"}"#);
    }

    #[test]
    fn an_http_error_inside_an_error_keeps_its_answer() {
        let (status, body) = answer(HttpError::new(StatusCode::NOT_FOUND, "no \"x\""));
        assert_eq!(status, 404);
        assert_eq!(body, r#"{"detail":"no \"x\""}"#);
    }

    #[test]
    fn causes_are_printed_once_each() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read the price")]
        struct Outer(#[source] std::num::ParseIntError);
        let error = Error::from(Outer("x".parse::<u8>().unwrap_err()));
        assert_eq!(
            error.to_string(),
            "cannot read the price: invalid digit found in string"
        );
    }
}
