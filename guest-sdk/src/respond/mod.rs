//! What a handler may answer.

mod bytes;
mod cookie;
mod file;
mod headers;
mod json;
mod redirect;
mod sse;
mod stream;
mod text;

pub use bytes::Bytes;
pub use cookie::SetCookie;
pub use file::File;
pub use headers::IntoHeaders;
pub use redirect::Redirect;
pub use sse::{AsEvent, Event, Sse};
pub use stream::{AsJson, AsText, JsonLines, StreamItem, TextStream};
pub use text::Html;

use std::convert::Infallible;

use http::StatusCode;

use crate::error::HttpError;
use crate::openapi::Operation;
use crate::response::Response;

/// What a handler may answer.
///
/// | type | status | `content-type` |
/// |---|---|---|
/// | `Json<T>` | 200 | `application/json` |
/// | `String`, `&'static str` | 200 | `text/plain; charset=utf-8` |
/// | [`Html<T>`] | 200 | `text/html; charset=utf-8` |
/// | `Vec<u8>`, [`Body`](crate::Body) | 200 | `application/octet-stream` |
/// | [`Bytes`] | 200 | as it says |
/// | [`File`] | 200 | by its name |
/// | [`JsonLines<S>`] | 200 | `application/x-ndjson` |
/// | [`TextStream<S>`] | 200 | `text/plain; charset=utf-8` |
/// | [`Sse<S>`] | 200 | `text/event-stream` |
/// | [`Redirect`] | 303, 307, 308 | none |
/// | `()` | 204 | none |
/// | [`StatusCode`] | itself | none |
/// | `(StatusCode, T)` | itself | that of `T` |
/// | `(headers, T)`, `(StatusCode, headers, T)` | that of `T`, itself | that of `T`, unless `headers` sets it |
/// | `Option<T>` | `None`: 404 | |
/// | `Result<T, E>` | that of `T` or `E` | |
/// | [`HttpError`] | its own | `application/json` |
/// | an enum with [`ErrorResponse`](macro@crate::ErrorResponse) | that of its variant | `application/json` |
/// | [`Error`](crate::Error) | 500, and a log line | `application/json` |
///
/// `headers` are a [`Headers`](crate::Headers), a [`HeaderMap`](http::HeaderMap),
/// a [`SetCookie`] or several in an array, or an array of pairs, such as
/// `[("cache-control", "no-store")]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an answer",
    label = "the handler answers this",
    note = "answers are `Json<T>` (with `T: Serialize`), `String`, `&'static str`, `Html<T>`, `Vec<u8>`, `Body`, `Bytes`, `File`, `Redirect`, `JsonLines<S>`, `Sse<S>`, `()`, `StatusCode`, `(StatusCode, T)`, `Option<T>`, `Result<T, E>` of two answers, enums with `#[derive(ErrorResponse)]`, `dunlin::Error`, and what implements `IntoResponse`"
)]
pub trait IntoResponse {
    /// The response that goes out.
    fn into_response(self) -> Response;

    /// Tells the API's documentation what it answers: if left out, that nothing
    /// is known.
    fn describe(operation: &mut Operation) {
        let _ = operation;
    }
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for Infallible {
    fn into_response(self) -> Response {
        match self {}
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }

    fn describe(operation: &mut Operation) {
        let status = operation.route().status.unwrap_or(204);
        operation.answer(status, "Successful Response", None);
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        Response::default().with_status(self)
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(answer) => answer.into_response(),
            Err(error) => error.into_response(),
        }
    }

    fn describe(operation: &mut Operation) {
        T::describe(operation);
        E::describe(operation);
    }
}

/// `None` is a 404.
impl<T: IntoResponse> IntoResponse for Option<T> {
    fn into_response(self) -> Response {
        match self {
            Some(answer) => answer.into_response(),
            None => HttpError::new(StatusCode::NOT_FOUND, "Not Found").into_response(),
        }
    }

    fn describe(operation: &mut Operation) {
        T::describe(operation);
        operation.http_error(Some(404), "Not Found");
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
    }

    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

impl<H: IntoHeaders, T: IntoResponse> IntoResponse for (H, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        self.0.add_to(&mut response.headers);
        response
    }

    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

impl<H: IntoHeaders, T: IntoResponse> IntoResponse for (StatusCode, H, T) {
    fn into_response(self) -> Response {
        (self.1, self.2).into_response().with_status(self.0)
    }

    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::extract::Json;
    use crate::testing::block_on;

    fn answer(response: impl IntoResponse) -> (u16, Option<String>, String) {
        let response = response.into_response();
        let status = response.status().as_u16();
        let content_type = response.headers().get("content-type").map(str::to_owned);
        (status, content_type, block_on(response.text()).unwrap())
    }

    #[test]
    fn the_table() {
        let text = Some("text/plain; charset=utf-8".to_owned());
        let json = Some("application/json".to_owned());
        assert_eq!(answer("a"), (200, text.clone(), "a".into()));
        assert_eq!(answer(()), (204, None, String::new()));
        assert_eq!(answer(StatusCode::ACCEPTED), (202, None, String::new()));
        assert_eq!(
            answer((StatusCode::CREATED, "a")),
            (201, text.clone(), "a".into())
        );
        assert_eq!(answer(Json([1, 2])), (200, json.clone(), "[1,2]".into()));
        assert_eq!(
            answer(None::<&str>),
            (404, json, r#"{"detail":"Not Found"}"#.into())
        );
        assert_eq!(answer(Ok::<_, Error>("a")), (200, text, "a".into()));
        let html = Some("text/html; charset=utf-8".to_owned());
        assert_eq!(answer(Html("<p>")), (200, html, "<p>".into()));
    }

    #[test]
    fn headers_beside_an_answer_replace_its_own() {
        let fields = [
            ("content-type", "text/csv"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ];
        let response = (StatusCode::CREATED, fields, "x,y").into_response();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers().get_all("content-type").count(), 1);
        assert_eq!(response.headers().get("content-type"), Some("text/csv"));
        assert_eq!(response.headers().get_all("set-cookie").count(), 2);
    }
}
