//! A version, ready to be instantiated.

use super::code::Code;
use super::engine::Engine;
use super::state::State;
use crate::capabilities::{Grants, Unread};
use crate::contract::{Function, FunctionPre};
use crate::registry::{Interface, Secrets, Version};
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::Component;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};

/// A version's code and grants.
pub(super) struct Loaded {
    pub(super) version: Arc<Version>,
    pub(super) exports: Exports,
    pub(super) grants: Arc<Grants>,
}

impl Loaded {
    /// Links a version's machine code.
    pub(super) fn new(
        engine: &Engine,
        version: Arc<Version>,
        secrets: Secrets,
        code: &Code,
    ) -> wasmtime::Result<Self> {
        let exports = Exports::link(engine, &code.0, version.description.interface)?;
        let manifest = &version.manifest;
        let vars = manifest
            .vars
            .iter()
            .map(|(k, v)| (k.as_str().to_owned(), v.clone()))
            .collect();
        let grants = Grants {
            version: version.id.clone(),
            vars,
            secrets,
            egress: engine.egress.client(manifest.egress.allow.clone()),
            outgoing_requests: version.limits.outgoing_requests,
            memory: version.limits.memory.as_bytes(),
            unread: Unread::new(version.limits.memory.as_bytes()),
            log_bytes: version.limits.log_output.as_bytes(),
            logs: engine.logs.clone(),
        };
        Ok(Self {
            version,
            exports,
            grants: Arc::new(grants),
        })
    }
}

/// A linked component, by how it is called.
pub(super) enum Exports {
    Function(FunctionPre<State>),
    WasiHttp03(ServicePre<State>),
    WasiHttp02(ProxyPre<State>),
}

impl Exports {
    pub(super) fn link(
        engine: &Engine,
        component: &Component,
        interface: Interface,
    ) -> wasmtime::Result<Self> {
        let pre = engine.linker.instantiate_pre(component)?;
        Ok(match interface {
            Interface::Function => Self::Function(FunctionPre::new(pre)?),
            Interface::WasiHttp03 => Self::WasiHttp03(ServicePre::new(pre)?),
            Interface::WasiHttp02 => Self::WasiHttp02(ProxyPre::new(pre)?),
        })
    }

    pub(super) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Guest> {
        Ok(match self {
            Self::Function(pre) => Guest::Function(pre.instantiate_async(store).await?),
            Self::WasiHttp03(pre) => Guest::WasiHttp03(pre.instantiate_async(store).await?),
            Self::WasiHttp02(pre) => Guest::WasiHttp02(pre.instantiate_async(store).await?),
        })
    }
}

/// The exports of one instance.
pub(super) enum Guest {
    Function(Function),
    WasiHttp03(Service),
    WasiHttp02(Proxy),
}
