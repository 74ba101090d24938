//! What a request must bring, though no handler takes it.

use std::fmt;
use std::marker::PhantomData;

use super::{Middleware, Next};
use crate::extract::{FromRequestParts, Rejection};
use crate::openapi::Operation;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// Middleware that lets only those requests pass from which a `T` can be taken; mostly a
/// [`Dep`](crate::Dep). Routes write it shorter:
///
/// ```
/// use dunlin::middleware::require;
/// use dunlin::prelude::*;
///
/// struct Admin;
///
/// #[dependency]
/// async fn admin(headers: Headers) -> Result<Admin, HttpError> {
///     match headers.get("x-token") {
///         Some("secret") => Ok(Admin),
///         _ => Err(HttpError::new(StatusCode::FORBIDDEN, "Not for you")),
///     }
/// }
///
/// #[get("/users", dependencies = [Dep<Admin>])]
/// async fn users() -> &'static str { "ada" }
///
/// dunlin::app! {
///     routes: [users],
///     // For every route:
///     middleware: [require::<Dep<Admin>>()],
/// }
/// # fn main() {
/// # let client = dunlin::testing::TestClient::new(app());
/// # assert_eq!(client.get("/users").send().status(), 403);
/// # assert_eq!(client.get("/users").header("x-token", "secret").send().text(), "ada");
/// # }
/// ```
#[must_use]
pub const fn require<T: FromRequestParts>() -> Require<T> {
    Require(PhantomData)
}

/// What [`require`] answers.
pub struct Require<T>(PhantomData<fn() -> T>);

impl<T> fmt::Debug for Require<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Require<{}>", std::any::type_name::<T>())
    }
}

impl<T: FromRequestParts> Middleware for Require<T> {
    async fn handle(&self, mut request: Request, next: Next) -> Response {
        match T::from_request_parts(request.parts_mut()).await {
            Ok(_) => next.run(request).await,
            Err(rejection) => {
                let rejection: Rejection = rejection.into();
                rejection.into_response()
            }
        }
    }

    fn describe(&self, operation: &mut Operation) {
        T::describe(operation);
    }
}
