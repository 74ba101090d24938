//! What a component says about itself: its interface and its routes.

use super::{ByteSize, OpenApi};
use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;
use thiserror::Error;

/// Most routes that one function may have.
const MAX_ROUTES: usize = 1_000;

/// Where a guest's code is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// For code that mostly waits: many invocations share an event loop.
    Async,
    /// For code that computes: dedicated threads.
    Blocking,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Async => "async",
            Self::Blocking => "blocking",
        })
    }
}

/// The way in which a component is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Interface {
    /// Our contract: `dunlin:function/handler`.
    #[serde(rename = "dunlin:function@0.1")]
    Function,
    /// `wasi:http/handler@0.3`.
    #[serde(rename = "wasi:http@0.3")]
    WasiHttp03,
    /// `wasi:http/incoming-handler@0.2`.
    #[serde(rename = "wasi:http@0.2")]
    WasiHttp02,
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function => "dunlin:function@0.1",
            Self::WasiHttp03 => "wasi:http@0.3",
            Self::WasiHttp02 => "wasi:http@0.2",
        })
    }
}

/// What a route's requests become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RouteKind {
    /// Each has its answer.
    #[default]
    Http,
    /// Each becomes a WebSocket.
    WebSocket,
}

impl RouteKind {
    fn is_http(&self) -> bool {
        *self == Self::Http
    }
}

/// One route of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteSpec {
    /// An HTTP method, or `*` for all.
    pub method: String,
    /// A matchit template below the mount, such as `/items/{id}`.
    pub path: String,
    /// The lane on which its invocations start.
    pub lane: Lane,
    /// What its requests become.
    #[serde(default, skip_serializing_if = "RouteKind::is_http")]
    pub kind: RouteKind,
    /// One line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
}

/// What a component says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// How it is called.
    pub interface: Interface,
    /// The SDK that built it, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk: Option<String>,
    /// Its routes; a request names one by its position here.
    pub routes: Vec<RouteSpec>,
    /// What tools read of its routes. None: the component does not say, or was
    /// deployed when hosts did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openapi: Option<OpenApi>,
}

/// What is wrong with a component's description.
#[derive(Debug, Error)]
pub enum DescriptionError {
    /// `describe` returned something else.
    #[error(
        "`describe` returned no valid description: build the function with this host's SDK version"
    )]
    Json(#[source] serde_json::Error),
    /// Nothing could ever be called.
    #[error("the function has no routes: list its handlers in `dunlin::app!`")]
    NoRoutes,
    /// Out of proportion.
    #[error("the function has {0} routes, limit {MAX_ROUTES}: split it")]
    TooManyRoutes(usize),
    /// See RFC 9110, section 9.
    #[error("route {index} has the method `{method}`, which HTTP does not know")]
    Method {
        /// Which route.
        index: usize,
        /// What it says.
        method: String,
    },
    /// Tools could not read it.
    #[error(
        "the function's `openapi` is no OpenAPI 3.1 document, {0}: build the function with this \
         host's SDK version"
    )]
    Document(String),
    /// Out of proportion.
    #[error("the function's OpenAPI document is {size}, limit {limit}: split the function")]
    DocumentTooLarge {
        /// What it has.
        size: ByteSize,
        /// What it may have.
        limit: ByteSize,
    },
    /// See RFC 6455, section 4.1.
    #[error("route {index} is a WebSocket's and has the method `{method}`: make it `GET`")]
    WebSocketMethod {
        /// Which route.
        index: usize,
        /// What it says.
        method: String,
    },
}

/// The document that `describe` returns; other members are for later hosts.
#[derive(Deserialize)]
struct Document {
    sdk: Option<String>,
    routes: Vec<RouteSpec>,
    openapi: Option<Box<RawValue>>,
}

impl Description {
    /// A standard component answers everything itself.
    pub fn of_standard(interface: Interface) -> Self {
        let lane = match interface {
            Interface::WasiHttp02 => Lane::Blocking,
            Interface::WasiHttp03 | Interface::Function => Lane::Async,
        };
        let route = |path: &str| RouteSpec {
            method: "*".to_owned(),
            path: path.to_owned(),
            lane,
            kind: RouteKind::Http,
            summary: String::new(),
        };
        Self {
            interface,
            sdk: None,
            routes: vec![route("/"), route("/{*path}")],
            openapi: None,
        }
    }

    /// Reads what `describe` returned.
    ///
    /// # Errors
    ///
    /// When it is no such document. Conflicts between routes are routing's to
    /// find.
    pub fn from_guest(json: &str) -> Result<Self, DescriptionError> {
        let Document {
            sdk,
            routes,
            openapi,
        } = serde_json::from_str(json).map_err(DescriptionError::Json)?;
        if routes.is_empty() {
            return Err(DescriptionError::NoRoutes);
        }
        if routes.len() > MAX_ROUTES {
            return Err(DescriptionError::TooManyRoutes(routes.len()));
        }
        for (index, route) in routes.iter().enumerate() {
            if Method::from_bytes(route.method.as_bytes()).is_err() {
                let method = route.method.clone();
                return Err(DescriptionError::Method { index, method });
            }
            if route.kind == RouteKind::WebSocket && route.method != "GET" {
                let method = route.method.clone();
                return Err(DescriptionError::WebSocketMethod { index, method });
            }
        }
        let openapi = openapi.map(|it| OpenApi::from_guest(it.get()));
        Ok(Self {
            interface: Interface::Function,
            sdk,
            routes,
            openapi: openapi.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_sdks_document() {
        let description = Description::from_guest(
            r#"{"sdk":"dunlin 0.1.0","routes":[
                {"method":"GET","path":"/{name}","lane":"blocking","summary":"Greets","name":"x"}]}"#,
        )
        .unwrap();
        assert_eq!(description.routes[0].lane, Lane::Blocking);
        assert_eq!(description.routes[0].summary, "Greets");
        assert_eq!(description.routes[0].kind, RouteKind::Http);
    }

    #[test]
    fn refuses_what_could_not_be_routed() {
        for bad in [
            "",
            "{}",
            r#"{"routes":[]}"#,
            r#"{"routes":[{"method":"G ET","path":"/","lane":"async"}]}"#,
            r#"{"routes":[{"method":"GET","path":"/","lane":"fast"}]}"#,
            r#"{"routes":[{"method":"GET","path":"/","lane":"async"}],"openapi":[]}"#,
            r#"{"routes":[{"method":"POST","path":"/","lane":"async","kind":"websocket"}]}"#,
        ] {
            assert!(Description::from_guest(bad).is_err(), "{bad}");
        }
    }
}
