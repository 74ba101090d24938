//! A standard `wasi:http` 0.3 component, written without the Dunlin SDK:
//! whatever the method, it sends the request's body back. Below `/fetch/` it
//! answers what `http://` and the rest of the path answers; below `/fetches/`
//! it tells how many of ten such requests, one after the other, were answered.

#![cfg(target_arch = "wasm32")]

use wasip3::exports::http::handler::Guest;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use wasip3::wit_future;

struct Component;

wasip3::http::service::export!(Component);

impl Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        if let Some(authority) = target.strip_prefix("/fetch/") {
            return fetch(authority).await;
        }
        if let Some(authority) = target.strip_prefix("/fetches/") {
            let mut answered = 0;
            while answered < 10 && fetch(authority).await.is_ok() {
                answered += 1;
            }
            let fields = Fields::new();
            fields
                .append("x-answered", answered.to_string().as_bytes())
                .map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
            let (_, end) = wit_future::new(|| Ok(None));
            return Ok(Response::new(fields, None, end).0);
        }
        let fields = Fields::new();
        fields
            .append("x-target", target.as_bytes())
            .map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
        // Dropping the writer says that the request was handled without an error.
        let (_, handled) = wit_future::new(|| Ok(()));
        let (body, end) = Request::consume_body(request, handled);
        let (response, _sent) = Response::new(fields, Some(body), end);
        Ok(response)
    }
}

async fn fetch(address: &str) -> Result<Response, ErrorCode> {
    let (_, end) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), None, end, None);
    let (authority, path) = match address.split_once('/') {
        Some((authority, _)) => (authority, &address[authority.len()..]),
        None => (address, "/"),
    };
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    request.set_scheme(Some(&Scheme::Http)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request.set_path_with_query(Some(path)).map_err(invalid)?;
    client::send(request).await
}
