//! Routes, and the app that they make up.
//!
//! Under Dunlin the host chooses the route and passes its number. Through
//! `wasi:http`, and in native tests, the app chooses by itself
//! ([`App::call`]), by the same templates.

mod app;
mod describe;
#[doc(hidden)]
pub mod router;
mod template;

pub use app::{App, assert_distinct};
pub use router::Router;
pub use template::Segment;
pub(crate) use template::{each_param, matches, precedence, same};

use futures::future::LocalBoxFuture;

use crate::middleware::Layers;
use crate::openapi::Operation;
use crate::request::Request;
use crate::response::Response;

/// A route: which requests a handler answers, and how it is called. The
/// attributes (`#[get("…")]` and so on) make it.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method, e.g. `GET`.
    pub method: &'static str,
    /// The template, e.g. `/items/{id}`.
    pub path: &'static str,
    /// The same, taken apart.
    pub segments: &'static [Segment],
    /// Where the host runs the handler.
    pub lane: Lane,
    /// What a request becomes.
    pub kind: Kind,
    /// The handler's name.
    pub name: &'static str,
    /// The first paragraph of the handler's documentation, or its name in
    /// words.
    pub summary: &'static str,
    /// The rest of the handler's documentation; often empty.
    pub description: &'static str,
    /// What groups it in the documentation.
    pub tags: &'static [&'static str],
    /// The status of an answer that does not name its own, if not 200.
    pub status: Option<u16>,
    /// Whether the documentation advises against it.
    pub deprecated: bool,
    /// Whether the documentation leaves it out.
    pub hidden: bool,
    /// Describes the arguments and the answer.
    pub operation: fn(&mut Operation),
    /// What stands around the handler; `call` goes through it.
    pub middleware: Layers,
    /// Takes the arguments off the request, and calls the handler.
    pub call: fn(Request) -> LocalBoxFuture<'static, Response>,
}

/// What a request becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It has its answer.
    Http,
    /// A WebSocket.
    WebSocket,
}

/// Where the host runs a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// `async fn`: with many others on an event loop; must not compute long.
    Async,
    /// `fn`: on a thread of its own while it runs; may compute.
    Blocking,
}

/// A handler: what the attributes implement for the type that they put beside
/// the function.
pub trait Handler {
    /// The handler's route.
    const ROUTE: Route;
}
