//! Hostile guests of `wasi:http` 0.2, a path each: what it lets a guest do
//! that our own contract does not.

#![cfg(target_arch = "wasm32")]

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::poll::poll;
use wasip2::io::streams::StreamError;

struct Component;

wasip2::http::proxy::export!(Component);

impl Guest for Component {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        match target.as_str() {
            "/well" => whole(answer, Fields::new(), "well"),
            "/lingering" => {
                whole(answer, Fields::new(), "well");
                subscribe_duration(u64::MAX / 2).block();
            }
            "/never" => drop(answer),
            "/sleep" => subscribe_duration(u64::MAX / 2).block(),
            "/busy-poll" => busy_poll(),
            "/pollables" => loop {
                std::mem::forget(subscribe_duration(u64::MAX / 2));
            },
            "/twice" => twice(answer),
            "/endless-headers" => whole(answer, endless_headers(), "body"),
            "/interim" => status(answer, 103),
            "/switching" => status(answer, 101),
            "/no-status" => status(answer, 999),
            "/invalid-header" => whole(answer, invalid_header(), "body"),
            "/endless-body" => endless_body(answer),
            _ => whole(answer, Fields::new(), "what?"),
        }
    }
}

fn whole(answer: ResponseOutparam, fields: Fields, text: &str) {
    let response = OutgoingResponse::new(fields);
    let body = response.body().expect("is taken once");
    ResponseOutparam::set(answer, Ok(response));
    let out = body.write().expect("is taken once");
    out.blocking_write_and_flush(text.as_bytes())
        .expect("the host takes it");
    drop(out);
    OutgoingBody::finish(body, None).expect("is whole");
}

/// None that ends a request.
fn status(answer: ResponseOutparam, status: u16) {
    let response = OutgoingResponse::new(Fields::new());
    response.set_status_code(status).expect("the host takes it");
    ResponseOutparam::set(answer, Ok(response));
}

fn busy_poll() {
    let over = subscribe_duration(0);
    loop {
        poll(&[&over]);
    }
}

/// The handle is used up by the first answer.
#[expect(unsafe_code, reason = "a handle is owned once, says the SDK; not here")]
fn twice(answer: ResponseOutparam) {
    let handle = answer.take_handle();
    for _ in 0..2 {
        // SAFETY: the host checks every handle; that is what is tested.
        let answer = unsafe { ResponseOutparam::from_handle(handle) };
        ResponseOutparam::set(answer, Ok(OutgoingResponse::new(Fields::new())));
    }
}

fn endless_headers() -> Fields {
    let fields = Fields::new();
    loop {
        fields
            .append("x-endless", &vec![b'x'; 1024])
            .expect("the host takes it");
    }
}

fn invalid_header() -> Fields {
    let fields = Fields::new();
    fields
        .append("x-split", b"a\r\nset-cookie: stolen=1\0\xff")
        .expect("the host takes it");
    fields
}

fn endless_body(answer: ResponseOutparam) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("is taken once");
    ResponseOutparam::set(answer, Ok(response));
    let out = body.write().expect("is taken once");
    let piece = vec![b'x'; 4096];
    loop {
        match out.blocking_write_and_flush(&piece) {
            Ok(()) => {}
            Err(StreamError::Closed | StreamError::LastOperationFailed(_)) => return,
        }
    }
}
