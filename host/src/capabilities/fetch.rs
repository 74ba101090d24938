//! `dunlin:function/fetch`: one typed call for a whole outgoing request.

use super::egress::EgressError;
use super::held::NothingFree;
use super::{Context, HasContext};
use crate::contract::{Body, fetch, request_from_guest, response_to_guest, types};
use std::error::Error as _;
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

impl types::Host for &mut Context {}
impl fetch::Host for &mut Context {}

impl<T> fetch::HostWithStore<T> for HasContext
where
    T: AsMut<Context> + Send + 'static,
{
    async fn fetch(
        accessor: &Accessor<T, Self>,
        request: types::Request,
    ) -> Result<types::Response, fetch::Error> {
        let (request, actor, grants) = accessor.with(|mut access| {
            let actor = Context::actor(access.as_context_mut());
            let grants = access.get().grants.clone();
            let request = request_from_guest(access.as_context_mut(), request);
            let request = request.map(|request| request.map(|it| hold(access.get(), it)));
            (request, actor, grants)
        });
        let request = request
            .map_err(|error| fetch::Error::InvalidRequest(error.to_string()))?
            .map_err(|error| fetch::Error::InvalidRequest(error.to_string()))?
            .map_err(|error| fetch::Error::TooManyRequests(error.to_string()))?;
        grants.count_outgoing(&actor).map_err(to_guest)?;
        let hops = actor.hops();
        // A request that waits for its answer keeps no invocation alive.
        drop(actor);
        let response = grants.egress.send(request, hops).await.map_err(to_guest)?;
        accessor
            .with(|access| response_to_guest(access, response.map(Body::arrived)))
            .map_err(|error| fetch::Error::Protocol(error.to_string()))
    }
}

fn hold(
    context: &Context,
    request: http::Request<Body>,
) -> Result<http::Request<Body>, NothingFree> {
    let (head, body) = request.into_parts();
    Ok(http::Request::from_parts(head, context.hold(body)?))
}

fn to_guest(error: EgressError) -> fetch::Error {
    let kind = match error {
        EgressError::TooManyRequests { .. } => fetch::Error::TooManyRequests,
        EgressError::Denied(_) => fetch::Error::Denied,
        EgressError::InvalidRequest { .. } => fetch::Error::InvalidRequest,
        EgressError::Dns { .. } => fetch::Error::Dns,
        EgressError::Connect { .. } | EgressError::Tls { .. } => fetch::Error::Connect,
        EgressError::Timeout { .. } => fetch::Error::Timeout,
        EgressError::Protocol { .. } => fetch::Error::Protocol,
    };
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    kind(text)
}
