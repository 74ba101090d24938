//! Who is asking: what a request proves it with, as arguments.
//!
//! ```
//! use dunlin::prelude::*;
//! use dunlin::security::{self, Bearer};
//!
//! struct User {
//!     name: String,
//! }
//!
//! #[dependency]
//! async fn current_user(token: Bearer) -> Result<User, HttpError> {
//!     if security::same(&token.0, dunlin::var("TOKEN").unwrap_or_default()) {
//!         Ok(User { name: "ada".into() })
//!     } else {
//!         Err(Bearer::refused())
//!     }
//! }
//!
//! #[get("/me")]
//! async fn me(user: Dep<User>) -> String {
//!     user.name.clone()
//! }
//! # dunlin::app![me];
//! # fn main() {
//! # let answer = dunlin::testing::TestClient::new(app()).get("/me").send();
//! # assert_eq!(answer.status(), 401);
//! # assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
//! # }
//! ```
//!
//! Each answers a request without it with a 401 and a `www-authenticate` that
//! says what is missing; a handler that takes a `Result<Bearer, HttpError>`
//! decides by itself. They only read: whether a token is right is the
//! function's to say, with [`same`] or a signature. Each is a security scheme
//! of the API's documentation, where the page has a button to log in with it.

mod api_key;
mod basic;
mod bearer;

pub use api_key::{ApiKey, KeyPlace, KeyScheme};
pub use basic::Basic;
pub use bearer::{Bearer, OAuth2, OAuth2Scheme};

use http::StatusCode;
use subtle::ConstantTimeEq as _;

use crate::error::HttpError;
use crate::openapi::Operation;

/// Whether two secrets are the same. How long it takes tells their length at
/// most, where `==` tells how far they agree.
#[must_use]
pub fn same(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> bool {
    a.as_ref().ct_eq(b.as_ref()).into()
}

/// A 401 with this challenge: what `www-authenticate` says.
#[must_use]
pub fn unauthorized(challenge: &str, detail: &str) -> HttpError {
    HttpError::new(StatusCode::UNAUTHORIZED, detail).with_header("www-authenticate", challenge)
}

const MISSING: &str = "Not authenticated";

/// The scheme, and the 401.
fn describe(operation: &mut Operation, name: &str, scheme: &str) {
    operation.security(name, scheme);
    operation.http_error(Some(401), MISSING);
}
