//! Header fields and cookies, as models.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use super::query::{grouped, read_groups};
use super::{FromRequestParts, Invalid};
use crate::model::Model;
use crate::openapi::{Operation, Place};
use crate::request::Parts;

/// Header fields, as a struct.
///
/// ```
/// # use dunlin::prelude::*;
/// use dunlin::extract::Header;
///
/// #[model]
/// #[serde(rename_all = "kebab-case")]
/// struct Common {
///     user_agent: Option<String>,
///     #[field(ge = 1)]
///     x_api_version: u32,
/// }
///
/// #[get("/")]
/// async fn read(Header(common): Header<Common>) -> String {
///     format!("{:?} speaks version {}", common.user_agent, common.x_api_version)
/// }
/// ```
///
/// Names are in lower case with hyphens, hence the `rename_all`. A `Vec` takes
/// all fields of a name, anything else the last. What is missing or wrong is a
/// 422 at `["header", name]`. For one field, `#[header] user_agent:
/// Option<String>` as an argument does the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<T>(pub T);

impl<T: DeserializeOwned + Model> FromRequestParts for Header<T> {
    type Rejection = Invalid;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Invalid> {
        let fields = parts.headers().iter();
        let fields = fields.map(|(name, value)| (Cow::from(name), String::from_utf8_lossy(value)));
        read_groups("header", &grouped(fields.collect())).map(Header)
    }

    fn describe(operation: &mut Operation) {
        operation.parameters::<T>(Place::Header);
        operation.invalid();
    }
}

/// What the request's cookies are, by name.
pub(crate) fn cookies(parts: &Parts) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let fields = parts.headers().get_all("cookie");
    let pairs = fields.flat_map(|field| field.split(|byte| *byte == b';'));
    pairs.filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        // RFC 6265, section 4.1.1: a value may stand in quotes.
        let inner = value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""));
        let text = String::from_utf8_lossy;
        Some((text(name), text(inner.unwrap_or(value))))
    })
}

/// Cookies, as a struct whose fields have their names.
///
/// What is missing or wrong is a 422 at `["cookie", name]`. For one cookie,
/// `#[cookie] session: Option<String>` as an argument does the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie<T>(pub T);

impl<T: DeserializeOwned + Model> FromRequestParts for Cookie<T> {
    type Rejection = Invalid;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Invalid> {
        let pairs = cookies(parts).collect();
        read_groups("cookie", &grouped(pairs)).map(Cookie)
    }

    fn describe(operation: &mut Operation) {
        operation.parameters::<T>(Place::Cookie);
        operation.invalid();
    }
}
