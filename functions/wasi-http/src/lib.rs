//! A standard component, `wasi:http` 0.2, written without the Dunlin SDK.
//!
//! `GET /` answers a text; `POST /` sends the body back while it comes in.
//! Dunlin serves such components as they are, each request in an instance of
//! its own; so does any other host of `wasi:http`.

#![cfg(target_arch = "wasm32")]

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse,
    ResponseOutparam,
};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

/// How much is passed on at once, in bytes, at most.
const PIECE: u64 = 64 * 1024;

struct Component;

wasip2::http::proxy::export!(Component);

impl Guest for Component {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let method = request.method();
        let target = request.path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let sent = match (method, path) {
            (Method::Get, "/" | "") => text(answer, 200, "Hello from wasi:http 0.2!\n"),
            (Method::Post, "/" | "") => echo(&request, answer),
            (_, "/" | "") => text(answer, 405, "GET or POST\n"),
            _ => text(answer, 404, "not here\n"),
        };
        if sent.is_err() {
            // The response, if any, is left without its end: the host cuts it.
            eprintln!("the answer could not be sent whole");
        }
    }
}

/// The answer could not be sent whole.
struct Cut;

impl From<StreamError> for Cut {
    fn from(_: StreamError) -> Self {
        Cut
    }
}

impl From<ErrorCode> for Cut {
    fn from(_: ErrorCode) -> Self {
        Cut
    }
}

impl From<()> for Cut {
    fn from((): ()) -> Self {
        Cut
    }
}

fn text(answer: ResponseOutparam, status: u16, text: &str) -> Result<(), Cut> {
    respond(answer, status, "text/plain; charset=utf-8", |out| {
        out.blocking_write_and_flush(text.as_bytes())
    })
}

fn echo(request: &IncomingRequest, answer: ResponseOutparam) -> Result<(), Cut> {
    let body = request.consume()?;
    let input = body.stream()?;
    let copied = respond(answer, 200, "application/octet-stream", |out| {
        copy(&input, out)
    });
    // The stream is a child of the body and must go first.
    drop(input);
    drop(IncomingBody::finish(body));
    copied
}

/// Passes on what comes in, as it comes in, until it ends.
fn copy(input: &InputStream, out: &OutputStream) -> Result<(), StreamError> {
    loop {
        match out.blocking_splice(input, PIECE) {
            Ok(_) => {}
            Err(StreamError::Closed) => return out.blocking_flush(),
            Err(error) => return Err(error),
        }
    }
}

/// Sends the head, then lets `write` send the body.
fn respond(
    answer: ResponseOutparam,
    status: u16,
    content_type: &str,
    write: impl FnOnce(&OutputStream) -> Result<(), StreamError>,
) -> Result<(), Cut> {
    let fields = Fields::new();
    fields
        .set("content-type", &[content_type.as_bytes().to_vec()])
        .map_err(|_| Cut)?;
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status)?;
    let body = response.body()?;
    ResponseOutparam::set(answer, Ok(response));
    let out = body.write()?;
    write(&out)?;
    // The stream is a child of the body and must go first.
    drop(out);
    OutgoingBody::finish(body, None)?;
    Ok(())
}
