//! Write functions for the Dunlin serverless host.
//!
//! ```
//! use dunlin::prelude::*;
//!
//! #[model]
//! struct Page {
//!     #[serde(default)]
//!     limit: Option<u32>,
//! }
//!
//! #[model]
//! struct Item {
//!     id: u32,
//!     limit: u32,
//! }
//!
//! /// Reads one item.
//! #[get("/items/{id}")]
//! async fn read_item(Path(id): Path<u32>, Query(page): Query<Page>) -> Json<Item> {
//!     Json(Item { id, limit: page.limit.unwrap_or(10) })
//! }
//!
//! dunlin::app![read_item];
//! # fn main() {
//! # let answer = dunlin::testing::block_on(app().call(Request::get("/items/7?limit=3")));
//! # assert_eq!(answer.status(), 200);
//! # }
//! ```
//!
//! - What a handler takes: [`extract`]. What it answers: [`IntoResponse`].
//! - An `async fn` runs on the host's async lane, with thousands of others at
//!   once; a plain `fn` runs on the blocking lane, where it may compute.
//! - While it waits: [`sleep`], [`timeout`], [`join!`], [`select!`], [`fetch`];
//!   what goes on after the answer: [`spawn`].
//! - The same app runs natively, in `cargo test`: [`testing`].
//!
//! The component that `cargo build --target wasm32-wasip2` makes also exports
//! `wasi:http/handler`, so it runs on other hosts too, as long as it does not
//! use [`fetch`], which only Dunlin provides.

// The attributes write `::dunlin::…`; this crate's own tests use them too.
extern crate self as dunlin;

#[cfg(any(
    test,
    all(
        target_arch = "wasm32",
        not(target_feature = "atomics"),
        feature = "allocator"
    )
))]
mod alloc;
pub mod body;
mod dependency;
mod env;
mod error;
mod extensions;
pub mod extract;
pub mod fetch;
mod headers;
mod json;
pub mod middleware;
pub mod model;
pub mod openapi;
mod request;
mod respond;
mod response;
pub mod routing;
pub mod security;
mod state;
pub mod time;
pub mod websocket;

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
use native as platform;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

#[cfg(target_arch = "wasm32")]
mod wasm;
#[cfg(target_arch = "wasm32")]
use wasm as platform;

// Without threads: it has no lock.
#[cfg(all(
    target_arch = "wasm32",
    not(target_feature = "atomics"),
    feature = "allocator"
))]
#[global_allocator]
static ALLOCATOR: alloc::Lists = alloc::Lists::new();

pub use body::Body;
pub use cookie;
pub use dependency::{Dep, Dependency, Provided};
pub use dunlin_macros::{
    ErrorResponse, delete, dependency, get, head, model, options, patch, post, put, websocket,
};
pub use env::{VarError, var};
pub use error::{Error, HttpError};
pub use extensions::Extensions;
pub use futures::future::{join_all, try_join_all};
pub use futures::{join, stream, try_join};
pub use headers::Headers;
pub use http;
pub use model::Model;
pub use request::{Parts, Request};
#[doc(hidden)]
pub use respond::{AsEvent, AsJson, AsText};
pub use respond::{
    Bytes, Event, File, Html, IntoHeaders, IntoResponse, JsonLines, Redirect, SetCookie, Sse,
    StreamItem, TextStream,
};
pub use response::Response;
pub use routing::{App, Router};
pub use state::State;
pub use time::{sleep, timeout};
pub use websocket::WebSocket;

// What the macros' expansions derive with, so that functions need not list them.
#[doc(hidden)]
pub use {schemars, serde};

/// Goes on with `work` after the response was sent.
///
/// It ends with its instance: where that serves one request at a time, after
/// the function's deadline at the latest. What it answers is lost: write a log
/// line if something went wrong.
pub fn spawn(work: impl Future<Output = ()> + 'static) {
    platform::spawn(work);
}

/// Waits for the first of several, and drops the others, which cancels them.
///
/// ```
/// # use std::time::Duration;
/// # async fn example() -> &'static str {
/// dunlin::select! {
///     text = fast() => text,
///     () = dunlin::sleep(Duration::from_secs(1)) => "nobody was fast",
/// }
/// # }
/// # async fn fast() -> &'static str { "fast" }
/// # assert_eq!(dunlin::testing::block_on(example()), "fast");
/// ```
///
/// It is tokio's macro, which explains patterns, `if` and `else`, `biased;` and
/// when a future may be dropped safely: `tokio::select!`.
#[macro_export]
macro_rules! select {
    ($($branches:tt)*) => {
        $crate::__private::select! { $($branches)* }
    };
}

/// What nearly every function uses.
pub mod prelude {
    pub use crate::extract::UploadFile;
    pub use crate::extract::{Form, Json, LastEventId, Multipart, MultipartForm, Path, Query};
    pub use crate::http::{HeaderMap, Method, StatusCode};
    pub use crate::{
        Body, Bytes, Dep, Error, ErrorResponse, Event, File, Headers, Html, HttpError,
        IntoResponse, JsonLines, Redirect, Request, Response, SetCookie, Sse, State, TextStream,
        WebSocket, delete, dependency, get, head, model, options, patch, post, put, websocket,
    };
}

/// What the macros' expansions name. Not for you: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use regex_lite::Regex;

    pub use crate::dependency::rejection;
    pub use crate::error::answer_of;
    pub use crate::extract::collect::Extraction;
    pub use crate::model::expansion::{Field, IsModel, IsNoModel};
    pub use crate::openapi::expansion::{answer, future_answer, last_argument};
    #[cfg(target_arch = "wasm32")]
    pub use crate::wasm::{Component, Root, bindings};
    pub use crate::websocket::Upgrade;
    pub use tokio::select;
    #[cfg(target_arch = "wasm32")]
    pub use wasip3;
}

/// Lists the app's routes, once, and makes the crate a component.
///
/// ```
/// # use dunlin::prelude::*;
/// #[get("/")]
/// async fn hello() -> &'static str { "Hello!" }
///
/// dunlin::app![hello];
/// # fn main() { assert_eq!(app().routes().len(), 1); }
/// ```
///
/// It stands at the crate's root, once, and takes the functions by path:
/// `app![hello, items::read, items::write]`. The longer form also says what the
/// API's documentation says of the whole, in this order; what is left out is
/// the crate's name, version and description:
///
/// ```
/// # use dunlin::prelude::*;
/// # #[get("/")]
/// # async fn hello() -> &'static str { "Hello!" }
/// dunlin::app! {
///     title: "Greetings",
///     version: "2.0",
///     description: "Says *hello*.",
///     routes: [hello],
///     middleware: [],
/// }
/// # fn main() {}
/// ```
///
/// Routes with a common prefix stand in a [`router!`]; `routers: [items::ROUTER]`
/// comes behind `routes`, or in place of them.
///
/// It defines `pub fn app() -> App`, through which tests call the app natively.
#[macro_export]
macro_rules! app {
    ($($route:path),* $(,)?) => {
        $crate::app! { routes: [$($route),*] }
    };
    (
        $(title: $title:expr,)?
        $(version: $version:expr,)?
        $(description: $description:expr,)?
        $(routes: [$($route:path),* $(,)?],)?
        routers: [$($router:expr),* $(,)?]
        $(, middleware: [$($middleware:expr),* $(,)?])? $(,)?
    ) => {
        $crate::__app! {
            [$($title)?] [$($version)?] [$($description)?] [$($($middleware),*)?]
            {
                const LISTS: &[&[$crate::routing::Route]] = &[
                    &[$($(<$route as $crate::routing::Handler>::ROUTE),*)?],
                    $($router.routes()),*
                ];
                const COUNT: usize = $crate::routing::router::routes_len(LISTS);
                &$crate::routing::router::routes::<COUNT>(LISTS)
            }
        }
    };
    (
        $(title: $title:expr,)?
        $(version: $version:expr,)?
        $(description: $description:expr,)?
        routes: [$($route:path),* $(,)?]
        $(, middleware: [$($middleware:expr),* $(,)?])? $(,)?
    ) => {
        $crate::__app! {
            [$($title)?] [$($version)?] [$($description)?] [$($($middleware),*)?]
            { &[$(<$route as $crate::routing::Handler>::ROUTE),*] }
        }
    };
    ($($_:tt)*) => {
        ::core::compile_error!(
            "write `app![hello, items::read]`, or, in this order, `app! { title: \"…\", \
             version: \"…\", description: \"…\", routes: […], routers: […], middleware: […] }`"
        );
    };
}

/// Gives routes a common prefix, common tags and middleware, in this order;
/// only `routes` is needed. The result is a constant [`Router`](routing::Router),
/// mostly of a module, which [`app!`] lists among its `routers`:
///
/// ```
/// # use dunlin::prelude::*;
/// mod items {
///     use dunlin::prelude::*;
///     use dunlin::routing::Router;
///
///     #[get("/")]
///     async fn list() -> &'static str { "all" }
///
///     #[get("/{id}")]
///     async fn read(id: u32) -> String { format!("item {id}") }
///
///     pub const ROUTER: Router = dunlin::router! {
///         prefix: "/items",
///         tags: ["items"],
///         routes: [list, read],
///         middleware: [],
///     };
/// }
///
/// dunlin::app! { routers: [items::ROUTER] }
/// # fn main() {
/// # let client = dunlin::testing::TestClient::native(app());
/// # assert_eq!(client.get("/items").send().text(), "all");
/// # assert_eq!(client.get("/items/7").send().text(), "item 7");
/// # }
/// ```
///
/// A route's path `/` is the prefix itself. The router's middleware stands
/// around that of its routes, and inside that of the app.
#[macro_export]
macro_rules! router {
    (
        $(prefix: $prefix:expr,)?
        $(tags: [$($tag:expr),* $(,)?],)?
        routes: [$($route:path),* $(,)?]
        $(, middleware: [$($middleware:expr),* $(,)?])? $(,)?
    ) => {{
        const PREFIX: &str = $crate::__first!($($prefix,)? "");
        const _: () = $crate::routing::router::assert_prefix(PREFIX);
        const TAGS: &[&str] = &[$($($tag),*)?];
        const LAYERS: $crate::middleware::Layers = &[$($(&$middleware),*)?];
        const ROUTES: &[$crate::routing::Route] = &[$({
            use $crate::routing::router as of;
            const OWN: $crate::routing::Route = <$route as $crate::routing::Handler>::ROUTE;
            const PATH: [u8; of::path_len(PREFIX, OWN.path)] = of::path(PREFIX, OWN.path);
            const SEGMENTS: [$crate::routing::Segment; of::segments_len(PREFIX, &OWN)] =
                of::segments(PREFIX, &OWN);
            const ALL_TAGS: [&str; TAGS.len() + OWN.tags.len()] = of::joined("", TAGS, OWN.tags);
            const ALL_LAYERS: [&dyn $crate::middleware::Layer; LAYERS.len() + OWN.middleware.len()] =
                of::joined(
                    &$crate::middleware::require::<$crate::Headers>(),
                    LAYERS,
                    OWN.middleware,
                );
            $crate::routing::Route {
                path: of::text(&PATH),
                segments: &SEGMENTS,
                tags: &ALL_TAGS,
                middleware: &ALL_LAYERS,
                call: if LAYERS.is_empty() {
                    OWN.call
                } else {
                    |request| $crate::middleware::Next::new(LAYERS, OWN.call).run(request)
                },
                ..OWN
            }
        }),*];
        $crate::routing::Router::new(ROUTES)
    }};
    ($($_:tt)*) => {
        ::core::compile_error!(
            "write, in this order, `router! { prefix: \"/items\", tags: [\"items\"], \
             routes: […], middleware: […] }`"
        )
    };
}

/// [`app!`], once its routes are one list.
#[doc(hidden)]
#[macro_export]
macro_rules! __app {
    (
        [$($title:expr)?] [$($version:expr)?] [$($description:expr)?] [$($middleware:expr),*]
        $routes:block
    ) => {
        /// The app that this crate serves; call it in tests.
        #[must_use]
        pub fn app() -> $crate::App {
            const ROUTES: &[$crate::routing::Route] = $routes;
            const _: () = $crate::routing::assert_distinct(ROUTES);
            const INFO: $crate::openapi::Info = $crate::openapi::Info {
                title: $crate::__first!($($title,)? env!("CARGO_PKG_NAME")),
                version: $crate::__first!($($version,)? env!("CARGO_PKG_VERSION")),
                description: $crate::__first!($($description,)? env!("CARGO_PKG_DESCRIPTION")),
            };
            const LAYERS: $crate::middleware::Layers = &[$(&$middleware),*];
            const AROUND: $crate::middleware::Around = $crate::middleware::Around::new(LAYERS);
            const NEEDED: bool = $crate::middleware::Around::is_needed(LAYERS, ROUTES);
            $crate::App::new(&INFO, ROUTES).within(if NEEDED {
                ::core::option::Option::Some(&AROUND)
            } else {
                ::core::option::Option::None
            })
        }

        $crate::__export!(app);
    };
}

/// The first of its arguments: what was said, or what stands for it.
#[doc(hidden)]
#[macro_export]
macro_rules! __first {
    ($first:expr $(, $rest:expr)*) => {
        $first
    };
}

/// Exports the component. Natively there is nothing to export.
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($app:path) => {};
}

/// Exports the component. The exported symbols must be in the final crate, or
/// the linker may leave them out.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($app:path) => {
        const _: () = {
            struct ThisApp;
            impl $crate::__private::Root for ThisApp {
                fn app() -> $crate::App {
                    $app()
                }
            }
            type ThisComponent = $crate::__private::Component<ThisApp>;
            $crate::__private::bindings::export!(
                ThisComponent with_types_in $crate::__private::bindings
            );
            $crate::__private::wasip3::http::service::export!(ThisComponent);
        };
    };
}
