//! Requests and responses on their way between HTTP and a guest.

use super::{Body, Head, fields, types};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use thiserror::Error;
use wasmtime::AsContextMut;

/// What makes a guest's message none that HTTP can carry.
#[derive(Debug, Error)]
pub enum InvalidMessage {
    /// See RFC 9110, section 15.
    #[error("status {0} is none a function can answer with: use 200 to 599")]
    Status(u16),
    /// See RFC 9110, section 9.
    #[error("`{0}` is not an HTTP method")]
    Method(String),
    /// See RFC 3986.
    #[error("`{0}` is not an absolute http or https URL")]
    Url(String),
    /// See RFC 9112, section 5.
    #[error("`{0}` is no header field: write `name: value` and CR LF")]
    Field(String),
    /// Our own limit.
    #[error("the header section is {0} bytes, limit {max}: send less, or send it as a body", max = fields::MAX_SECTION)]
    TooLong(usize),
}

/// What a guest may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A final answer.
    Answer,
    /// That, or status 101: it accepts a WebSocket.
    AnswerOrUpgrade,
}

/// Puts a request into the contract's form.
///
/// # Errors
///
/// When the store has no room for another stream.
pub fn request_to_guest(
    store: impl AsContextMut,
    head: &Head,
    body: Body,
) -> wasmtime::Result<types::Request> {
    let mut headers = fields::to_guest(&head.parts.headers);
    for (name, value) in &head.added {
        fields::push(&mut headers, name, value);
    }
    Ok(types::Request {
        method: head.parts.method.as_str().to_owned(),
        target: head.target().into_owned(),
        headers,
        body: body.into_guest(store)?,
    })
}

/// Puts a response, as of `fetch`, into the contract's form.
///
/// # Errors
///
/// When the store has no room for another stream.
pub fn response_to_guest(
    store: impl AsContextMut,
    response: http::Response<Body>,
) -> wasmtime::Result<types::Response> {
    let (parts, body) = response.into_parts();
    Ok(types::Response {
        status: parts.status.as_u16(),
        headers: fields::to_guest(&parts.headers),
        body: body.into_guest(store)?,
    })
}

/// Takes a guest's answer. `held` is kept until its body was sent whole.
///
/// # Errors
///
/// The inner error when HTTP can't carry the answer, the outer one when the
/// store has no room for its body.
pub fn response_from_guest<S>(
    store: S,
    response: types::Response,
    expected: Expected,
    held: impl Clone + Send + Unpin + 'static,
) -> wasmtime::Result<Result<http::Response<Body>, InvalidMessage>>
where
    S: AsContextMut,
    S::Data: Send,
{
    let status = match StatusCode::from_u16(response.status) {
        Ok(status) if (200..600).contains(&response.status) => Ok(status),
        Ok(status)
            if status == StatusCode::SWITCHING_PROTOCOLS
                && expected == Expected::AnswerOrUpgrade =>
        {
            Ok(status)
        }
        _ => Err(InvalidMessage::Status(response.status)),
    };
    let head = status.and_then(|status| Ok((status, fields::from_guest(response.headers)?)));
    let (status, mut headers) = match head {
        Ok(head) => head,
        Err(error) => {
            Body::refuse(store, response.body)?;
            return Ok(Err(error));
        }
    };
    let body = Body::from_guest(store, response.body, held)?;
    if matches!(body, Body::Whole(_)) {
        // Counted by the host, which cannot be wrong about it.
        headers.remove(header::CONTENT_LENGTH);
    }
    let mut answer = http::Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(Ok(answer))
}

/// Takes a guest's outgoing request.
///
/// # Errors
///
/// The inner error when HTTP can't carry the request, the outer one when the
/// store has no room for its body.
pub fn request_from_guest<S>(
    store: S,
    request: types::Request,
) -> wasmtime::Result<Result<http::Request<Body>, InvalidMessage>>
where
    S: AsContextMut,
    S::Data: Send,
{
    let (method, uri, mut headers) =
        match outgoing_head(&request.method, &request.target, request.headers) {
            Ok(head) => head,
            Err(error) => {
                Body::refuse(store, request.body)?;
                return Ok(Err(error));
            }
        };
    let body = Body::from_guest(store, request.body, ())?;
    if matches!(body, Body::Whole(_)) {
        headers.remove(header::CONTENT_LENGTH);
    }
    let mut outgoing = http::Request::new(body);
    *outgoing.method_mut() = method;
    *outgoing.uri_mut() = uri;
    *outgoing.headers_mut() = headers;
    Ok(Ok(outgoing))
}

fn outgoing_head(
    method: &str,
    target: &str,
    headers: types::Headers,
) -> Result<(Method, Uri, HeaderMap), InvalidMessage> {
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| InvalidMessage::Method(method.to_owned()))?;
    let uri = match target.parse::<Uri>() {
        Ok(uri) if uri.scheme().is_some() && uri.authority().is_some() => uri,
        _ => return Err(InvalidMessage::Url(target.to_owned())),
    };
    Ok((method, uri, fields::from_guest(headers)?))
}
