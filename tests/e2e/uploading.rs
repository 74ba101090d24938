//! How `dunlin deploy` sends a component, and what it says of it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::{Host, component, dunlin, function_folder, run};

#[tokio::test]
async fn deploy_tells_where_to_call_and_how_long_it_took() {
    let host = Host::start().await;
    let folder = function_folder("hello", "mount = \"/v1\"").await;
    let folder = folder.path.to_str().expect("is UTF-8");
    let url = host.url("/v1");
    let human = host.run(["deploy", folder]).await.succeeded();
    let first = human.stdout.lines().next().unwrap_or_default();
    assert_eq!(first, format!("deployed hello@1 at {url}"));
    // No bars where there is no terminal.
    assert!(!human.stderr.contains('\r'), "{human:#?}");

    let json = host.run(["deploy", folder, "--json"]).await.succeeded();
    let json = &json.json()[0];
    assert_eq!(json["url"], url);
    let steps = json["steps"].as_array().expect("a list");
    let names: Vec<_> = steps.iter().map(|step| step["name"].as_str()).collect();
    assert_eq!(names[..2], [Some("build"), Some("upload")], "{json:#}");
    assert!(names.contains(&Some("swap")), "{json:#}");

    let named = function_folder("hello", "host = \"hello.test\"").await;
    let named = named.path.to_str().expect("is UTF-8");
    let json = host.run(["deploy", named, "--json"]).await.succeeded();
    let port = host.listen.port();
    assert_eq!(json.json()[0]["url"], format!("http://hello.test:{port}/"));
}

/// Some other answers of the admin API.
#[derive(Default)]
struct Forgetful {
    asked: Mutex<Vec<String>>,
    sent: Mutex<Bytes>,
}

impl Forgetful {
    /// Says that it has the component, and then that it does not, until it was
    /// sent.
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let (_, kind) = path.rsplit_once('/').expect("is a path");
        let kind = if path.contains("/components/") {
            "component"
        } else {
            kind
        };
        self.asked
            .lock()
            .expect("is whole")
            .push(format!("{} {kind}", head.method));
        let body = body.collect().await.expect("is whole").to_bytes();
        let has = !self.sent.lock().expect("is whole").is_empty();
        let (status, json) = match (head.method, kind) {
            (Method::HEAD, "component") => (StatusCode::NO_CONTENT, json!(null)),
            (Method::PUT, "component") => {
                *self.sent.lock().expect("is whole") = body;
                (StatusCode::CREATED, json!(null))
            }
            (Method::POST, "versions") if has => {
                let steps = json!([{ "name": "swap", "ms": 1.5 }]);
                (
                    StatusCode::CREATED,
                    json!({ "name": "hello", "mount": "/hello", "steps": steps }),
                )
            }
            (Method::POST, "versions") => {
                let problem = json!({ "title": "the host has no such component", "causes": [] });
                (StatusCode::PRECONDITION_FAILED, problem)
            }
            (Method::GET, "host") => (
                StatusCode::OK,
                json!({ "scheme": "http", "listen": "0.0.0.0:80" }),
            ),
            _ => (StatusCode::NOT_FOUND, json!(null)),
        };
        let mut response = Response::new(Full::from(json.to_string()));
        *response.status_mut() = status;
        response
    }
}

#[tokio::test]
async fn a_component_that_was_cleaned_up_in_between_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("is bound");
    let forgetful = Arc::new(Forgetful::default());
    let shared = forgetful.clone();
    let serving = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let shared = shared.clone();
            tokio::spawn(async move {
                let service = service_fn(async |request| {
                    Ok::<_, std::convert::Infallible>(shared.answer(request).await)
                });
                let connection = hyper::server::conn::http1::Builder::new();
                // Ends with its client.
                let _ = connection
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    });
    let folder = function_folder("hello", "").await;
    let mut deploy = dunlin();
    deploy
        .arg("deploy")
        .arg(&folder.path)
        .args(["--host", &format!("http://{address}")]);
    let deployed = run(&mut deploy).await.succeeded();
    serving.abort();
    assert_eq!(
        *forgetful.asked.lock().expect("is whole"),
        [
            "HEAD component",
            "POST versions",
            "PUT component",
            "POST versions",
            "GET host"
        ]
    );
    let hello = component("hello").await;
    assert!(*forgetful.sent.lock().expect("is whole") == hello);
    // A host that listens on all addresses is where its admin API is.
    assert!(
        deployed.stdout.contains("http://127.0.0.1:80/hello"),
        "{deployed:#?}"
    );
}
