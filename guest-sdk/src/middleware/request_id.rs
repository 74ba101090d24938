//! One name for a request, in every log.

use std::collections::hash_map::RandomState;
use std::convert::Infallible;
use std::hash::{BuildHasher as _, Hasher as _};
use std::rc::Rc;

use super::Next;
use crate::extract::FromRequestParts;
use crate::request::{Parts, Request};
use crate::response::Response;

const NAME: &str = "x-request-id";

/// The request's id: as an argument, or for what is fetched on its behalf.
///
/// ```no_run
/// # use dunlin::prelude::*;
/// use dunlin::middleware::RequestId;
///
/// #[get("/")]
/// async fn relay(id: RequestId) -> Result<Response, Error> {
///     let upstream = dunlin::fetch::get("https://api.example.com/");
///     Ok(upstream.header("x-request-id", id.as_str()).send().await?)
/// }
/// # fn main() {}
/// ```
///
/// Dunlin gives every request one, in the header `x-request-id`: the caller's
/// if it is sound, else a new one. Where a host gives none, one is made up
/// here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Rc<str>);

impl RequestId {
    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(parts: &mut Parts) -> Self {
        if let Some(known) = parts.extensions().get::<RequestId>() {
            return (*known).clone();
        }
        let given = parts.headers().get(NAME);
        let is_sound =
            |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        let id = given.filter(is_sound).map_or_else(random, Rc::from);
        let id = RequestId(id);
        parts.extensions_mut().insert(id.clone());
        id
    }
}

/// 128 bits. The standard library seeds its maps with the host's random
/// numbers.
fn random() -> Rc<str> {
    let number = |salt: u8| {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u8(salt);
        hasher.finish()
    };
    format!("{:016x}{:016x}", number(0), number(1)).into()
}

impl FromRequestParts for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        Ok(RequestId::of(parts))
    }
}

/// Middleware that puts the request's id into the answer, as `x-request-id`.
/// Dunlin does so by itself; it is for other hosts of `wasi:http`.
pub async fn request_id(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.parts_mut());
    let answer = next.run(request).await;
    answer.with_header(NAME, id.as_str())
}
