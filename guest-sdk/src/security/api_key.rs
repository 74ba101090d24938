//! A key that a caller was given.

use std::fmt;
use std::marker::PhantomData;

use super::{MISSING, describe, unauthorized};
use crate::error::HttpError;
use crate::extract::{FromRequestParts, cookies};
use crate::json::{push, push_string};
use crate::openapi::Operation;
use crate::request::Parts;

/// Where callers put their key.
pub trait KeyScheme {
    /// The part of the request.
    const PLACE: KeyPlace;
    /// The name of the header, the parameter or the cookie.
    const NAME: &'static str;
}

/// A part of a request that may hold a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlace {
    /// A header field.
    Header,
    /// A parameter of the query. It gets into logs and histories: prefer the
    /// others.
    Query,
    /// A cookie.
    Cookie,
}

/// A key in a header, the query or a cookie.
///
/// ```
/// use dunlin::prelude::*;
/// use dunlin::security::{ApiKey, KeyPlace, KeyScheme};
///
/// struct ShopKey;
///
/// impl KeyScheme for ShopKey {
///     const PLACE: KeyPlace = KeyPlace::Header;
///     const NAME: &'static str = "x-api-key";
/// }
///
/// #[get("/items")]
/// async fn items(key: ApiKey<ShopKey>) -> String {
///     key.key.clone()
/// }
///
/// dunlin::app![items];
/// # fn main() {
/// # let client = dunlin::testing::TestClient::new(app());
/// # assert_eq!(client.get("/items").send().status(), 401);
/// # assert_eq!(client.get("/items").header("x-api-key", "k").send().text(), "k");
/// # }
/// ```
pub struct ApiKey<S> {
    /// The key.
    pub key: String,
    scheme: PhantomData<S>,
}

/// Without the key: it must not get into a log.
impl<S> fmt::Debug for ApiKey<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl<S: KeyScheme> FromRequestParts for ApiKey<S> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, HttpError> {
        let key = match S::PLACE {
            KeyPlace::Header => parts.headers().get(S::NAME).map(str::to_owned),
            KeyPlace::Query => in_query(parts, S::NAME),
            KeyPlace::Cookie => in_cookies(parts, S::NAME),
        };
        match key.filter(|key| !key.is_empty()) {
            Some(key) => Ok(ApiKey {
                key,
                scheme: PhantomData,
            }),
            None => Err(unauthorized("ApiKey", MISSING)),
        }
    }

    fn describe(operation: &mut Operation) {
        let (id, place) = match S::PLACE {
            KeyPlace::Header => ("APIKeyHeader", "header"),
            KeyPlace::Query => ("APIKeyQuery", "query"),
            KeyPlace::Cookie => ("APIKeyCookie", "cookie"),
        };
        // An API may have several keys: each is a scheme of its own.
        let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let mut id = format!("{id}-");
        id.extend(S::NAME.chars().filter(allowed));
        let mut scheme = String::from("{\"type\":\"apiKey\",\"in\":");
        push_string(&mut scheme, place);
        push(&mut scheme, ",\"name\":");
        push_string(&mut scheme, S::NAME);
        scheme.push('}');
        describe(operation, &id, &scheme);
    }
}

fn in_query(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (_, key) = pairs.find(|(other, _)| other == name)?;
    Some(key.into_owned())
}

/// The last of the name, as [`Cookie`](crate::extract::Cookie) has it.
fn in_cookies(parts: &Parts, name: &str) -> Option<String> {
    let (_, key) = cookies(parts).filter(|(other, _)| other == name).last()?;
    Some(key.into_owned())
}
