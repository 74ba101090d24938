//! Tokens that whoever bears them may use.

use std::fmt;
use std::marker::PhantomData;

use super::{MISSING, describe, unauthorized};
use crate::error::HttpError;
use crate::extract::FromRequestParts;
use crate::json::{push, push_string};
use crate::openapi::Operation;
use crate::request::Parts;

/// The token of `authorization: Bearer …` (RFC 6750).
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(pub String);

impl Bearer {
    /// The 401 for a token that is not, or no longer, right.
    #[must_use]
    pub fn refused() -> HttpError {
        unauthorized("Bearer error=\"invalid_token\"", "Invalid token")
    }

    fn of(parts: &Parts) -> Result<String, HttpError> {
        credentials(parts, "bearer")
            .filter(|token| !token.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| unauthorized("Bearer", MISSING))
    }
}

/// What follows the scheme's name in `authorization`.
pub(super) fn credentials<'p>(parts: &'p Parts, scheme: &str) -> Option<&'p str> {
    let (name, rest) = parts.headers().get("authorization")?.split_once(' ')?;
    name.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// Without the token: it must not get into a log.
impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

impl FromRequestParts for Bearer {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, HttpError> {
        Bearer::of(parts).map(Bearer)
    }

    fn describe(operation: &mut Operation) {
        describe(
            operation,
            "HTTPBearer",
            r#"{"type":"http","scheme":"bearer"}"#,
        );
    }
}

/// Where an [`OAuth2`] token comes from.
pub trait OAuth2Scheme {
    /// The path of the route, or the URL, that gives a token for a name and a
    /// password, e.g. `token`. A path is relative to the function's mount.
    const TOKEN_URL: &'static str;
}

/// A [`Bearer`] token that one of the API's own routes gives out for a name and
/// a password (OAuth 2's password flow): the documentation's page can log in.
///
/// ```
/// use dunlin::prelude::*;
/// use dunlin::security::{OAuth2, OAuth2Scheme};
///
/// struct Login;
///
/// impl OAuth2Scheme for Login {
///     const TOKEN_URL: &'static str = "token";
/// }
///
/// #[get("/items")]
/// async fn items(token: OAuth2<Login>) -> String {
///     token.token.clone()
/// }
/// # fn main() {}
/// ```
pub struct OAuth2<S> {
    /// The token.
    pub token: String,
    scheme: PhantomData<S>,
}

impl<S> fmt::Debug for OAuth2<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuth2(…)")
    }
}

impl<S: OAuth2Scheme> FromRequestParts for OAuth2<S> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, HttpError> {
        Ok(OAuth2 {
            token: Bearer::of(parts)?,
            scheme: PhantomData,
        })
    }

    fn describe(operation: &mut Operation) {
        let mut scheme = String::from(
            "{\"type\":\"oauth2\",\"flows\":{\"password\":{\"scopes\":{},\"tokenUrl\":",
        );
        push_string(&mut scheme, S::TOKEN_URL);
        push(&mut scheme, "}}}");
        describe(operation, "OAuth2PasswordBearer", &scheme);
    }
}
