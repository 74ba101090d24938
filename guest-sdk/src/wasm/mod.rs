//! Inside a component: what the host calls, and what is called on the host.

mod body;
mod contract;
mod portable;

use std::marker::PhantomData;
use std::time::Duration;

use wasip3::clocks::monotonic_clock;
use wasip3::http::types::ErrorCode;

use crate::routing::App;

pub(crate) use body::{Incoming, Lowered, LoweredPortable, lower_source, lower_source_portable};
pub(crate) use contract::fetch;

/// `wit/function.wit` in Rust.
#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    reason = "generated code, at the boundary to the host"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "function",
        pub_export_macro: true,
    });
}

/// The app of the crate that is the component.
pub trait Root: 'static {
    /// That app.
    fn app() -> App;
}

/// Implements the exports for an app: our contract, and `wasi:http`.
#[derive(Debug)]
pub struct Component<R>(PhantomData<R>);

pub(crate) fn spawn(work: impl Future<Output = ()> + 'static) {
    // Dropping the handle leaves the work running.
    drop(wit_bindgen::spawn_local(work));
}

/// The host keeps the invocation until what it spawned has ended.
pub(crate) async fn with_spawned<T>(main: impl Future<Output = T>) -> T {
    main.await
}

pub(crate) async fn sleep(duration: Duration) {
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    monotonic_clock::wait_for(nanoseconds).await;
}

/// The time since some fixed point.
pub(crate) fn now() -> Duration {
    Duration::from_nanos(monotonic_clock::now())
}

/// A failure, as `wasi:http` tells it.
fn failure(text: &str) -> ErrorCode {
    ErrorCode::InternalError(Some(text.to_owned()))
}
