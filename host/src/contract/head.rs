//! The head of a request on its way to a function.

use super::{Body, StreamBody};
use http::header::{HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Request, request};
use std::borrow::Cow;

/// The head of a request on its way to a function: as it came in, with what the
/// host has to say about it kept apart. A function of our contract then costs
/// no rewriting, neither of the target nor of the header map.
#[derive(Clone, Debug)]
pub struct Head {
    /// As it came, without the fields that [`Self::added`] speaks for.
    pub parts: request::Parts,
    /// The host's own fields.
    pub added: Vec<(HeaderName, HeaderValue)>,
    /// Length of the path's beginning that names the function, in bytes.
    pub mount_len: usize,
    /// What the caller speaks.
    pub scheme: Scheme,
    /// Whom the request addresses, for standard components.
    pub authority: Option<Authority>,
}

impl Head {
    /// Path and query below the mount; never empty.
    pub fn target(&self) -> Cow<'_, str> {
        let whole = self
            .parts
            .uri
            .path_and_query()
            .map_or("/", PathAndQuery::as_str);
        match whole.get(self.mount_len..) {
            Some(target) if target.starts_with('/') => Cow::Borrowed(target),
            Some(query) => Cow::Owned(format!("/{query}")),
            None => Cow::Borrowed("/"),
        }
    }

    /// The request as `wasi:http` takes it: the host's fields among the others,
    /// the target below the mount, with scheme and authority.
    pub fn into_standard(mut self, body: Body) -> Request<StreamBody> {
        let target = PathAndQuery::try_from(self.target().as_ref());
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some(target.expect("what is left of a valid target is one"));
        if self.authority.is_some() {
            uri.authority = self.authority;
            uri.scheme = Some(self.scheme);
        }
        self.parts.uri =
            Uri::from_parts(uri).expect("scheme and authority stand together or not at all");
        self.parts.headers.extend(self.added);
        Request::from_parts(self.parts, body.into_stream())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, mount_len: usize) -> Head {
        let request = Request::builder()
            .uri(uri)
            .header("a", "b")
            .body(())
            .unwrap();
        Head {
            parts: request.into_parts().0,
            added: vec![(
                HeaderName::from_static("x-request-id"),
                HeaderValue::from_static("7"),
            )],
            mount_len,
            scheme: Scheme::HTTP,
            authority: Some(Authority::from_static("example.com")),
        }
    }

    #[test]
    fn the_target_is_below_the_mount() {
        assert_eq!(head("/shop/cart?a=1", 5).target(), "/cart?a=1");
        assert_eq!(head("/shop?a=1", 5).target(), "/?a=1");
        assert_eq!(head("/shop", 5).target(), "/");
        assert_eq!(head("/cart", 0).target(), "/cart");
        assert_eq!(head("http://example.com/shop/cart", 5).target(), "/cart");
    }

    #[test]
    fn a_standard_component_gets_one_plain_request() {
        let request = head("/shop/cart", 5).into_standard(Body::EMPTY);
        assert_eq!(request.uri(), "http://example.com/cart");
        assert_eq!(request.headers()["x-request-id"], "7");
        assert_eq!(request.headers()["a"], "b");
    }
}
