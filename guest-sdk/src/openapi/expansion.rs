//! What the attributes' expansions call, with types that only the compiler
//! knows.

use super::Operation;
use crate::extract::FromRequest;
use crate::respond::IntoResponse;

/// Describes a handler's last argument.
pub fn last_argument<T: FromRequest<Via>, Via>(operation: &mut Operation) {
    T::describe(operation);
}

/// Describes what a plain `fn` answers. It is not called.
pub fn answer<A, T: IntoResponse>(operation: &mut Operation, _: impl FnOnce(A) -> T) {
    T::describe(operation);
}

/// Describes what an `async fn` answers. It is not called.
pub fn future_answer<A, F>(operation: &mut Operation, _: impl FnOnce(A) -> F)
where
    F: Future<Output: IntoResponse>,
{
    F::Output::describe(operation);
}
