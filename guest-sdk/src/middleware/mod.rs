//! Code around handlers.
//!
//! ```
//! use dunlin::middleware::{Cors, Next};
//! use dunlin::prelude::*;
//! use dunlin::time::Instant;
//!
//! /// Says in a header how long the answer took.
//! async fn timing(request: Request, next: Next) -> Response {
//!     let start = Instant::now();
//!     let answer = next.run(request).await;
//!     let millis = start.elapsed().as_millis();
//!     answer.with_header("server-timing", format!("app;dur={millis}"))
//! }
//!
//! const CORS: Cors = Cors::origins(&["https://shop.example"]);
//!
//! #[get("/", middleware = [timing])]
//! async fn hello() -> &'static str { "Hello!" }
//!
//! dunlin::app! {
//!     routes: [hello],
//!     middleware: [CORS],
//! }
//! # fn main() {
//! # let client = dunlin::testing::TestClient::new(app());
//! # let answer = client.get("/").header("origin", "https://shop.example").send();
//! # assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
//! # assert!(answer.header("server-timing").is_some_and(|it| it.starts_with("app;dur=")));
//! # }
//! ```
//!
//! The first of a list is the outermost: it sees the request first and the
//! answer last. The app's stand around the routes' own. What a route's
//! middleware asks for is in [`extensions`](crate::Parts::extensions) later:
//! handlers, dependencies and middleware of one request share them.
//!
//! Middleware stands around handlers. What no handler sees, it does not see
//! either: a path that no route has, a body over the limit, a function that
//! crashed. The host answers those by itself.

mod around;
mod compress;
mod cors;
mod problem_details;
mod request_id;
mod require;

use std::fmt;

use futures::future::LocalBoxFuture;

pub use around::Around;
pub use compress::Compress;
pub use cors::Cors;
pub use problem_details::ProblemDetails;
pub use request_id::{RequestId, request_id};
pub use require::{Require, require};

use crate::openapi::Operation;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// What stands around handlers: an `async fn(Request, Next) -> Response` (or of
/// anything that is an answer), or a type of its own, as a constant.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no middleware",
    label = "not middleware",
    note = "write `async fn name(request: Request, next: Next) -> Response`, or implement `Middleware`"
)]
pub trait Middleware {
    /// Answers a request; usually with what `next.run(request)` answers.
    fn handle(&self, request: Request, next: Next) -> impl Future<Output = Response>;

    /// Whether `OPTIONS` requests are to reach it on every path, so that it
    /// can answer preflights as [`Cors`] does. Default: no.
    fn answers_preflights(&self) -> bool {
        false
    }

    /// Says in the documentation of each route what it asks for or answers.
    fn describe(&self, operation: &mut Operation) {
        let _ = operation;
    }
}

impl<F, A> Middleware for F
where
    F: Fn(Request, Next) -> A,
    A: Future<Output: IntoResponse>,
{
    async fn handle(&self, request: Request, next: Next) -> Response {
        self(request, next).await.into_response()
    }
}

/// Any [`Middleware`], as routes and apps list it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no middleware",
    label = "not middleware",
    note = "write `async fn name(request: Request, next: Next) -> Response`, or implement `Middleware`"
)]
pub trait Layer {
    /// [`Middleware::handle`].
    fn call(&'static self, request: Request, next: Next) -> LocalBoxFuture<'static, Response>;

    /// [`Middleware::answers_preflights`].
    fn wants_preflights(&self) -> bool;

    /// [`Middleware::describe`].
    fn describe_route(&self, operation: &mut Operation);
}

impl<M: Middleware> Layer for M {
    fn call(&'static self, request: Request, next: Next) -> LocalBoxFuture<'static, Response> {
        Box::pin(self.handle(request, next))
    }

    fn wants_preflights(&self) -> bool {
        self.answers_preflights()
    }

    fn describe_route(&self, operation: &mut Operation) {
        self.describe(operation);
    }
}

impl fmt::Debug for dyn Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("middleware")
    }
}

/// A list of middleware, the outermost first.
pub type Layers = &'static [&'static dyn Layer];

/// The handler, and the middleware that still stands around it.
#[derive(Debug)]
pub struct Next {
    layers: Layers,
    end: End,
}

/// What stands inside of all middleware.
pub(crate) type End = fn(Request) -> LocalBoxFuture<'static, Response>;

impl Next {
    /// All of these layers, then `end`; the attributes' expansions call it.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(layers: Layers, end: End) -> Self {
        Next { layers, end }
    }

    /// Answers the request.
    pub fn run(self, request: Request) -> LocalBoxFuture<'static, Response> {
        match self.layers.split_first() {
            Some((layer, layers)) => layer.call(
                request,
                Next {
                    layers,
                    end: self.end,
                },
            ),
            None => (self.end)(request),
        }
    }
}
