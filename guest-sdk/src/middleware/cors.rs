//! Cross-origin requests, by the Fetch standard.

use std::time::Duration;

use http::StatusCode;

use super::{Middleware, Next};
use crate::error::HttpError;
use crate::headers::Headers;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// Middleware that lets pages of other origins read the answers, by the CORS
/// protocol of the [Fetch standard](https://fetch.spec.whatwg.org/#http-cors-protocol).
///
/// ```
/// use dunlin::middleware::Cors;
///
/// const CORS: Cors = Cors::origins(&["https://shop.example", "http://localhost:5173"])
///     .credentials()
///     .expose(&["x-total"]);
/// ```
///
/// - It is listed for the app, or for a route. Preflights reach it: it has the
///   host route `OPTIONS` requests of its paths to it.
/// - What a preflight asks for, methods and headers, is allowed unless
///   [`methods`](Cors::methods) or [`headers`](Cors::headers) list less. What
///   is not is answered with a 403 that says what.
/// - A request without `Origin`, or from an origin that is not listed, is
///   answered as ever: without the headers the browser keeps the answer from
///   the page. CORS does not protect a function from its callers.
/// - Answers of the host itself, such as a 404 for a path without a route, have
///   none of these headers.
#[derive(Debug, Clone, Copy)]
pub struct Cors {
    origins: Origins,
    /// `None` is what the preflight asks for.
    methods: Option<&'static [&'static str]>,
    headers: Option<&'static [&'static str]>,
    expose: &'static [&'static str],
    credentials: bool,
    /// How long a browser may remember a preflight's answer.
    max_age: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Origins {
    Any,
    Listed(&'static [&'static str]),
    By(fn(&str) -> bool),
}

impl Cors {
    const fn of(origins: Origins) -> Self {
        Cors {
            origins,
            methods: None,
            headers: None,
            expose: &[],
            credentials: false,
            max_age: Duration::from_secs(600),
        }
    }

    /// Pages of any origin may read the answers. Not with
    /// [`credentials`](Cors::credentials).
    #[must_use]
    pub const fn any_origin() -> Self {
        Cors::of(Origins::Any)
    }

    /// Pages of these origins may, as browsers write them: scheme, host, and
    /// port unless it is the scheme's own.
    ///
    /// # Panics
    /// If one ends with `/`, which no browser sends. In a constant this is an
    /// error of the compiler.
    #[must_use]
    pub const fn origins(origins: &'static [&'static str]) -> Self {
        let mut index = 0;
        while index < origins.len() {
            let origin = origins[index].as_bytes();
            assert!(
                !matches!(origin.last(), None | Some(b'/')),
                "an origin is `https://shop.example`, without a path: leave out the last `/`"
            );
            assert!(
                !matches!(origin, b"*"),
                "`*` is no origin: write `Cors::any_origin()`"
            );
            index += 1;
        }
        Cors::of(Origins::Listed(origins))
    }

    /// Pages of the origins may for which `allowed` answers true.
    #[must_use]
    pub const fn origins_by(allowed: fn(&str) -> bool) -> Self {
        Cors::of(Origins::By(allowed))
    }

    /// Only these methods are allowed. Default: whichever is asked for.
    #[must_use]
    pub const fn methods(mut self, methods: &'static [&'static str]) -> Self {
        self.methods = Some(methods);
        self
    }

    /// Only these request headers are allowed, besides those that the Fetch
    /// standard always allows. Default: whichever are asked for.
    #[must_use]
    pub const fn headers(mut self, headers: &'static [&'static str]) -> Self {
        self.headers = Some(headers);
        self
    }

    /// Pages may read these headers of the answers, besides those that the
    /// Fetch standard always lets them read.
    #[must_use]
    pub const fn expose(mut self, headers: &'static [&'static str]) -> Self {
        self.expose = headers;
        self
    }

    /// Pages may send cookies and other credentials along.
    ///
    /// # Panics
    /// With [`any_origin`](Cors::any_origin), which would let every page on
    /// the web act as its visitor. In a constant this is an error of the
    /// compiler.
    #[must_use]
    pub const fn credentials(mut self) -> Self {
        assert!(
            !matches!(self.origins, Origins::Any),
            "with credentials, say whose pages: `Cors::origins(&[\"https://shop.example\"])`"
        );
        self.credentials = true;
        self
    }

    /// How long browsers may remember the answer to a preflight, in whole
    /// seconds. Default: 10 minutes.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    fn allows(&self, origin: &str) -> bool {
        match self.origins {
            Origins::Any => true,
            Origins::Listed(origins) => origins.contains(&origin),
            Origins::By(allowed) => allowed(origin),
        }
    }

    /// The fields that every answer has.
    fn mark(&self, origin: Option<&str>, headers: &mut Headers) {
        // Whatever answered must not decide this by itself.
        headers.remove("access-control-allow-origin");
        headers.remove("access-control-allow-credentials");
        if let Origins::Any = self.origins {
            if origin.is_some() {
                headers.insert("access-control-allow-origin", "*");
            }
            return;
        }
        // The answer to another origin is another one, for caches too.
        headers.append("vary", "origin");
        let Some(origin) = origin.filter(|origin| self.allows(origin)) else {
            return;
        };
        headers.insert("access-control-allow-origin", origin);
        if self.credentials {
            headers.insert("access-control-allow-credentials", "true");
        }
    }

    /// Answers a preflight that asks for `method`.
    fn preflight(&self, origin: &str, method: &str, request: &Request) -> Response {
        let headers = listed(request.headers(), "access-control-request-headers");
        let mut answer = match self.refusal(origin, method, &headers) {
            Some(reason) => HttpError::new(StatusCode::FORBIDDEN, reason).into_response(),
            None => Response::default().with_status(StatusCode::NO_CONTENT),
        };
        self.mark(Some(origin), &mut answer.headers);
        let fields = &mut answer.headers;
        fields.append(
            "vary",
            "access-control-request-method, access-control-request-headers",
        );
        if answer.status != StatusCode::NO_CONTENT {
            return answer;
        }
        // The list rather than `*`, which does not count with credentials.
        let methods = self
            .methods
            .map_or_else(|| method.to_owned(), |all| all.join(", "));
        fields.insert("access-control-allow-methods", methods);
        let allowed = self
            .headers
            .map_or_else(|| headers.join(", "), |all| all.join(", "));
        if !allowed.is_empty() {
            fields.insert("access-control-allow-headers", allowed);
        }
        let max_age = self.max_age.as_secs().to_string();
        fields.insert("access-control-max-age", max_age);
        answer
    }

    /// Why a preflight is refused.
    fn refusal(&self, origin: &str, method: &str, headers: &[String]) -> Option<String> {
        if !self.allows(origin) {
            return Some(format!("CORS: the origin `{origin}` is not allowed"));
        }
        // Methods that need no permission: Fetch, "CORS-safelisted method".
        let simple = ["GET", "HEAD", "POST"].contains(&method);
        if !simple && self.methods.is_some_and(|all| !all.contains(&method)) {
            return Some(format!("CORS: the method `{method}` is not allowed"));
        }
        let allowed = |name: &String| {
            let listed = |all: &[&str]| all.iter().any(|one| one.eq_ignore_ascii_case(name));
            self.headers.is_none_or(listed)
        };
        let refused = headers
            .iter()
            .find(|name| !allowed(name) && !is_safe(name))?;
        Some(format!("CORS: the header `{refused}` is not allowed"))
    }
}

/// Fetch, "CORS-safelisted request-header", as far as names go. `content-type`
/// is asked for only when its value is not safe.
fn is_safe(name: &str) -> bool {
    let safe = ["accept", "accept-language", "content-language"];
    safe.iter().any(|safe| safe.eq_ignore_ascii_case(name))
}

/// The members of a list in a header, which may have several lines.
fn listed(headers: &Headers, name: &str) -> Vec<String> {
    headers
        .get_all(name)
        .filter_map(|value| str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .map(|member| member.trim().to_owned())
        .filter(|member| !member.is_empty())
        .collect()
}

impl Middleware for Cors {
    async fn handle(&self, request: Request, next: Next) -> Response {
        let origin = request.headers().get("origin").map(str::to_owned);
        let asked = request.headers().get("access-control-request-method");
        if let (Some(origin), Some(method), "OPTIONS") = (&origin, asked, request.method()) {
            return self.preflight(origin, method, &request);
        }
        let mut answer = next.run(request).await;
        self.mark(origin.as_deref(), &mut answer.headers);
        if answer.headers.contains("access-control-allow-origin") && !self.expose.is_empty() {
            let expose = self.expose.join(", ");
            answer
                .headers
                .insert("access-control-expose-headers", expose);
        }
        answer
    }

    fn answers_preflights(&self) -> bool {
        true
    }
}
