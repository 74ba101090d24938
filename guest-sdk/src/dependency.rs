//! Dependencies: what handlers need and do not want to put together themselves.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::extract::{FromRequestParts, Invalid, Rejection};
use crate::openapi::Operation;
use crate::platform;
use crate::request::Parts;
use crate::respond::IntoResponse;

/// A value that a handler depends on; it derefs to a `T`.
///
/// ```
/// use dunlin::prelude::*;
///
/// struct User {
///     name: String,
/// }
///
/// /// Who is asking.
/// #[dependency]
/// async fn current_user(headers: Headers) -> Result<User, HttpError> {
///     match headers.get("x-user") {
///         Some(name) => Ok(User { name: name.to_owned() }),
///         None => Err(HttpError::new(StatusCode::UNAUTHORIZED, "Who are you?")),
///     }
/// }
///
/// #[get("/me")]
/// async fn me(user: Dep<User>) -> String {
///     user.name.clone()
/// }
///
/// dunlin::app![me];
/// # fn main() {
/// # let client = dunlin::testing::TestClient::new(app());
/// # assert_eq!(client.get("/me").send().status(), 401);
/// # assert_eq!(client.get("/me").header("x-user", "ada").send().text(), "ada");
/// # }
/// ```
///
/// It is provided once in a request, however many ask for it: the handler,
/// other dependencies, middleware. What the provider's arguments ask of a
/// request stands in the route's documentation, and what is wrong with them in
/// its 422. Tests put values of their own in its place:
/// `TestClient::provide`.
#[derive(Debug)]
pub struct Dep<T: Dependency>(pub Rc<Provided<T>>);

/// A type that requests bring along; [`#[dependency]`](macro@crate::dependency)
/// implements it for what a function answers.
#[diagnostic::on_unimplemented(
    message = "nothing provides `{Self}`",
    label = "not a dependency",
    note = "write `#[dependency]` above a function that answers it, or implement `Dependency` for it"
)]
pub trait Dependency: Sized + 'static {
    /// What to answer when it cannot be provided, as in [`FromRequestParts`].
    type Rejection: Into<Rejection>;

    /// Makes the value for a request.
    fn provide(parts: &mut Parts) -> impl Future<Output = Result<Self, Self::Rejection>>;

    /// Puts the value away when nobody holds it any more: after the handler
    /// has returned, and after the answer's body where that holds a [`Dep`]. It
    /// runs beside or after the sending of the answer, like
    /// [`spawn`](crate::spawn)ed work, and also if the handler failed.
    ///
    /// Default: the value is dropped.
    fn teardown(self) -> impl Future<Output = ()> + 'static {
        Nothing
    }

    /// Says in the documentation what it asks of a request.
    fn describe(operation: &mut Operation) {
        let _ = operation;
    }
}

/// There is nothing to be done.
struct Nothing;

impl Future for Nothing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// The value inside a [`Dep`].
pub struct Provided<T: Dependency> {
    /// `None` only while it is dropped.
    value: Option<T>,
    /// Whether `T::provide` made it, and not a test.
    own: bool,
}

impl<T: Dependency> Deref for Provided<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
            .as_ref()
            .expect("only `drop` takes the value out")
    }
}

impl<T: Dependency> Drop for Provided<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take()
            && self.own
        {
            let teardown = value.teardown();
            // `Nothing` has no size; the future of an `async fn` always has.
            // So who tears nothing down contains nothing that would.
            if size_of_val(&teardown) > 0 {
                platform::spawn(teardown);
            }
        }
    }
}

impl<T: Dependency + fmt::Debug> fmt::Debug for Provided<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Dependency> Deref for Dep<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Dependency> Clone for Dep<T> {
    fn clone(&self) -> Self {
        Dep(Rc::clone(&self.0))
    }
}

impl<T: Dependency> FromRequestParts for Dep<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Rejection> {
        if let Some(known) = parts.extensions().get::<Provided<T>>() {
            return Ok(Dep(known));
        }
        if let Some(told) = parts.extensions().get::<Told<T>>() {
            return Err(told.invalid.clone().into());
        }
        match provide(parts).await {
            Ok(provided) => Ok(Dep(parts.extensions_mut().insert(provided))),
            Err(rejection) => {
                if let Rejection::Invalid(invalid) = &rejection {
                    parts.extensions_mut().insert(Told::<T> {
                        invalid: invalid.clone(),
                        provided: PhantomData,
                    });
                }
                Err(rejection)
            }
        }
    }

    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

/// What was wrong with the request when the value was asked for first.
struct Told<T> {
    invalid: Invalid,
    provided: PhantomData<T>,
}

async fn provide<T: Dependency>(parts: &mut Parts) -> Result<Provided<T>, Rejection> {
    #[cfg(not(target_arch = "wasm32"))]
    if let Some(value) = crate::testing::provided::<T>(parts).await {
        return Ok(Provided {
            value: Some(value?),
            own: false,
        });
    }
    let value = T::provide(parts).await.map_err(Into::into)?;
    Ok(Provided {
        value: Some(value),
        own: true,
    })
}

/// What a provider's error means to the request. One that is a list of
/// problems stays one.
pub fn rejection<E: IntoResponse + 'static>(error: E) -> Rejection {
    let mut error = Some(error);
    let any: &mut dyn Any = &mut error;
    if let Some(rejection) = any.downcast_mut::<Option<Rejection>>() {
        return rejection.take().expect("was put in above");
    }
    if let Some(invalid) = any.downcast_mut::<Option<Invalid>>() {
        return invalid.take().expect("was put in above").into();
    }
    error.expect("was put in above").into_response().into()
}
