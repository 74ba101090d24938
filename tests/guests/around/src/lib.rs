//! A guest that uses what stands around handlers: middleware, dependencies,
//! state, retries.

use std::cell::Cell;
use std::time::Duration;

use dunlin::middleware::{Compress, Cors, Next};
use dunlin::prelude::*;
use dunlin::security::{self, Bearer};
use dunlin::time::Instant;

const CORS: Cors = Cors::origins(&["https://shop.example"]).credentials();
const COMPRESS: Compress = Compress::new();

/// Says how long the answer took.
async fn timing(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let answer = next.run(request).await;
    let millis = start.elapsed().as_millis();
    answer.with_header("server-timing", format!("app;dur={millis}"))
}

/// Greets someone by name.
#[get("/hello/{name}")]
async fn hello(Path(name): Path<String>) -> String {
    format!("Hello, {name}!")
}

/// The same from the blocking lane, and often.
#[get("/often/{name}")]
fn often(Path(name): Path<String>) -> String {
    format!("Hello, {name}!\n").repeat(1000)
}

/// Has to be closed.
struct Session {
    name: String,
}

/// How many this instance has opened.
#[derive(Default)]
struct Opened {
    count: Cell<u32>,
}

#[dependency(teardown = close)]
async fn session(headers: Headers, opened: State<Opened>) -> Session {
    opened.count.set(opened.count.get() + 1);
    let name = headers.get("x-session").unwrap_or("nameless").to_owned();
    Session { name }
}

async fn close(session: Session) {
    dunlin::sleep(Duration::from_millis(1)).await;
    eprintln!("closed {}", session.name);
}

struct User {
    name: &'static str,
    session: Dep<Session>,
}

#[dependency]
async fn current_user(token: Bearer, session: Dep<Session>) -> Result<User, HttpError> {
    match security::same(&token.0, "secret") {
        true => Ok(User {
            name: "ada",
            session,
        }),
        false => Err(Bearer::refused()),
    }
}

/// Who is asking.
#[get("/me")]
async fn me(user: Dep<User>, session: Dep<Session>, opened: State<Opened>) -> String {
    let same = std::ptr::eq(&*user.session, &*session);
    format!(
        "{} {} {same} {}",
        user.name,
        session.name,
        opened.count.get() > 0
    )
}

/// Streams lines, with its session open until the last.
#[get("/lines")]
async fn lines(session: Dep<Session>) -> impl IntoResponse {
    let lines = Body::produce(async move |mut out| {
        for n in 0..3 {
            out.send(format!("{n} of {}\n", session.name)).await;
            dunlin::sleep(Duration::from_millis(1)).await;
        }
        eprintln!("streamed {}", session.name);
        Ok(())
    });
    ([("content-type", "text/plain")], lines)
}

/// Who is faster.
#[get("/race")]
async fn race() -> &'static str {
    dunlin::select! {
        () = dunlin::sleep(Duration::from_secs(3600)) => "the slow one",
        () = dunlin::sleep(Duration::from_millis(1)) => "the fast one",
    }
}

/// Where to fetch from.
#[model]
struct Errand {
    url: String,
}

/// Fetches again when the other side fails.
#[get("/again")]
async fn again(Query(errand): Query<Errand>) -> Result<Response, Error> {
    Ok(dunlin::fetch::get(errand.url).retry(2).send().await?)
}

dunlin::app! {
    routes: [hello, often, me, lines, race, again],
    middleware: [timing, CORS, COMPRESS],
}

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin::testing::TestClient;

    #[test]
    fn who_is_asking() {
        let client = TestClient::new(app());
        let answer = client.get("/me").send();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        let answer = client.get("/me").bearer("secret").send();
        assert!(answer.text().starts_with("ada "), "{answer:?}");
        assert!(answer.header("server-timing").is_some());
    }

    #[test]
    fn pages_of_the_shop_may_ask() {
        let client = TestClient::new(app());
        let answer = client
            .options("/hello/ada")
            .header("origin", "https://shop.example")
            .header("access-control-request-method", "GET")
            .send();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let origin = answer.header("access-control-allow-origin");
        assert_eq!(origin, Some("https://shop.example"));
    }

    #[test]
    fn the_fast_one_wins() {
        let client = TestClient::native(app());
        assert_eq!(client.get("/race").send().text(), "the fast one");
        assert_eq!(client.elapsed(), Duration::from_millis(1));
    }
}
