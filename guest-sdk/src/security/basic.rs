//! A name and a password.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bearer::credentials;
use super::{MISSING, describe, unauthorized};
use crate::error::HttpError;
use crate::extract::FromRequestParts;
use crate::openapi::Operation;
use crate::request::Parts;

/// The name and the password of `authorization: Basic …` (RFC 7617).
#[derive(Clone, PartialEq, Eq)]
pub struct Basic {
    /// The name; it holds no colon.
    pub username: String,
    /// The password.
    pub password: String,
}

const CHALLENGE: &str = "Basic realm=\"function\", charset=\"UTF-8\"";

impl Basic {
    /// The 401 for a name and a password that are not right. Browsers ask
    /// their user again.
    #[must_use]
    pub fn refused() -> HttpError {
        unauthorized(CHALLENGE, "Invalid credentials")
    }
}

/// Without the password: it must not get into a log.
impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Basic({:?}, …)", self.username)
    }
}

impl FromRequestParts for Basic {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, HttpError> {
        let encoded =
            credentials(parts, "basic").ok_or_else(|| unauthorized(CHALLENGE, MISSING))?;
        let text = STANDARD.decode(encoded).ok();
        let text = text.and_then(|text| String::from_utf8(text).ok());
        let pair = text.as_deref().and_then(|text| text.split_once(':'));
        let (username, password) = pair.ok_or_else(Basic::refused)?;
        Ok(Basic {
            username: username.to_owned(),
            password: password.to_owned(),
        })
    }

    fn describe(operation: &mut Operation) {
        describe(
            operation,
            "HTTPBasic",
            r#"{"type":"http","scheme":"basic"}"#,
        );
    }
}
