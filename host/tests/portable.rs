//! Components made with the SDK run on hosts that know nothing of Dunlin: here
//! the one of wasmtime itself, with WASI linked and nothing else.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside of test functions"
)]

use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use wasmtime::component::{Component, GuestTaskId, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store, StoreContextMut};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyHandler, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState,
    WorkerStatus,
};
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// What a guest has: WASI.
struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoHooks,
    table: ResourceTable,
}

struct NoHooks;

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for NoHooks {
    fn send_request(
        &mut self,
        _: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Io), Error>> + Send> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            hooks: &mut self.hooks,
            table: &mut self.table,
        }
    }
}

/// A server of one component, which reuses its instances as `wasmtime serve`
/// does.
struct Server {
    engine: Engine,
    component: ProxyPre<State>,
}

impl Server {
    fn start(component: &Path) -> ProxyHandler<Self> {
        let mut config = Config::new();
        config.wasm_component_model_async(true);
        let engine = Engine::new(&config).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        wasmtime_wasi::p3::add_to_linker(&mut linker).unwrap();
        wasmtime_wasi_http::p3::add_to_linker(&mut linker).unwrap();
        let component = Component::from_file(&engine, component).unwrap();
        // Fails if the component imports anything but WASI.
        let linked = linker.instantiate_pre(&component).unwrap();
        let component = ProxyPre::P3(ServicePre::new(linked).unwrap());
        ProxyHandler::new(Self { engine, component })
    }
}

impl HandlerState for Server {
    type StoreData = State;
    type WorkerExpiration = Never;
    type WorkerState = Reused;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Never, Reused>> {
        let state = State {
            wasi: WasiCtx::builder().inherit_stdio().build(),
            http: WasiHttpCtx::new(),
            hooks: NoHooks,
            table: ResourceTable::new(),
        };
        let mut store = Store::new(&self.engine, state);
        let proxy = self.component.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy,
            view: State::http,
            expiration: Never,
            state: Reused,
        })
    }
}

struct Never;

impl WorkerExpiration for Never {
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>, _: WorkerStatus, _: Instant) -> Poll<()> {
        Poll::Pending
    }
}

struct Reused;

impl WorkerState for Reused {
    type StoreData = State;
    type RequestData = ();

    fn should_accept_request(&self, _: usize, _: usize) -> ShouldAccept {
        ShouldAccept::Yes
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, State>,
        (): (),
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        Box::pin(std::future::pending())
    }

    fn drop(&self, _: Store<State>, result: wasmtime::Result<()>) {
        result.expect("no guest traps");
    }
}

/// Builds a function of `functions/` as its author would.
fn component(name: &str) -> String {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let built = Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .args(["build", &format!("functions/{name}")])
        .current_dir(repository)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    String::from_utf8(built.stdout).unwrap().trim().to_owned()
}

/// The answer's status and body.
async fn call(
    server: &ProxyHandler<Server>,
    method: &str,
    path: &str,
    body: &'static str,
) -> (StatusCode, String) {
    let body = Full::new(Bytes::from_static(body.as_bytes()));
    let request = Request::builder()
        .method(method)
        .uri(format!("http://localhost{path}"))
        .header("content-type", "application/json")
        .body(body.map_err(|never| match never {}).boxed_unsync())
        .unwrap();
    let answer = server.handle((), request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn hello_runs_elsewhere() {
    let server = Server::start(Path::new(&component("hello")));
    let ok = |text: &str| (StatusCode::OK, text.to_owned());
    assert_eq!(
        call(&server, "GET", "/", "").await,
        ok("Hello from Dunlin!")
    );
    assert_eq!(
        call(&server, "GET", "/Ada%20L", "").await,
        ok("Hello, Ada L!")
    );
    assert_eq!(call(&server, "HEAD", "/Ada", "").await, ok(""));
    assert_eq!(
        call(&server, "POST", "/Ada", "").await.0,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(
        call(&server, "GET", "/a/b", "").await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_tutorial_runs_elsewhere() {
    let server = Server::start(Path::new(&component("async-endpoints")));
    let slow = || call(&server, "GET", "/async-data", "");
    let (first, second, plain) = futures::join!(
        slow(),
        slow(),
        call(&server, "GET", "/sync-but-can-call-async", "")
    );
    let data = (
        StatusCode::OK,
        r#"{"message":"Data from slow call"}"#.to_owned(),
    );
    assert_eq!((first, second), (data.clone(), data));
    assert_eq!(plain.0, StatusCode::OK);
}

#[tokio::test]
async fn bodies_stream_elsewhere() {
    let server = Server::start(Path::new(&component("echo")));
    let ok = |text: &str| (StatusCode::OK, text.to_owned());
    assert_eq!(call(&server, "POST", "/", "a body").await, ok("a body"));
    assert_eq!(
        call(&server, "GET", "/count/3?millis=1", "").await,
        ok("1\n2\n3\n")
    );
    let order = r#"{"id":1,"customer":"Ada","items":[],"express":true}"#;
    assert_eq!(call(&server, "POST", "/json", order).await, ok(order));
    let wrong = call(&server, "POST", "/json", "{}").await;
    assert_eq!(wrong.0, StatusCode::UNPROCESSABLE_ENTITY);
}
