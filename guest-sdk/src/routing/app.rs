//! The app: its routes, and calling them.

use futures::future::LocalBoxFuture;
use http::StatusCode;

use super::Route;
use super::template::{matches, precedence, same, same_text};
use crate::body::Body;
use crate::error::HttpError;
use crate::json::push;
use crate::middleware::Around;
use crate::openapi::{self, Info};
use crate::platform;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// A function's routes. [`app!`](crate::app!) makes it.
#[derive(Debug, Clone, Copy)]
pub struct App {
    info: &'static Info,
    routes: &'static [Route],
    /// `None` if there is no middleware, neither here nor at a route.
    around: Option<&'static Around>,
}

impl App {
    /// The app of these routes.
    #[must_use]
    pub const fn new(info: &'static Info, routes: &'static [Route]) -> Self {
        App {
            info,
            routes,
            around: None,
        }
    }

    /// The same app with middleware around its routes.
    #[doc(hidden)]
    #[must_use]
    pub const fn within(self, around: Option<&'static Around>) -> Self {
        App { around, ..self }
    }

    /// The routes, in the order in which the host numbers them.
    #[must_use]
    pub const fn routes(&self) -> &'static [Route] {
        self.routes
    }

    /// What the host reads at deploy: the routes, and the API's documentation,
    /// as JSON.
    #[must_use]
    pub fn describe(&self) -> String {
        super::describe::describe(self.info, self.routes, self.around)
    }

    /// The API's documentation: an OpenAPI 3.1 document, as JSON. Its paths are
    /// relative to where the function is mounted.
    #[must_use]
    pub fn openapi(&self) -> String {
        openapi::document(self.info, self.routes, self.around)
    }

    /// Answers a request: chooses the route by method and path, then calls it.
    ///
    /// A path that no route has is a 404; a method that its routes do not have
    /// is a 405 with `Allow`. `HEAD` is answered by the `GET` route, without
    /// the body, unless it has a route of its own.
    ///
    /// Natively, what the handler [`spawn`](crate::spawn)ed has ended too when
    /// this resolves.
    pub async fn call(&self, request: Request) -> Response {
        platform::with_spawned(self.answer(request)).await
    }

    /// The same, but what the handler spawned may go on.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        // One place waits for all: each would cost code of its own.
        let mut is_head = false;
        let answer = match self.choose(request.method(), request.path()) {
            Ok(Choice::Route(route)) => self.call_chosen(route, request),
            Ok(Choice::HeadOf(route)) => {
                is_head = true;
                self.call_chosen(route, request)
            }
            Err(error) => match self.answer_options(request) {
                Some(answer) => answer,
                None => return error.into_response(),
            },
        };
        let answer = answer.await;
        if is_head {
            without_body(answer)
        } else {
            answer
        }
    }

    fn call_chosen(
        &self,
        route: &'static Route,
        request: Request,
    ) -> LocalBoxFuture<'static, Response> {
        let request = request.for_route(route.segments);
        match self.around {
            Some(around) => around.call(route, request),
            None => (route.call)(request),
        }
    }

    /// What middleware answers to a request that no route has.
    fn answer_options(&self, request: Request) -> Option<LocalBoxFuture<'static, Response>> {
        let around = self.around.filter(|_| request.method() == "OPTIONS")?;
        around.answer_options(self.routes, request)
    }

    /// Answers a request with the route that the host chose.
    #[cfg(target_arch = "wasm32")]
    pub(crate) async fn call_route(
        &self,
        route: u32,
        request: Request,
    ) -> Result<Response, String> {
        let index = usize::try_from(route).unwrap_or(usize::MAX);
        let answer = match (self.routes.get(index), self.around) {
            (Some(route), _) => Some(self.call_chosen(route, request)),
            // Behind the routes, `describe` lists the preflights.
            (None, Some(around)) => {
                around.call_preflight(self.routes, index - self.routes.len(), request)
            }
            (None, None) => None,
        };
        match answer {
            Some(answer) => Ok(answer.await),
            None => Err(format!(
                "there is no route {route}: describe lists {}",
                self.routes.len()
            )),
        }
    }

    fn choose(&self, method: &str, path: &str) -> Result<Choice, HttpError> {
        let mut found = false;
        let mut best: Option<&'static Route> = None;
        let mut best_get: Option<&'static Route> = None;
        for route in self
            .routes
            .iter()
            .filter(|route| matches(route.segments, path))
        {
            found = true;
            if route.method == method {
                prefer(&mut best, route);
            }
            if route.method == "GET" {
                prefer(&mut best_get, route);
            }
        }
        match (best, best_get) {
            (Some(route), _) => Ok(Choice::Route(route)),
            (None, Some(route)) if method == "HEAD" => Ok(Choice::HeadOf(route)),
            _ if found => Err(
                HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
                    .with_header("allow", self.allowed(path)),
            ),
            _ => Err(HttpError::new(StatusCode::NOT_FOUND, "Not Found")),
        }
    }

    /// The methods of the closest template.
    fn allowed(&self, path: &str) -> String {
        let matching = || {
            let routes = self.routes.iter();
            routes.filter(|route| matches(route.segments, path))
        };
        let mut closest = None;
        matching().for_each(|route| prefer(&mut closest, route));
        let mut methods: Vec<&str> = Vec::new();
        let mut list = String::new();
        for route in matching() {
            if closest.is_none_or(|it| !same(it.segments, route.segments)) {
                continue;
            }
            let head = (route.method == "GET").then_some("HEAD");
            for method in std::iter::once(route.method).chain(head) {
                if !methods.contains(&method) {
                    if !methods.is_empty() {
                        push(&mut list, ", ");
                    }
                    push(&mut list, method);
                    methods.push(method);
                }
            }
        }
        list
    }
}

enum Choice {
    Route(&'static Route),
    /// A `HEAD` request, for a `GET` route.
    HeadOf(&'static Route),
}

fn prefer(best: &mut Option<&'static Route>, route: &'static Route) {
    if best.is_none_or(|best| precedence(route.segments, best.segments).is_lt()) {
        *best = Some(route);
    }
}

fn without_body(mut response: Response) -> Response {
    // Some hosts compare the length with the body that is not there.
    response.headers.remove("content-length");
    response.body = Body::empty();
    response
}

/// Stops the compiler at two routes of which only one could ever answer.
///
/// # Panics
/// If there are such; the message names both.
pub const fn assert_distinct(routes: &[Route]) {
    let mut second = 0;
    while second < routes.len() {
        let mut first = 0;
        while first < second {
            let (a, b) = (&routes[first], &routes[second]);
            if same_text(a.method, b.method) && same(a.segments, b.segments) {
                let text = [
                    "`",
                    a.name,
                    "` and `",
                    b.name,
                    "` answer the same requests: ",
                    a.method,
                    " ",
                    b.path,
                ];
                panic_with(&text);
            }
            first += 1;
        }
        second += 1;
    }
}

/// A constant panic takes no arguments but one text; this puts it together.
pub(super) const fn panic_with(parts: &[&str]) -> ! {
    let mut buffer = [0; 400];
    let mut length = 0;
    let mut part = 0;
    while part < parts.len() {
        let bytes = parts[part].as_bytes();
        let mut index = 0;
        while index < bytes.len() && length < buffer.len() {
            buffer[length] = bytes[index];
            length += 1;
            index += 1;
        }
        part += 1;
    }
    match str::from_utf8(buffer.split_at(length).0) {
        Ok(text) => panic!("{}", text),
        Err(_) => panic!("two routes answer the same requests"),
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;
    use crate::testing::block_on;

    mod routes {
        use crate::extract::{Invalid, Problem};
        use crate::prelude::*;

        #[get("/")]
        pub(super) async fn root() -> &'static str {
            "root"
        }

        #[get("/items/{id}")]
        pub(super) async fn read(Path(id): Path<u32>) -> String {
            format!("item {id}")
        }

        #[get("/items/best")]
        pub(super) fn best() -> &'static str {
            "best"
        }

        #[put("/items/{id}")]
        pub(super) async fn write(Path(id): Path<u32>, body: String) -> (StatusCode, String) {
            (StatusCode::CREATED, format!("{id}: {body}"))
        }

        #[get("/files/{*path}")]
        pub(super) async fn files(Path(path): Path<String>) -> String {
            path
        }

        #[post("/{a}/{b}")]
        pub(super) fn two(
            Path((a, b)): Path<(u8, u8)>,
            query: Result<Query<std::collections::BTreeMap<String, u8>>, Invalid>,
            Json(numbers): Json<Vec<u8>>,
        ) -> Result<String, Invalid> {
            let Query(query) = query?;
            if query.len() > 1 {
                return Err(Problem::new(&["query"], "too_many", "one is enough", "").into());
            }
            Ok(format!("{a} {b} {query:?} {numbers:?}"))
        }
    }

    #[allow(unreachable_pub, reason = "`app!` is meant for the root of a crate")]
    mod app {
        use super::routes;
        crate::app![
            routes::root,
            routes::read,
            routes::best,
            routes::write,
            routes::files,
            routes::two
        ];
    }

    fn call(request: Request) -> (u16, String) {
        let response = block_on(app::app().call(request));
        (
            response.status().as_u16(),
            block_on(response.text()).unwrap(),
        )
    }

    #[test]
    fn the_most_specific_route_answers() {
        assert_eq!(call(Request::get("/?a=1")), (200, "root".into()));
        assert_eq!(call(Request::get("/items/7")), (200, "item 7".into()));
        assert_eq!(call(Request::get("/items/best")), (200, "best".into()));
        assert_eq!(call(Request::get("/files/a%20b/c")), (200, "a b/c".into()));
        let put = Request::new(Method::PUT, "/items/7").with_body("x");
        assert_eq!(call(put), (201, "7: x".into()));
    }

    #[test]
    fn what_has_no_route() {
        assert_eq!(call(Request::get("/nothing/here")).0, 405);
        assert_eq!(
            call(Request::get("/nothing")),
            (404, r#"{"detail":"Not Found"}"#.into())
        );
        let response = block_on(app::app().call(Request::new(Method::DELETE, "/items/7")));
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers().get("allow"), Some("GET, HEAD, PUT"));
        // That `/items/{id}` takes more is not what was asked.
        let response = block_on(app::app().call(Request::new(Method::DELETE, "/items/best")));
        assert_eq!(response.headers().get("allow"), Some("GET, HEAD"));
    }

    #[test]
    fn head_is_get_without_the_body() {
        let response = block_on(app::app().call(Request::new(Method::HEAD, "/items/best")));
        assert_eq!(
            response.headers().get("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(block_on(response.text()).unwrap(), "");
    }

    #[test]
    fn problems_of_all_arguments_are_in_one_answer() {
        let request = Request::post("/1/300?x=y").with_json("[256]");
        let (status, body) = call(request);
        assert_eq!(status, 422);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let places: Vec<_> = body["detail"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| &p["loc"])
            .collect();
        assert_eq!(
            places,
            [
                &serde_json::json!(["path", "b"]),
                &serde_json::json!(["body", 0])
            ]
        );
        assert_eq!(call(Request::post("/1/2").with_body("[1]")).0, 415);
        let right = Request::post("/1/2?x=3").with_json("[1]");
        assert_eq!(call(right), (200, r#"1 2 {"x": 3} [1]"#.into()));
    }

    #[test]
    fn the_description() {
        let text = app::app().describe();
        let description: serde_json::Value = serde_json::from_str(&text).unwrap();
        let route = serde_json::json!({
            "method": "GET", "path": "/items/best", "lane": "blocking",
            "name": "best", "summary": "Best",
        });
        assert_eq!(description["routes"][2], route);
        assert_eq!(description["routes"][0]["lane"], "async");
        assert!(description["sdk"].as_str().unwrap().starts_with("dunlin "));
    }

    #[test]
    fn handlers_stay_plain_functions() {
        assert_eq!(routes::best(), "best");
        assert_eq!(block_on(routes::read(Path(7))), "item 7");
    }
}
