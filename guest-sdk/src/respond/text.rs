//! Texts and pages.

use std::borrow::Cow;

use super::IntoResponse;
use crate::body::Body;
use crate::openapi::{Operation, Schema};
use crate::response::{Response, content_type};

/// The schema of a text.
pub(super) const TEXT: &str = "{\"type\":\"string\"}";

impl IntoResponse for &'static str {
    fn into_response(self) -> Response {
        Response::with_section(content_type!("text/plain; charset=utf-8"), self)
    }

    fn describe(operation: &mut Operation) {
        operation.success_of("text/plain", Some(Schema::text(TEXT)));
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::with_section(content_type!("text/plain; charset=utf-8"), self)
    }

    fn describe(operation: &mut Operation) {
        operation.success_of("text/plain", Some(Schema::text(TEXT)));
    }
}

impl IntoResponse for Cow<'static, str> {
    fn into_response(self) -> Response {
        self.into_owned().into_response()
    }

    fn describe(operation: &mut Operation) {
        String::describe(operation);
    }
}

/// An HTML page.
#[derive(Debug, Clone, Copy)]
pub struct Html<T>(pub T);

impl<T: Into<Body>> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        Response::with_section(content_type!("text/html; charset=utf-8"), self.0)
    }

    fn describe(operation: &mut Operation) {
        operation.success_of("text/html", Some(Schema::text(TEXT)));
    }
}
