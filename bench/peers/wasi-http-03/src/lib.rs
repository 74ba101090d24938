//! The bench's routes as a standard `wasi:http` 0.3 component, on the bare
//! bindings: no library between the host and the handlers.

#![cfg(target_arch = "wasm32")]

#[path = "../../../src/order.rs"]
mod order;
#[path = "../../../src/query.rs"]
mod query;
#[path = "../../../src/work.rs"]
mod work;

use futures::future::try_join3;
use wasip3::{
    clocks::monotonic_clock,
    exports::http::handler::Guest,
    http::{
        client,
        types::{ErrorCode, Fields, Method, Request, Response, Scheme},
    },
    wit_bindgen::spawn_local,
    wit_future, wit_stream,
};

use crate::{order::Order, query::parameter, work::count_primes};

struct Component;

wasip3::http::service::export!(Component);

impl Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match (request.get_method(), path) {
            (Method::Get, "/hello") => respond("text/plain", "hello"),
            (Method::Get, "/sleep") => {
                monotonic_clock::wait_for(number(query, "ms")? * 1_000_000).await;
                respond("text/plain", "slept")
            }
            (Method::Get, "/cpu" | "/cpu-async") => {
                let below = u32::try_from(number(query, "below")?)
                    .map_err(|_| failed("`below` is too large"))?;
                respond("text/plain", count_primes(below).to_string())
            }
            (Method::Get, "/fanout") => {
                let url = parameter(query, "url").ok_or_else(|| failed("`url` is missing"))?;
                let (a, b, c) = try_join3(length(url), length(url), length(url)).await?;
                respond("text/plain", (a + b + c).to_string())
            }
            (Method::Post, "/echo") => {
                let (_, handled) = wit_future::new(|| Ok(()));
                let (body, _trailers) = Request::consume_body(request, handled);
                let order: Order = serde_json::from_slice(&body.collect().await)
                    .map_err(|error| failed(&error.to_string()))?;
                let json =
                    serde_json::to_vec(&order).map_err(|error| failed(&error.to_string()))?;
                respond("application/json", json)
            }
            (Method::Post, "/bytes") => {
                let (_, handled) = wit_future::new(|| Ok(()));
                let (body, _trailers) = Request::consume_body(request, handled);
                respond("application/octet-stream", body.collect().await)
            }
            _ => Err(ErrorCode::DestinationNotFound),
        }
    }
}

fn failed(reason: &str) -> ErrorCode {
    ErrorCode::InternalError(Some(reason.to_owned()))
}

fn number(query: &str, name: &str) -> Result<u64, ErrorCode> {
    parameter(query, name)
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| failed(&format!("`{name}` is not a number")))
}

async fn length(url: &str) -> Result<usize, ErrorCode> {
    let (authority, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| failed("`url` is not like http://host/path"))?;
    let invalid = |()| failed("`url` is invalid");
    let (_, end) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), None, end, None);
    request.set_scheme(Some(&Scheme::Http)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request
        .set_path_with_query(Some(&format!("/{path}")))
        .map_err(invalid)?;
    let response = client::send(request).await?;
    let (_, handled) = wit_future::new(|| Ok(()));
    let (body, _trailers) = Response::consume_body(response, handled);
    Ok(body.collect().await.len())
}

fn respond(content_type: &str, body: impl Into<Vec<u8>>) -> Result<Response, ErrorCode> {
    let body = body.into();
    let fields = Fields::new();
    for (name, value) in [
        ("content-type", content_type),
        ("content-length", &body.len().to_string()),
    ] {
        fields
            .append(name, value.as_bytes())
            .map_err(|_| failed("a field was refused"))?;
    }
    let (mut writer, reader) = wit_stream::new();
    // Dropping the other end says that there are no trailers.
    let (_, end) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(fields, Some(reader), end);
    // The body is read once this call has returned.
    spawn_local(async move {
        // What is left was not wanted: the client is gone.
        let _left = writer.write_all(body).await;
    });
    Ok(response)
}
