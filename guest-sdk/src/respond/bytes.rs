//! Bytes, with a type or without.

use std::borrow::Cow;

use super::IntoResponse;
use crate::body::Body;
use crate::openapi::Operation;
use crate::response::{Response, content_type};

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response {
        Response::with_section(content_type!("application/octet-stream"), self)
    }

    fn describe(operation: &mut Operation) {
        operation.success_of("application/octet-stream", None);
    }
}

impl IntoResponse for Body {
    fn into_response(self) -> Response {
        Response::with_section(content_type!("application/octet-stream"), self)
    }

    fn describe(operation: &mut Operation) {
        operation.success_of("application/octet-stream", None);
    }
}

/// Bytes of a type: `Bytes::new("image/png", include_bytes!("logo.png"))`.
#[derive(Debug)]
pub struct Bytes {
    content_type: Cow<'static, str>,
    body: Body,
}

impl Bytes {
    /// A body of this `content-type`. It may also be a stream.
    #[must_use]
    pub fn new(content_type: impl Into<Cow<'static, str>>, body: impl Into<Body>) -> Self {
        Bytes {
            content_type: content_type.into(),
            body: body.into(),
        }
    }
}

impl IntoResponse for Bytes {
    fn into_response(self) -> Response {
        Response::typed(&self.content_type, self.body)
    }

    fn describe(operation: &mut Operation) {
        operation.success_of("*/*", None);
    }
}
