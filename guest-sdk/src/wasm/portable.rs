//! The standard, `wasi:http` 0.3: how other hosts call the same app.

use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{
    ErrorCode, Fields, HeaderError, Method, Request as WasiRequest, Response as WasiResponse,
};
use wasip3::{wit_future, wit_stream};

use super::body::{self, End, Incoming};
use super::{Component, Root, failure};
use crate::body::{Body, Kind};
use crate::request::Request;
use crate::response::Response;

impl<R: Root> Guest for Component<R> {
    async fn handle(request: WasiRequest) -> Result<WasiResponse, ErrorCode> {
        lower(R::app().call(lift(request)).await)
    }
}

fn lift(request: WasiRequest) -> Request {
    let method = method(request.get_method());
    let target = match request.get_path_with_query() {
        Some(target) if target.starts_with('/') => target,
        Some(query) => format!("/{query}"),
        None => "/".to_owned(),
    };
    let fields = request.get_headers().copy_all();
    let fields = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()));
    let headers = fields.collect();
    // Dropping the writer says that the request was handled without an error.
    let (_, handled) = wit_future::new(|| Ok(()));
    let (data, end) = WasiRequest::consume_body(request, handled);
    let body = Body(Kind::Incoming(Incoming {
        data,
        end: End::Portable(end),
    }));
    Request::assemble(method, target, headers, body)
}

fn method(method: Method) -> String {
    let name = match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => return name,
    };
    name.to_owned()
}

fn lower(mut response: Response) -> Result<WasiResponse, ErrorCode> {
    if let Kind::Bytes(bytes) = &response.body.0
        && !bytes.is_empty()
        && !response.headers.contains("content-length")
    {
        response
            .headers
            .append("content-length", bytes.len().to_string());
    }
    let fields = Fields::from_list(&response.headers.to_list()).map_err(|error| {
        failure(&format!(
            "a header field of the answer is not valid: {}",
            reason(&error)
        ))
    })?;
    let (data, whole) = match response.body.0 {
        Kind::Bytes(bytes) => {
            let (mut out, data) = wit_stream::new();
            super::spawn(async move {
                // The host may not be interested in all of it.
                let _ = out.write_all(bytes).await;
            });
            // Dropping the writer says that nothing went wrong.
            let (_, whole) = wit_future::new(|| Ok(None));
            (data, whole)
        }
        Kind::Stream(source) => source.lower_portable(),
        Kind::Incoming(Incoming {
            data,
            end: End::Portable(end),
        }) => (data, end),
        Kind::Incoming(_) => return Err(failure(body::USED_UP)),
    };
    let (answer, _sent) = WasiResponse::new(fields, Some(data), whole);
    answer
        .set_status_code(response.status.as_u16())
        .map_err(|()| failure(&format!("{} is not a status", response.status.as_u16())))?;
    Ok(answer)
}

fn reason(error: &HeaderError) -> &str {
    match error {
        HeaderError::InvalidSyntax => "syntax",
        HeaderError::Forbidden => "only the host may set it",
        HeaderError::SizeExceeded => "too large",
        HeaderError::Immutable => "immutable",
        HeaderError::Other(text) => text.as_deref().unwrap_or("unknown"),
    }
}
