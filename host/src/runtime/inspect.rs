//! A component before it is deployed: what it exports and what it says about
//! itself.

use super::backtrace::Trap;
use super::code::Code;
use super::engine::Engine;
use super::loaded::{Guest, Loaded};
use super::state::State;
use super::status::Status;
use crate::registry::{Description, DescriptionError, Interface, Lane, Secrets, Version};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use wasmtime::component::types::ComponentItem;

/// Longest a component may take to start and describe itself.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Why a component can't be deployed.
#[derive(Debug, Error)]
pub enum InspectError {
    /// It answers no HTTP.
    #[error(
        "the component exports no handler that this host knows (dunlin:function/handler@0.1, \
         wasi:http/handler@0.3 or wasi:http/incoming-handler@0.2): export one, with the SDK by \
         `dunlin::app!`"
    )]
    NoHandler,
    /// It wants something that this host does not have.
    #[error("the component imports what this host does not offer: {0}")]
    Link(String),
    /// It traps before it can serve.
    #[error("the component does not start: {0}")]
    Start(Trap),
    /// It does not get ready.
    #[error("the component did not start within {} s", MAX_TIME.as_secs())]
    TooSlow,
    /// It describes itself wrongly.
    #[error(transparent)]
    Description(#[from] DescriptionError),
}

/// Links a compiled component and starts it once, under the limits of
/// `candidate`, whose description is still unknown, with its secrets; returns the description.
///
/// # Errors
///
/// When the component could not serve.
pub async fn inspect(
    engine: &Arc<Engine>,
    code: &Code,
    mut candidate: Version,
    secrets: Secrets,
) -> Result<Description, InspectError> {
    let interface = interface(engine, &code.0).ok_or(InspectError::NoHandler)?;
    candidate.description = Description::of_standard(interface);
    let loaded = Loaded::new(engine, Arc::new(candidate), secrets, code)
        .map_err(|error| InspectError::Link(format!("{error:#}")))?;
    let status = Arc::new(Status::new(Lane::Blocking));
    let mut start = pin!(async {
        let mut store = State::store(engine, &loaded, status.clone());
        let guest = loaded.exports.instantiate(&mut store).await?;
        let Guest::Function(guest) = guest else {
            return wasmtime::error::Ok(None);
        };
        let describe = guest.dunlin_function_describe();
        store
            .run_concurrent(async |accessor| describe.call_describe(accessor).await)
            .await?
            .map(Some)
    });
    // Each poll may be on another thread, whose clock starts anew.
    let start = poll_fn(|cx| {
        status.pace.start_slice();
        start.as_mut().poll(cx)
    });
    match tokio::time::timeout(MAX_TIME, start).await {
        Err(_) => Err(InspectError::TooSlow),
        Ok(Err(error)) => Err(InspectError::Start(Trap::new(&error))),
        Ok(Ok(None)) => Ok(Description::of_standard(interface)),
        Ok(Ok(Some(json))) => Ok(Description::from_guest(&json)?),
    }
}

/// How a component is called: our contract first, then the newer standard.
fn interface(engine: &Engine, component: &wasmtime::component::Component) -> Option<Interface> {
    let component_type = component.component_type();
    let exported = |wanted: &str| {
        component_type
            .exports(&engine.wasmtime)
            .any(|(name, item)| {
                name.starts_with(wanted) && matches!(item.ty, ComponentItem::ComponentInstance(_))
            })
    };
    if exported(&format!("{}@0.1", crate::contract::HANDLER_INTERFACE)) {
        Some(Interface::Function)
    } else if exported("wasi:http/handler@0.3") {
        Some(Interface::WasiHttp03)
    } else if exported("wasi:http/incoming-handler@0.2") {
        Some(Interface::WasiHttp02)
    } else {
        None
    }
}
