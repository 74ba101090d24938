//! A function without Dunlin's SDK: a component of the standard `wasi:http` 0.3,
//! which runs on other hosts too. `GET /` answers a text; `POST /` sends the
//! body back while it still comes in.

#![cfg(target_arch = "wasm32")]

use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response};
use wasip3::wit_bindgen::{StreamReader, spawn_local};
use wasip3::{wit_future, wit_stream};

struct Component;

wasip3::http::service::export!(Component);

impl Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        match (request.get_method(), path) {
            (Method::Get, "/" | "") => Ok(text(200, "Hello from {{name}}!\n")),
            (Method::Post, "/" | "") => {
                // Dropping the writer says that the request was handled without an error.
                let (_, handled) = wit_future::new(|| Ok(()));
                let (body, _trailers) = Request::consume_body(request, handled);
                Ok(respond(200, "application/octet-stream", body))
            }
            (_, "/" | "") => Ok(text(405, "GET or POST\n")),
            _ => Ok(text(404, "not here\n")),
        }
    }
}

fn text(status: u16, text: &'static str) -> Response {
    let (mut writer, body) = wit_stream::new();
    // The body is read once the answer has been returned.
    spawn_local(async move {
        // What is left was not wanted: the caller is gone.
        let _left = writer.write_all(text.into()).await;
    });
    respond(status, "text/plain; charset=utf-8", body)
}

fn respond(status: u16, content_type: &str, body: StreamReader<u8>) -> Response {
    let fields = Fields::new();
    fields
        .append("content-type", content_type.as_bytes())
        .expect("the field is a valid one");
    // Dropping the writer says that there are no trailers.
    let (_, end) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(fields, Some(body), end);
    response
        .set_status_code(status)
        .expect("the status is a valid one");
    response
}
