//! The client of tests.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};

use super::clock;
use super::cookies::Jar;
use super::executor::{Spawned, block_on};
use super::fakes::{FakeAnswer, World};

use super::host::Host;
use super::request::TestRequest;
use super::response::{Source, TestResponse};
use super::socket::{Native, Peer, Sockets, TestSocket};
use crate::body::Kind;
use crate::dependency::Dependency;
use crate::extract::Rejection;
use crate::headers::Headers;
use crate::request::{Parts, Request};
use crate::routing::App;
use crate::time::timeout;

/// Spawned work that is not done after so much virtual time never will be.
const SPAWNED_LIMIT: Duration = Duration::from_secs(3600);

/// Sends requests to an app, natively; with `DUNLIN_TEST=host` to the real
/// component in a real host: see [`testing`](super).
///
/// ```
/// # use dunlin::prelude::*;
/// use dunlin::testing::TestClient;
///
/// #[post("/items")]
/// async fn create(Json(names): Json<Vec<String>>) -> (StatusCode, Json<usize>) {
///     (StatusCode::CREATED, Json(names.len()))
/// }
///
/// dunlin::app![create];
///
/// # fn main() {
/// let client = TestClient::new(app());
/// let answer = client.post("/items").json(&["tea", "rice"]).send();
/// assert_eq!(answer.status(), 201);
/// assert_eq!(answer.json::<usize>(), 2);
/// # }
/// ```
///
/// It keeps cookies from one request to the next.
pub struct TestClient {
    inside: Rc<Inside>,
    place: OnceCell<Place>,
    jar: RefCell<Jar>,
    headers: Headers,
    last_request: Cell<u64>,
    started: Instant,
}

/// Where the requests go.
enum Place {
    Native,
    Host(&'static Host),
}

/// What the answers' bodies need too.
pub(super) struct Inside {
    app: App,
    world: Rc<World>,
    spawned: Spawned,
    pub(super) sockets: Sockets,
    /// On the virtual clock.
    started: Duration,
}

impl TestClient {
    /// A client of this app: `TestClient::new(app())`.
    #[must_use]
    pub fn new(app: App) -> Self {
        TestClient {
            inside: Rc::new(Inside {
                app,
                world: Rc::default(),
                spawned: Spawned::default(),
                sockets: Sockets::default(),
                started: clock::now(),
            }),
            place: OnceCell::new(),
            jar: RefCell::default(),
            headers: Headers::new(),
            last_request: Cell::new(0),
            started: Instant::now(),
        }
    }

    /// A client that calls the app natively, whatever `DUNLIN_TEST` says: for
    /// tests that turn the clock.
    #[must_use]
    pub fn native(app: App) -> Self {
        let client = TestClient::new(app);
        let _ = client.place.set(Place::Native);
        client
    }

    /// The same client; it sends this header field with every request that has
    /// no such field of its own.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.append(name, value);
        self
    }

    /// A request with any method. `target` is the path, and a query if wanted,
    /// below the function's mount.
    ///
    /// # Panics
    /// If `target` does not begin with `/`.
    #[track_caller]
    pub fn request(&self, method: Method, target: &str) -> TestRequest<'_> {
        TestRequest::new(self, method.as_str(), target)
    }

    /// A cookie that the client holds.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        let jar = self.jar.borrow();
        jar.get(name, self.now()).map(str::to_owned)
    }

    /// Has the client hold a cookie, and send it with every request.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.jar.borrow_mut().set(name, value);
    }

    /// Answers what the app [`fetch`](crate::fetch)es.
    ///
    /// The fake is called with each outgoing request, whose
    /// [`target`](Request::target) is the whole URL; it answers as a handler
    /// does, or with `Err(FetchError)`. See also
    /// [`on_fetch_from`](TestClient::on_fetch_from).
    ///
    /// # Panics
    /// If requests went to a real host already.
    #[track_caller]
    pub fn on_fetch<F, A>(&self, fake: F)
    where
        F: Fn(Request) -> A + 'static,
        A: Future<Output: FakeAnswer> + 'static,
    {
        self.on_fetch_from("", fake);
    }

    /// Answers what the app fetches from URLs that begin with `prefix`. Of
    /// several that fit, the longest prefix answers.
    ///
    /// # Panics
    /// If requests went to a real host already.
    #[track_caller]
    pub fn on_fetch_from<F, A>(&self, prefix: &str, fake: F)
    where
        F: Fn(Request) -> A + 'static,
        A: Future<Output: FakeAnswer> + 'static,
    {
        self.assert_in_reach();
        self.inside.world.on_fetch(prefix.to_owned(), fake);
    }

    /// Puts a value in place of a [`Dependency`]; the function that would
    /// provide it is not called, and nothing is torn down.
    ///
    /// ```
    /// # use dunlin::prelude::*;
    /// # use dunlin::testing::TestClient;
    /// struct User {
    ///     name: String,
    /// }
    ///
    /// #[dependency]
    /// async fn current_user() -> Result<User, HttpError> {
    ///     Err(HttpError::new(StatusCode::UNAUTHORIZED, "Who are you?"))
    /// }
    ///
    /// #[get("/me")]
    /// async fn me(user: Dep<User>) -> String {
    ///     user.name.clone()
    /// }
    ///
    /// dunlin::app![me];
    ///
    /// # fn main() {
    /// let client = TestClient::new(app());
    /// client.provide(|| User { name: "ada".into() });
    /// assert_eq!(client.get("/me").send().text(), "ada");
    /// # }
    /// ```
    ///
    /// # Panics
    /// If requests went to a real host already.
    #[track_caller]
    pub fn provide<T: Dependency>(&self, value: impl Fn() -> T + 'static) {
        self.provide_with(async move |_: &mut Parts| Ok::<T, Rejection>(value()));
    }

    /// The same with a function that sees the request, may wait, and may fail.
    ///
    /// # Panics
    /// If requests went to a real host already.
    #[track_caller]
    pub fn provide_with<T, R, F>(&self, provider: F)
    where
        T: Dependency,
        R: Into<Rejection>,
        F: AsyncFn(&mut Parts) -> Result<T, R> + 'static,
    {
        self.assert_in_reach();
        self.inside.world.provide_with(provider);
    }

    /// Sets a variable or a secret for what [`var`](crate::var) reads;
    /// `std::env::var` has the environment of the test.
    ///
    /// # Panics
    /// If requests went to a real host already.
    #[track_caller]
    pub fn set_var(&self, name: &str, value: &str) {
        self.assert_in_reach();
        self.inside.world.set_var(name, value);
    }

    /// The virtual time since the client was made: how long the app has waited
    /// so far.
    ///
    /// # Panics
    /// In a real host, where time is what it is: use [`TestClient::native`].
    #[must_use]
    #[track_caller]
    pub fn elapsed(&self) -> Duration {
        match self.place() {
            Place::Native => self.inside.elapsed(),
            Place::Host(_) => panic!(
                "a real host has no virtual clock: make this client with \
                 `TestClient::native(app())`, or leave `DUNLIN_TEST=host` away"
            ),
        }
    }

    /// Fakes are of no use once requests go to a host.
    #[track_caller]
    fn assert_in_reach(&self) {
        assert!(
            !matches!(self.place.get(), Some(Place::Host(_))),
            "no test can reach into a real host: say so before the first request, or make this \
             client with `TestClient::native(app())`"
        );
    }

    #[track_caller]
    fn place(&self) -> &Place {
        // No closure: a panic is to name the test's line.
        if let Some(place) = self.place.get() {
            return place;
        }
        let place = if !Host::wanted() {
            Place::Native
        } else if self.inside.world.is_untouched() {
            Place::Host(Host::running())
        } else {
            eprintln!("this test fakes the app's surroundings: it runs natively, in no host");
            Place::Native
        };
        self.place.get_or_init(|| place)
    }

    #[track_caller]
    fn now(&self) -> Duration {
        match self.place() {
            Place::Native => self.inside.elapsed(),
            Place::Host(_) => self.started.elapsed(),
        }
    }

    /// What cookies' paths are compared with: a host has the mount before it.
    #[track_caller]
    fn path_on_server(&self, path: &str) -> String {
        match self.place() {
            Place::Native => path.to_owned(),
            Place::Host(host) => format!("{}{path}", host.mount),
        }
    }

    /// The fields of a request that sets `own`.
    #[track_caller]
    pub(super) fn headers_for(&self, own: &Headers, target: &str) -> Headers {
        let mut headers = Headers::new();
        if let Place::Native = self.place() {
            // What every request through a host has.
            self.last_request.set(self.last_request.get() + 1);
            headers.append("host", "localhost");
            headers.append("x-request-id", format!("test-{}", self.last_request.get()));
        }
        headers.replace_with(self.headers.clone());
        let path = self.path_on_server(target.split('?').next().unwrap_or_default());
        let mut cookies = self.jar.borrow().pairs_for(&path, self.now());
        let mine = own.get_all("cookie");
        cookies.extend(mine.map(|value| String::from_utf8_lossy(value).into_owned()));
        headers.replace_with(own.clone());
        if !cookies.is_empty() {
            headers.insert("cookie", cookies.join("; "));
        }
        headers
    }

    #[track_caller]
    pub(super) fn send(&self, request: Request) -> TestResponse {
        let path = self.path_on_server(request.path());
        let answer = match self.place() {
            Place::Native => {
                let inside = &self.inside;
                let answer = inside.run(inside.app.answer(request));
                inside.finish(answer)
            }
            Place::Host(host) => host.send(request),
        };
        self.keep_cookies(answer.headers(), &path);
        answer
    }

    /// The WebSocket, or the answer that refuses it.
    #[track_caller]
    pub(super) fn open(&self, mut request: Request) -> Result<TestSocket, TestResponse> {
        let path = self.path_on_server(request.path());
        let (headers, peer) = match self.place() {
            Place::Native => {
                // The host has seen to the rest of the handshake.
                request.headers_mut().append("sec-websocket-key", "test");
                let (body, out) = Native::body();
                let request = request.with_body(body);
                let inside = &self.inside;
                let answer = inside.run(inside.app.answer(request));
                if answer.status != StatusCode::SWITCHING_PROTOCOLS {
                    let answer = inside.finish(answer);
                    self.keep_cookies(answer.headers(), &path);
                    return Err(answer);
                }
                let native = Native::accepted(Rc::clone(inside), out, answer.body);
                (answer.headers, Peer::Native(native))
            }
            Place::Host(host) => {
                let opened = host.open(&request);
                let opened = opened.inspect_err(|answer| {
                    self.keep_cookies(answer.headers(), &path);
                })?;
                (opened.0, Peer::Host(opened.1))
            }
        };
        self.keep_cookies(&headers, &path);
        Ok(TestSocket::new(headers.get("sec-websocket-protocol"), peer))
    }

    fn keep_cookies(&self, headers: &Headers, path: &str) {
        let now = self.now();
        for field in headers.get_all("set-cookie") {
            let field = String::from_utf8_lossy(field);
            self.jar.borrow_mut().take_in(&field, path, now);
        }
    }
}

macro_rules! methods {
    ($($name:ident $method:ident)*) => {
        impl TestClient {$(
            #[doc = concat!("A `", stringify!($method), "` request: see [`request`](TestClient::request).")]
            ///
            /// # Panics
            /// If `target` does not begin with `/`.
            #[track_caller]
            pub fn $name(&self, target: &str) -> TestRequest<'_> {
                self.request(Method::$method, target)
            }
        )*}
    };
}

methods! {
    get GET
    post POST
    put PUT
    patch PATCH
    delete DELETE
    head HEAD
    options OPTIONS
}

impl Inside {
    fn elapsed(&self) -> Duration {
        clock::now() - self.started
    }

    /// Runs `work`, and beside it what was spawned.
    pub(super) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let work = self.sockets.beside(work);
        self.world.within(|| block_on(self.spawned.beside(work)))
    }

    /// Runs what was spawned to its end; with open WebSockets, whose handlers
    /// may have spawned it for as long as they last, not at all.
    ///
    /// # Panics
    /// If it has none.
    #[track_caller]
    pub(super) fn run_spawned(&self) {
        if self.sockets.are_open() {
            return;
        }
        let ended = self
            .world
            .within(|| block_on(timeout(SPAWNED_LIMIT, self.spawned.to_the_end())));
        assert!(
            ended.is_ok(),
            "work given to `spawn` has not ended within an hour: a host would drop it at the \
             function's deadline"
        );
    }

    #[track_caller]
    fn finish(self: &Rc<Self>, answer: crate::Response) -> TestResponse {
        let body = match answer.body.0 {
            Kind::Bytes(bytes) => {
                self.run_spawned();
                Source::Whole(bytes)
            }
            stream => Source::Native(crate::Body(stream), Rc::clone(self)),
        };
        TestResponse::new(answer.status, answer.headers, body)
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient")
            .field("app", &self.inside.app)
            .field("cookies", &self.jar)
            .finish_non_exhaustive()
    }
}
