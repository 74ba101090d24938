//! The standard interfaces: WASI 0.2 and 0.3 side by side, `wasi:http`'s
//! outgoing requests under the function's egress policy.

use super::Grants;
use super::egress::{EgressError, Hops};
use super::running::{Running, Sender};
use crate::contract::{Body, StreamBody};
use std::sync::Arc;
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
    running: Running,
}

impl EgressHooks {
    pub(super) fn new(grants: Arc<Grants>, running: Running) -> Self {
        Self { grants, running }
    }

    /// Counts one more outgoing request; returns how often the request that it
    /// is made for has been passed on.
    fn count(&self) -> Result<Hops, EgressError> {
        match self.running.sender() {
            Sender::Alone(actor) => {
                self.grants.count_outgoing(&actor)?;
                Ok(actor.hops())
            }
            Sender::OneOf(hops) => {
                let limit = self.grants.outgoing_requests;
                match self.running.count_outgoing(limit) {
                    true => Ok(hops),
                    false => Err(EgressError::TooManyRequests { limit }),
                }
            }
        }
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
        let counted = self.count();
        Box::new(async move {
            let hops = counted.map_err(to_standard)?;
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
