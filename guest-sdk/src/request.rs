//! A request, whole or in parts.

use http::Method;

use crate::body::Body;
use crate::extensions::Extensions;
use crate::headers::Headers;
use crate::routing::Segment;

/// A request. A handler that takes it gets everything, unread.
#[derive(Debug)]
pub struct Request {
    parts: Parts,
    body: Body,
}

/// A request's head: all but the body.
#[derive(Debug, Clone)]
pub struct Parts {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Headers,
    /// The template of the route that answers; empty until one is chosen.
    pub(crate) segments: &'static [Segment],
    pub(crate) extensions: Extensions,
}

impl Request {
    /// A request to `target`, path and query, for tests.
    #[must_use]
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        Request::assemble(
            method.as_str().to_owned(),
            target.into(),
            Headers::new(),
            Body::empty(),
        )
    }

    /// A `GET` request to `target`, path and query, for tests.
    #[must_use]
    pub fn get(target: impl Into<String>) -> Self {
        Request::new(Method::GET, target)
    }

    /// A `POST` request to `target`, path and query, for tests.
    #[must_use]
    pub fn post(target: impl Into<String>) -> Self {
        Request::new(Method::POST, target)
    }

    /// The same request with one more header field.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.parts.headers.append(name, value);
        self
    }

    /// The same request with this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// The same request with `json` as its body, and the matching
    /// `content-type`.
    #[must_use]
    pub fn with_json(self, json: impl Into<String>) -> Self {
        self.with_header("content-type", "application/json")
            .with_body(json.into())
    }

    pub(crate) fn assemble(method: String, target: String, headers: Headers, body: Body) -> Self {
        Request {
            parts: Parts {
                method,
                target,
                headers,
                segments: &[],
                extensions: Extensions::default(),
            },
            body,
        }
    }

    pub(crate) fn for_route(mut self, segments: &'static [Segment]) -> Self {
        self.parts.segments = segments;
        self
    }

    /// The method, e.g. `GET`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.parts.method()
    }

    /// Path and query, below the function's mount.
    #[must_use]
    pub fn target(&self) -> &str {
        self.parts.target()
    }

    /// The path, still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.parts.path()
    }

    /// The query, still encoded, without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.parts.query()
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        self.parts.headers()
    }

    /// The header fields, to change them before the handler sees them.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.parts.headers
    }

    /// What middleware and dependencies noted about the request.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        self.parts.extensions()
    }

    /// The same, to note something.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        self.parts.extensions_mut()
    }

    /// The body; taking it leaves an empty one.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The head, for extractors.
    pub fn parts_mut(&mut self) -> &mut Parts {
        &mut self.parts
    }

    /// The body alone.
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }

    /// Head and body.
    #[must_use]
    pub fn into_parts(self) -> (Parts, Body) {
        (self.parts, self.body)
    }
}

impl Parts {
    /// The method, e.g. `GET`.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Path and query, below the function's mount.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path, still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The query, still encoded, without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// What middleware and dependencies noted for those that come later.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The same, to note more.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }
}
