//! The middleware of an app, and the preflights that it wants to see.

use futures::future::LocalBoxFuture;
use http::StatusCode;

use super::{Layers, Next};
use crate::request::Request;
use crate::response::Response;
use crate::routing::{Route, same};

/// What stands around all routes of an app. The functions are reached through
/// it alone, so that an app without middleware does not contain them.
#[doc(hidden)]
#[derive(Debug)]
pub struct Around {
    pub(crate) layers: Layers,
    pub(crate) call: fn(Layers, &'static Route, Request) -> LocalBoxFuture<'static, Response>,
    pub(crate) preflights: fn(Layers, &'static [Route]) -> Vec<&'static Route>,
    pub(crate) preflight:
        fn(Layers, &'static [Route], &Route, Request) -> LocalBoxFuture<'static, Response>,
}

impl Around {
    /// Of this middleware.
    #[must_use]
    pub const fn new(layers: Layers) -> Self {
        Around {
            layers,
            call,
            preflights,
            preflight,
        }
    }

    /// Whether it is of any use: to the app, or to one of its routes.
    #[must_use]
    pub const fn is_needed(layers: Layers, routes: &[Route]) -> bool {
        let mut index = 0;
        while index < routes.len() {
            if !routes[index].middleware.is_empty() {
                return true;
            }
            index += 1;
        }
        !layers.is_empty()
    }
}

fn call(
    layers: Layers,
    route: &'static Route,
    request: Request,
) -> LocalBoxFuture<'static, Response> {
    Next::new(layers, route.call).run(request)
}

/// One route for each path whose `OPTIONS` requests some middleware wants to
/// see and no handler answers.
fn preflights(layers: Layers, routes: &'static [Route]) -> Vec<&'static Route> {
    let wanted = |layers: Layers| layers.iter().any(|layer| layer.wants_preflights());
    let everywhere = wanted(layers);
    let mut found: Vec<&'static Route> = Vec::new();
    for route in routes {
        let mut at_path = routes.iter().filter(|at| same(at.segments, route.segments));
        if (everywhere || wanted(route.middleware))
            && at_path.all(|at| at.method != "OPTIONS")
            && !found.iter().any(|at| same(at.segments, route.segments))
        {
            found.push(route);
        }
    }
    found
}

/// Answers an `OPTIONS` request to the path of `at`: the app's middleware
/// does, then that of the route which the caller asks about.
fn preflight(
    layers: Layers,
    routes: &'static [Route],
    at: &Route,
    mut request: Request,
) -> LocalBoxFuture<'static, Response> {
    let at_path = routes
        .iter()
        .filter(|route| same(route.segments, at.segments));
    let at_path: Vec<&Route> = at_path.collect();
    let asked = request.headers().get("access-control-request-method");
    let asked = asked.map(|method| if method == "HEAD" { "GET" } else { method });
    let asked = at_path.iter().find(|route| asked == Some(route.method));
    let inner = Inner(asked.map_or(&[], |route| route.middleware));
    request.extensions_mut().insert(inner);
    Box::pin(async move {
        let mut answer = Next::new(layers, of_the_route).run(request).await;
        if !answer.headers.contains("access-control-allow-methods") {
            answer.headers.insert("allow", allow(&at_path));
        }
        answer
    })
}

/// The middleware of the route that a preflight asks about.
struct Inner(Layers);

fn of_the_route(request: Request) -> LocalBoxFuture<'static, Response> {
    let inner = request.extensions().get::<Inner>();
    Next::new(inner.map_or(&[], |inner| inner.0), no_handler).run(request)
}

/// Where the handler would be.
fn no_handler(_: Request) -> LocalBoxFuture<'static, Response> {
    Box::pin(async { Response::default().with_status(StatusCode::NO_CONTENT) })
}

fn allow(routes: &[&Route]) -> String {
    let mut methods: Vec<&str> = routes.iter().map(|route| route.method).collect();
    if methods.contains(&"GET") && !methods.contains(&"HEAD") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    methods.join(", ")
}
