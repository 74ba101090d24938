//! Routes in routers, through the app.

use dunlin::Router;
use dunlin::middleware::{Next, require};
use dunlin::prelude::*;
use dunlin::testing::TestClient;
use serde_json::{Value, json};

/// Notes on the way in who was passed.
macro_rules! passing {
    ($($name:ident)*) => {$(
        async fn $name(mut request: Request, next: Next) -> Response {
            let mut passed = request.headers().get("x-passed").unwrap_or("").to_owned();
            passed += concat!(" ", stringify!($name));
            request.headers_mut().insert("x-passed", passed);
            next.run(request).await
        }
    )*};
}

passing! { of_app of_router of_route }

mod items {
    use super::*;

    struct Key;

    #[dependency]
    async fn key(headers: Headers) -> Result<Key, HttpError> {
        match headers.get("x-key") {
            Some(_) => Ok(Key),
            None => Err(HttpError::new(StatusCode::FORBIDDEN, "no key")),
        }
    }

    #[get("/")]
    async fn list(headers: Headers) -> String {
        headers.get("x-passed").unwrap_or_default().to_owned()
    }

    #[get("/{id}/parts/{*part}", tags = ["parts"], middleware = [of_route])]
    async fn part(id: u8, part: String, headers: Headers) -> String {
        let passed = headers.get("x-passed").unwrap_or_default();
        format!("{id} {part}{passed}")
    }

    /// Adds an item.
    #[post("/", status = 201)]
    fn add(body: String) -> String {
        body
    }

    pub(super) const ROUTER: Router = dunlin::router! {
        prefix: "/v1/items",
        tags: ["items"],
        routes: [list, part, add],
        middleware: [of_router, require::<Dep<Key>>()],
    };
}

mod plain {
    use super::*;

    #[get("/")]
    async fn root() -> &'static str {
        "root"
    }

    #[websocket("/echo")]
    async fn echo(mut socket: WebSocket) -> Result<(), Error> {
        while let Some(message) = socket.recv().await? {
            socket.send(message).await?;
        }
        Ok(())
    }

    pub(super) const ROUTER: Router = dunlin::router! { routes: [root, echo] };
    pub(super) const LIVE: Router = dunlin::router! { prefix: "/live", routes: [echo] };
}

#[get("/own")]
async fn own() -> &'static str {
    "own"
}

dunlin::app! {
    title: "Routers",
    routes: [own],
    routers: [items::ROUTER, plain::ROUTER, plain::LIVE],
    middleware: [of_app],
}

#[test]
fn paths_begin_with_the_prefix() {
    let client = TestClient::new(app()).with_header("x-key", "k");
    let get = |path| client.get(path).send().text();
    assert_eq!(get("/own"), "own");
    assert_eq!(get("/"), "root");
    assert_eq!(client.post("/v1/items").body("a").send().status(), 201);
    assert_eq!(client.get("/items").send().status(), 404);
    assert_eq!(client.get("/v1/items/").send().status(), 404);
    let told = client.get("/v1/items/x/parts/a").send();
    assert_eq!(
        told.json::<Value>()["detail"][0]["loc"],
        json!(["path", "id"])
    );
    for path in ["/echo", "/live/echo"] {
        let mut socket = client.get(path).websocket().unwrap();
        socket.send("hi");
        assert_eq!(socket.recv_text(), "hi");
    }
}

#[test]
fn the_routers_middleware_stands_between_the_apps_and_the_routes() {
    let client = TestClient::new(app());
    let refused = client.get("/v1/items").send();
    assert_eq!(refused.status(), 403);
    let get = |path| client.get(path).header("x-key", "k").send().text();
    assert_eq!(get("/v1/items"), " of_app of_router");
    assert_eq!(
        get("/v1/items/7/parts/a/b"),
        "7 a/b of_app of_router of_route"
    );
}

#[test]
fn the_documentation_tells_whole_paths_and_all_tags() {
    let document: Value = app().openapi().parse().unwrap();
    let paths = document["paths"].as_object().unwrap();
    let paths: Vec<_> = paths.keys().collect();
    assert_eq!(
        paths,
        ["/", "/own", "/v1/items", "/v1/items/{id}/parts/{part}"]
    );
    let part = &document["paths"]["/v1/items/{id}/parts/{part}"]["get"];
    assert_eq!(part["tags"], json!(["items", "parts"]));
    let add = &document["paths"]["/v1/items"]["post"];
    assert_eq!(
        (&add["tags"], &add["summary"]),
        (&json!(["items"]), &json!("Adds an item."))
    );
    let described: Value = app().describe().parse().unwrap();
    assert_eq!(described["routes"][1]["path"], "/v1/items");
    assert_eq!(described["routes"][3]["lane"], "blocking");
}
