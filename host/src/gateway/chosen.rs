//! The version that a caller has a say in: the same one for the same key, or
//! any one for who deploys.

use super::error::GatewayError;
use super::request::Gateway;
use crate::arriving::Arriving;
use crate::names::VersionId;
use crate::registry::on_disk;
use crate::routing::{Found, Ready};
use http::Request;
use http::header::{self, HeaderMap, HeaderName};
use std::sync::Arc;

/// Names a version by its number.
pub(super) const VERSION: HeaderName = HeaderName::from_static("dunlin-version");

/// The token that allows it.
pub(super) const TOKEN: HeaderName = HeaderName::from_static("dunlin-token");

/// Requests with the same key go to the same version. Also a cookie's name.
const VERSION_KEY: HeaderName = HeaderName::from_static("dunlin-version-key");

/// Whether the caller wants one version and no other.
pub(super) fn names_version(headers: &HeaderMap) -> bool {
    headers.contains_key(VERSION)
}

/// What keeps a caller with one version: the header, or else the cookie.
pub(super) fn key(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get(VERSION_KEY) {
        return Some(key.as_bytes());
    }
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = cookies.flat_map(|it| it.as_bytes().split(|byte| *byte == b';'));
    pairs.find_map(|pair| {
        let value = pair
            .trim_ascii()
            .strip_prefix(VERSION_KEY.as_str().as_bytes())?;
        value.strip_prefix(b"=")
    })
}

impl Gateway {
    /// What answers for the version that the request names, if its token allows
    /// that. The version need not get traffic.
    pub(super) async fn chosen(
        &self,
        host: Option<&str>,
        request: &Request<Arriving>,
    ) -> Result<Found, GatewayError> {
        let headers = request.headers();
        let token = headers.get(TOKEN).map(|it| it.as_bytes().to_vec());
        let token = token.ok_or(GatewayError::VersionRefused)?;
        let registry = self.registry.clone();
        let allowed = {
            // One at a time: whoever tries tokens has no more of the database.
            let turn = self.checking.acquire().await;
            let _turn = turn.expect("the semaphore is never closed");
            on_disk(move || registry.opens(&token)).await?
        };
        if !allowed {
            return Err(GatewayError::VersionRefused);
        }
        let number = headers.get(VERSION).and_then(|it| it.to_str().ok());
        let number = number.and_then(|it| it.parse().ok());
        let number = number.ok_or(GatewayError::UnknownVersion)?;

        let (mount_len, function) = self.routes.function_at(host, request.uri())?;
        let version = match function.known(number) {
            Some(version) => version,
            None => {
                let id = VersionId::new(function.function().clone(), number);
                let registry = self.registry.clone();
                let version = on_disk(move || registry.store().version(&id)).await?;
                let version = version.ok_or(GatewayError::UnknownVersion)?;
                let ready = Ready::new(Arc::new(version));
                function.put_aside(ready.map_err(|_| GatewayError::UnknownVersion)?)
            }
        };
        Ok(version.find(request.method().as_str(), request.uri(), mount_len)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_header_or_a_cookie() {
        let key_of = |fields: &[(HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(name, value.parse().unwrap());
            }
            key(&headers).map(|key| String::from_utf8(key.to_vec()).unwrap())
        };
        let found = |key: &str| Some(key.to_owned());
        assert_eq!(key_of(&[]), None);
        assert_eq!(key_of(&[(VERSION_KEY, "a")]), found("a"));
        assert_eq!(
            key_of(&[(header::COOKIE, "x=1; dunlin-version-key=b;y=2")]),
            found("b")
        );
        assert_eq!(
            key_of(&[
                (header::COOKIE, "x=1"),
                (header::COOKIE, "dunlin-version-key=c"),
            ]),
            found("c")
        );
        assert_eq!(
            key_of(&[(header::COOKIE, "dunlin-version-key=c"), (VERSION_KEY, "a")]),
            found("a")
        );
        assert_eq!(
            key_of(&[(header::COOKIE, "dunlin-version-keys=d; e")]),
            None
        );
    }
}
