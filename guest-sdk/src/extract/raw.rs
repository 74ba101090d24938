//! Arguments that are what the request holds, as it is.

use std::convert::Infallible;

use http::{HeaderMap, Method, StatusCode};

use super::{FromRequest, FromRequestParts, Invalid, Problem, Rejection};
use crate::body::{Body, BodyError};
use crate::error::HttpError;
use crate::headers::Headers;
use crate::openapi::Operation;
use crate::request::{Parts, Request};

/// Why a body could not be read. As an answer: 400 when it ended early, 422
/// when it is not UTF-8.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BodyRejection(#[from] BodyError);

impl From<BodyRejection> for Rejection {
    fn from(rejection: BodyRejection) -> Self {
        match rejection.0 {
            BodyError::NotText(_) => Invalid::from(Problem::new(
                &["body"],
                "string_unicode",
                "Input should be a valid string, unable to parse raw data as a unicode string",
                "",
            ))
            .into(),
            BodyError::Cut(_) | BodyError::NotJson(_) => {
                HttpError::new(StatusCode::BAD_REQUEST, "The request body ended early").into()
            }
        }
    }
}

impl FromRequest for Request {
    type Rejection = Infallible;

    async fn from_request(request: Request) -> Result<Self, Infallible> {
        Ok(request)
    }
}

impl FromRequest for Body {
    type Rejection = Infallible;

    async fn from_request(request: Request) -> Result<Self, Infallible> {
        Ok(request.into_body())
    }

    fn describe(operation: &mut Operation) {
        operation.body("application/octet-stream", None);
        operation.optional_body();
    }
}

impl FromRequest for Vec<u8> {
    type Rejection = BodyRejection;

    async fn from_request(request: Request) -> Result<Self, BodyRejection> {
        Ok(request.into_body().bytes().await?)
    }

    fn describe(operation: &mut Operation) {
        operation.body("application/octet-stream", None);
        operation.optional_body();
    }
}

impl FromRequest for String {
    type Rejection = BodyRejection;

    async fn from_request(request: Request) -> Result<Self, BodyRejection> {
        Ok(request.into_body().text().await?)
    }

    fn describe(operation: &mut Operation) {
        let schema = operation.schema::<String>();
        operation.body("text/plain", Some(schema));
        operation.optional_body();
        operation.invalid();
    }
}

impl FromRequestParts for Parts {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        Ok(parts.clone())
    }
}

impl FromRequestParts for Headers {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        Ok(parts.headers().clone())
    }
}

impl FromRequestParts for HeaderMap {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        Ok(parts.headers().into())
    }
}

impl FromRequestParts for Method {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, HttpError> {
        Method::from_bytes(parts.method().as_bytes())
            .map_err(|_| HttpError::new(StatusCode::BAD_REQUEST, "The method is not valid"))
    }
}
