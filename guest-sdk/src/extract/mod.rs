//! What a handler may take.
//!
//! | argument | is |
//! |---|---|
//! | `id: T` | a parameter of the path, `{id}` |
//! | `#[query] limit: T`, `#[header] …`, `#[cookie] …` | a value of the query, a header field or a cookie; rules in parentheses, as in `#[query(le = 100, default = 10)]` |
//! | [`Path<T>`] | the path's parameters: one value, a tuple, or a struct |
//! | [`Query<T>`] | the query, as a struct; `Option`, `Vec` and serde's defaults do what they say |
//! | [`Header<T>`], [`Cookie<T>`] | header fields and cookies, as a struct |
//! | [`Headers`](crate::Headers), [`HeaderMap`](http::HeaderMap), [`Method`](http::Method) | from the head |
//! | [`LastEventId`] | where a client of server-sent events left off |
//! | [`Json<T>`] | the body, parsed; needs `content-type: application/json` |
//! | [`Form<T>`] | the body, an HTML form |
//! | [`MultipartForm<T>`] | the body, a form with files, as a struct: each an [`UploadFile`] |
//! | [`Multipart`] | the same, field by field while it comes in |
//! | `String`, `Vec<u8>` | the body, whole |
//! | [`Body`](crate::Body) | the body, as it comes in |
//! | [`Request`] | everything |
//! | `Result<T, T::Rejection>` | any of these; the handler answers when it fails |
//!
//! Those that take the body ([`FromRequest`]) stand last, and there is at most
//! one; all others are [`FromRequestParts`]. Both traits are for you to
//! implement too.
//!
//! What is wrong with a request is told in one answer: a 422 whose body lists
//! every [`Problem`], in the form that FastAPI's clients know.

pub(crate) mod collect;
mod form;
mod header;
mod input;
mod json;
mod json_value;
mod last_event_id;
mod multipart;
mod multipart_form;
mod path;
mod problem;
mod query;
mod raw;
mod stand_in;
mod text;
mod upload_file;

pub use form::{Form, FormRejection};
pub(crate) use header::cookies;
pub use header::{Cookie, Header};
pub(crate) use input::At;
pub use json::{Json, JsonRejection};
pub use last_event_id::LastEventId;
pub use multipart::{Field, Multipart};
pub use multipart_form::MultipartForm;
pub use path::Path;
pub use problem::{Invalid, Problem, Rejection};
pub use query::Query;
pub use raw::BodyRejection;
pub use upload_file::UploadFile;

use crate::openapi::Operation;
use crate::request::{Parts, Request};

/// An argument that is read off a request's head.
///
/// ```
/// use dunlin::extract::FromRequestParts;
/// use dunlin::prelude::*;
///
/// struct Token(String);
///
/// impl FromRequestParts for Token {
///     type Rejection = HttpError;
///
///     async fn from_request_parts(parts: &mut dunlin::Parts) -> Result<Self, HttpError> {
///         match parts.headers().get("x-token") {
///             Some(token) => Ok(Token(token.to_owned())),
///             None => Err(HttpError::new(StatusCode::UNAUTHORIZED, "X-Token header missing")),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken here",
    label = "not read off a request's head",
    note = "if it takes the body (`Json<T>`, `String`, `Vec<u8>`, `Body`, `Request`): it must be the last argument, and there can be only one such",
    note = "if it is a type of your own: take it inside `Path<T>` or `Query<T>`, or implement `FromRequestParts` for it"
)]
pub trait FromRequestParts: Sized {
    /// What to answer when it cannot be read: an [`Invalid`] is listed
    /// together with other problems of the request, anything else is the
    /// whole answer.
    type Rejection: Into<Rejection>;

    /// Reads it.
    fn from_request_parts(parts: &mut Parts)
    -> impl Future<Output = Result<Self, Self::Rejection>>;

    /// Tells the API's documentation what it reads: nothing, if left out.
    fn describe(operation: &mut Operation) {
        let _ = operation;
    }
}

/// An argument that takes the whole request, body included; the last one.
///
/// `Via` tells the two ways apart in which a type can be an argument; leave it
/// out when you implement the trait.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a handler's argument",
    label = "not read off a request",
    note = "arguments are `Path<T>`, `Query<T>`, `Header<T>`, `Cookie<T>` and `Json<T>` (`T` is a type with `#[model]`), `Headers`, `HeaderMap`, `Method`, `String`, `Vec<u8>`, `Body`, `Request`, and what implements `FromRequestParts` or `FromRequest`"
)]
pub trait FromRequest<Via = ViaRequest>: Sized {
    /// What to answer when it cannot be read; as in [`FromRequestParts`].
    type Rejection: Into<Rejection>;

    /// Reads it.
    fn from_request(request: Request) -> impl Future<Output = Result<Self, Self::Rejection>>;

    /// Tells the API's documentation what it reads: nothing, if left out.
    fn describe(operation: &mut Operation) {
        let _ = operation;
    }
}

/// Marks arguments that need the body.
#[derive(Debug)]
pub enum ViaRequest {}

/// Marks arguments that need only the head.
#[derive(Debug)]
pub enum ViaParts {}

impl<T: FromRequestParts> FromRequest<ViaParts> for T {
    type Rejection = T::Rejection;

    async fn from_request(mut request: Request) -> Result<Self, Self::Rejection> {
        T::from_request_parts(request.parts_mut()).await
    }

    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

impl<T: FromRequestParts> FromRequestParts for Result<T, T::Rejection> {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Self::Rejection> {
        Ok(T::from_request_parts(parts).await)
    }

    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

impl<T: FromRequest<ViaRequest>> FromRequest<ViaRequest> for Result<T, T::Rejection> {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request) -> Result<Self, Self::Rejection> {
        Ok(T::from_request(request).await)
    }

    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}
