//! The standard interfaces: WASI 0.2 and 0.3 side by side, `wasi:http`'s
//! outgoing requests under the function's egress policy.

use super::egress::{EgressError, Hops};
use super::{Actor, Grants, Invocation};
use crate::contract::{Body, StreamBody};
use std::sync::{Arc, Weak};
use wasmtime::component::Linker;
use wasmtime_wasi::WasiView;
use wasmtime_wasi_http::{Error, RequestOptions, WasiHttpHooks, WasiHttpView};

/// Defines the standard interfaces. No folder is preopened and no socket may be
/// opened: what they offer beyond clocks, random bytes and the environment is
/// there only so that components that import it start.
pub(super) fn link<T>(linker: &mut Linker<T>) -> wasmtime::Result<()>
where
    T: WasiView + WasiHttpView + 'static,
{
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi::p3::add_to_linker(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)
}

/// Takes the outgoing requests of standard components to the one client.
pub(super) struct EgressHooks {
    grants: Arc<Grants>,
    /// `wasi:http` does not say which task sends: known while one runs alone.
    current: Weak<Invocation>,
}

impl EgressHooks {
    pub(super) fn new(grants: Arc<Grants>) -> Self {
        Self {
            grants,
            current: Weak::new(),
        }
    }

    pub(super) fn set_current(&mut self, invocation: Weak<Invocation>) {
        self.current = invocation;
    }
}

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for EgressHooks {
    fn send_request(
        &mut self,
        request: http::Request<StreamBody>,
        _: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Result<(http::Response<StreamBody>, Io), Error>> + Send> {
        let grants = self.grants.clone();
        let invocation = self.current.upgrade();
        Box::new(async move {
            let hops = match invocation.map(Actor::Invocation) {
                Some(actor) => {
                    grants.count_outgoing(&actor).map_err(to_standard)?;
                    actor.hops()
                }
                None => Hops::default(),
            };
            let response = grants
                .egress
                .send(request, hops)
                .await
                .map_err(to_standard)?;
            let response = response.map(|body| Body::stream(body).into_stream());
            Ok((response, Box::new(async { Ok(()) }) as Io))
        })
    }
}

fn to_standard(error: EgressError) -> Error {
    match error {
        EgressError::TooManyRequests { .. } => Error::ConnectionLimitReached,
        EgressError::Denied(_) => Error::HttpRequestDenied,
        EgressError::InvalidRequest { .. } => Error::HttpRequestUriInvalid,
        EgressError::Dns { .. } => Error::DnsError {
            rcode: None,
            info_code: None,
        },
        EgressError::Connect { .. } => Error::ConnectionRefused,
        EgressError::Tls { .. } => Error::TlsProtocolError,
        EgressError::Timeout { .. } => Error::ConnectionTimeout,
        EgressError::Protocol { .. } => Error::HttpProtocolError,
    }
}
