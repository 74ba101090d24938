//! The middleware of an app, and the preflights that it wants to see.

use futures::future::LocalBoxFuture;
use http::StatusCode;

use super::{Layers, Next};
use crate::json::{push, push_string};
use crate::openapi::Operation;
use crate::request::Request;
use crate::response::Response;
use crate::routing::{Route, matches, precedence, same};

/// What stands around all routes of an app. The functions are reached through
/// it alone, so that an app without middleware does not contain them.
#[doc(hidden)]
#[derive(Debug)]
pub struct Around {
    layers: Layers,
    call: fn(Layers, &'static Route, Request) -> Answering,
    preflight: fn(Layers, &'static [Route], Wanted, Request) -> Option<Answering>,
    list: fn(Layers, &'static [Route], &mut String),
    describe: fn(Layers, &Route, &mut Operation),
}

type Answering = LocalBoxFuture<'static, Response>;

/// Which preflight is to be answered.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// The one of this place behind the routes.
    #[cfg(target_arch = "wasm32")]
    Place(usize),
    /// The one for the request's path.
    Path,
}

impl Around {
    /// Of this middleware.
    #[must_use]
    pub const fn new(layers: Layers) -> Self {
        Around {
            layers,
            call,
            preflight,
            list,
            describe,
        }
    }

    /// Calls a handler through the middleware.
    pub(crate) fn call(&self, route: &'static Route, request: Request) -> Answering {
        (self.call)(self.layers, route, request)
    }

    /// Answers a request to a preflight's route, by its place behind the
    /// handlers' routes; `None` if there are fewer.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn call_preflight(
        &self,
        routes: &'static [Route],
        place: usize,
        request: Request,
    ) -> Option<Answering> {
        (self.preflight)(self.layers, routes, Wanted::Place(place), request)
    }

    /// Answers an `OPTIONS` request that no handler answers; `None` if no
    /// middleware wants to see it.
    pub(crate) fn answer_options(
        &self,
        routes: &'static [Route],
        request: Request,
    ) -> Option<Answering> {
        (self.preflight)(self.layers, routes, Wanted::Path, request)
    }

    /// Appends the preflights' routes to those that `describe` lists.
    pub(crate) fn list(&self, routes: &'static [Route], out: &mut String) {
        (self.list)(self.layers, routes, out);
    }

    /// Describes what a route's middleware asks for.
    pub(crate) fn describe(&self, route: &Route, operation: &mut Operation) {
        (self.describe)(self.layers, route, operation);
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

fn call(layers: Layers, route: &'static Route, request: Request) -> Answering {
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

fn list(layers: Layers, routes: &'static [Route], out: &mut String) {
    for route in preflights(layers, routes) {
        push(out, ",{\"method\":\"OPTIONS\",\"path\":");
        push_string(out, route.path);
        push(out, ",\"lane\":\"async\",\"name\":\"preflight\",");
        push(out, "\"summary\":\"CORS preflight\"}");
    }
}

fn describe(layers: Layers, route: &Route, operation: &mut Operation) {
    for layer in layers.iter().chain(route.middleware) {
        layer.describe_route(operation);
    }
}

/// Answers an `OPTIONS` request: the app's middleware does, then that of the
/// route which the caller asks about.
fn preflight(
    layers: Layers,
    routes: &'static [Route],
    wanted: Wanted,
    mut request: Request,
) -> Option<Answering> {
    let listed = preflights(layers, routes);
    let at = match wanted {
        #[cfg(target_arch = "wasm32")]
        Wanted::Place(place) => *listed.get(place)?,
        Wanted::Path => listed
            .into_iter()
            .filter(|route| matches(route.segments, request.path()))
            .min_by(|a, b| precedence(a.segments, b.segments))?,
    };
    let at_path = routes
        .iter()
        .filter(|route| same(route.segments, at.segments));
    let at_path: Vec<&Route> = at_path.collect();
    let asked = request.headers().get("access-control-request-method");
    let asked = asked.map(|method| if method == "HEAD" { "GET" } else { method });
    let asked = at_path.iter().find(|route| asked == Some(route.method));
    let inner = Inner(asked.map_or(&[], |route| route.middleware));
    request.extensions_mut().insert(inner);
    Some(Box::pin(async move {
        let mut answer = Next::new(layers, of_the_route).run(request).await;
        if !answer.headers.contains("access-control-allow-methods") {
            answer.headers.insert("allow", allow(&at_path));
        }
        answer
    }))
}

/// The middleware of the route that a preflight asks about.
struct Inner(Layers);

fn of_the_route(request: Request) -> Answering {
    let inner = request.extensions().get::<Inner>();
    Next::new(inner.map_or(&[], |inner| inner.0), no_handler).run(request)
}

/// Where the handler would be.
fn no_handler(_: Request) -> Answering {
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
