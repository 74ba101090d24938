//! Our own contract, `wit/function.wit`: one call in, one call out.

use http::StatusCode;

use super::bindings::dunlin::function::{fetch as outgoing, types as wit};
use super::bindings::exports::dunlin::function::{describe, handler};
use super::{Component, Root, body};
use crate::fetch::FetchError;
use crate::headers::Headers;
use crate::request::Request;
use crate::response::Response;

impl<R: Root> handler::Guest for Component<R> {
    async fn handle(route: u32, request: wit::Request) -> Result<wit::Response, String> {
        let request = Request::assemble(
            request.method,
            request.target,
            Headers::from_wire(request.headers),
            body::lift(request.body),
        );
        let response = R::app().call_route(route, request).await?;
        Ok(wit::Response {
            status: response.status.as_u16(),
            headers: response.headers.into_wire(),
            body: body::lower(response.body)?,
        })
    }
}

impl<R: Root> describe::Guest for Component<R> {
    fn describe() -> String {
        R::app().describe()
    }
}

pub(crate) async fn fetch(request: Request) -> Result<Response, FetchError> {
    let (parts, body) = request.into_parts();
    let request = wit::Request {
        method: parts.method,
        target: parts.target,
        headers: parts.headers.into_wire(),
        body: body::lower_for_fetch(body),
    };
    let response = outgoing::fetch(request).await?;
    let status = StatusCode::from_u16(response.status)
        .map_err(|_| FetchError::Protocol(format!("there is no status {}", response.status)))?;
    let headers = Headers::from_wire(response.headers);
    Ok(Response {
        status,
        headers,
        body: body::lift_fetched(response.body),
    })
}

impl From<outgoing::Error> for FetchError {
    fn from(error: outgoing::Error) -> Self {
        match error {
            outgoing::Error::Denied(text) => FetchError::Denied(text),
            outgoing::Error::InvalidRequest(text) => FetchError::InvalidRequest(text),
            outgoing::Error::Dns(text) => FetchError::Dns(text),
            outgoing::Error::Connect(text) => FetchError::Connect(text),
            outgoing::Error::Timeout(text) => FetchError::Timeout(text),
            outgoing::Error::Protocol(text) => FetchError::Protocol(text),
            outgoing::Error::TooManyRequests(text) => FetchError::TooManyRequests(text),
        }
    }
}
