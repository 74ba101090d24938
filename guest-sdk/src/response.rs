//! A response: a handler's answer, or what a [`fetch`](crate::fetch) got.

use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::body::{Body, BodyError};
use crate::headers::Headers;

/// A header section of nothing but a `content-type`.
macro_rules! content_type {
    ($value:literal) => {
        concat!("content-type: ", $value, "\r\n")
    };
}
pub(crate) use content_type;

/// A response: status, header fields and body.
///
/// It is what a handler answers and what [`fetch`](crate::fetch) gets, so
/// passing an upstream's answer on is returning it.
#[derive(Debug, Default)]
pub struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: Headers,
    pub(crate) body: Body,
}

impl Response {
    /// `200 OK` with this body and no header field; see
    /// [`IntoResponse`](crate::IntoResponse) for answers that set
    /// `content-type`.
    #[must_use]
    pub fn new(body: impl Into<Body>) -> Self {
        Response {
            status: StatusCode::OK,
            headers: Headers::new(),
            body: body.into(),
        }
    }

    /// `200 OK` with a header section that needs no looking at.
    pub(crate) fn with_section(section: &'static str, body: impl Into<Body>) -> Self {
        let mut response = Response::new(body);
        response.headers = Headers::from_static(section);
        response
    }

    /// `200 OK` with a `content-type`.
    pub(crate) fn typed(content_type: &str, body: impl Into<Body>) -> Self {
        let mut response = Response::new(body);
        let type_of = content_type.as_bytes();
        response.headers.push("content-type", type_of);
        response
    }

    /// The same response with this status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same response, with this status if it has that of any success.
    #[doc(hidden)]
    #[must_use]
    pub fn with_success_status(mut self, status: u16) -> Self {
        if matches!(self.status, StatusCode::OK | StatusCode::NO_CONTENT)
            && let Ok(status) = StatusCode::from_u16(status)
        {
            self.status = status;
        }
        self
    }

    /// The same response with this header field, in place of all of that name.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The header fields, to change them.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body, to read it as it comes.
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }

    /// The whole body.
    ///
    /// # Errors
    /// If it ends early.
    pub async fn bytes(self) -> Result<Vec<u8>, BodyError> {
        self.body.bytes().await
    }

    /// The whole body as text.
    ///
    /// # Errors
    /// If it ends early or is not UTF-8.
    pub async fn text(self) -> Result<String, BodyError> {
        self.body.text().await
    }

    /// The whole body, parsed as JSON; its `content-type` is not looked at.
    ///
    /// # Errors
    /// If it ends early or is not the JSON of a `T`.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, BodyError> {
        Ok(serde_json::from_slice(&self.body.bytes().await?)?)
    }
}
