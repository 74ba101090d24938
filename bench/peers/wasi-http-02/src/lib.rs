//! The bench's routes as a standard `wasi:http` 0.2 component, on the bare
//! bindings: no library between the host and the handlers.

#![cfg(target_arch = "wasm32")]

#[path = "../../../src/order.rs"]
mod order;
#[path = "../../../src/query.rs"]
mod query;
#[path = "../../../src/work.rs"]
mod work;

use wasip2::{
    clocks::monotonic_clock,
    exports::http::incoming_handler::Guest,
    http::{
        outgoing_handler,
        types::{
            ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingRequest, Method,
            OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam, Scheme,
        },
    },
    io::streams::StreamError,
};

use crate::{order::Order, query::parameter, work::count_primes};

struct Component;

wasip2::http::proxy::export!(Component);

impl Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let answer = route(&request).unwrap_or_else(|Failed(reason)| Answer {
            status: 500,
            content_type: "text/plain",
            body: reason.into(),
        });
        if let Err(Failed(reason)) = respond(answer, out) {
            eprintln!("the answer could not be sent: {reason}");
        }
    }
}

struct Answer {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
}

/// Why a request has no answer.
struct Failed(String);

impl From<ErrorCode> for Failed {
    fn from(error: ErrorCode) -> Self {
        Self(error.to_string())
    }
}

impl From<StreamError> for Failed {
    fn from(error: StreamError) -> Self {
        Self(error.to_string())
    }
}

impl From<serde_json::Error> for Failed {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

fn failed(reason: &str) -> Failed {
    Failed(reason.to_owned())
}

fn route(request: &IncomingRequest) -> Result<Answer, Failed> {
    let target = request.path_with_query().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let text = |body: String| Answer {
        status: 200,
        content_type: "text/plain",
        body: body.into_bytes(),
    };
    Ok(match (request.method(), path) {
        (Method::Get, "/hello") => text("hello".to_owned()),
        (Method::Get, "/sleep") => {
            let ms = number(query, "ms")?;
            monotonic_clock::subscribe_duration(ms * 1_000_000).block();
            text("slept".to_owned())
        }
        (Method::Get, "/cpu" | "/cpu-async") => {
            let below = u32::try_from(number(query, "below")?)
                .map_err(|_| failed("`below` is too large"))?;
            text(count_primes(below).to_string())
        }
        (Method::Get, "/fanout") => {
            let url = parameter(query, "url").ok_or_else(|| failed("`url` is missing"))?;
            text(fan_out(url)?.to_string())
        }
        (Method::Post, "/echo") => {
            let body = request.consume().map_err(|()| failed("no body"))?;
            let order: Order = serde_json::from_slice(&read(&body)?)?;
            Answer {
                status: 200,
                content_type: "application/json",
                body: serde_json::to_vec(&order)?,
            }
        }
        (Method::Post, "/bytes") => {
            let body = request.consume().map_err(|()| failed("no body"))?;
            Answer {
                status: 200,
                content_type: "application/octet-stream",
                body: read(&body)?,
            }
        }
        _ => Answer {
            status: 404,
            ..text("no such route".to_owned())
        },
    })
}

fn number(query: &str, name: &str) -> Result<u64, Failed> {
    parameter(query, name)
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| Failed(format!("`{name}` is not a number")))
}

/// Starts three calls, then awaits one after the other: they overlap.
fn fan_out(url: &str) -> Result<usize, Failed> {
    let (authority, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| failed("`url` is not like http://host/path"))?;
    let calls = [
        call(authority, path)?,
        call(authority, path)?,
        call(authority, path)?,
    ];
    calls.iter().map(length).sum()
}

fn call(authority: &str, path: &str) -> Result<FutureIncomingResponse, Failed> {
    let invalid = |()| failed("`url` is invalid");
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request
        .set_path_with_query(Some(&format!("/{path}")))
        .map_err(invalid)?;
    Ok(outgoing_handler::handle(request, None)?)
}

fn length(call: &FutureIncomingResponse) -> Result<usize, Failed> {
    call.subscribe().block();
    let response = call
        .get()
        .and_then(Result::ok)
        .ok_or_else(|| failed("an answer can be taken once"))??;
    let body = response
        .consume()
        .map_err(|()| failed("a body can be taken once"))?;
    Ok(read(&body)?.len())
}

fn read(body: &IncomingBody) -> Result<Vec<u8>, Failed> {
    const PIECE: u64 = 64 * 1024;
    let stream = body
        .stream()
        .map_err(|()| failed("a body can be read once"))?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(PIECE) {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(error) => return Err(error.into()),
        }
    }
}

fn respond(answer: Answer, out: ResponseOutparam) -> Result<(), Failed> {
    let fields = Fields::new();
    let length = answer.body.len().to_string();
    for (name, value) in [
        ("content-type", answer.content_type),
        ("content-length", &length),
    ] {
        fields
            .set(name, &[value.as_bytes().to_vec()])
            .map_err(|_| failed("a field was refused"))?;
    }
    let response = OutgoingResponse::new(fields);
    response
        .set_status_code(answer.status)
        .map_err(|()| failed("the status was refused"))?;
    let body = response.body().map_err(|()| failed("no body"))?;
    ResponseOutparam::set(out, Ok(response));
    {
        // A child of the body, which must go first.
        let stream = body.write().map_err(|()| failed("no stream"))?;
        // As much as one such call may write.
        for piece in answer.body.chunks(4096) {
            stream.blocking_write_and_flush(piece)?;
        }
    }
    OutgoingBody::finish(body, None)?;
    Ok(())
}
