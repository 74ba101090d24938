//! Station 5 of 5, capabilities: what a guest may call on the host.
//!
//! One file for each: `fetch` and `egress` (outgoing HTTP), `output` (standard
//! output and error as log lines), `wasi` (clocks, environment, the standard
//! interfaces). [`Context`] is what they need to know in one instance.

mod context;
pub mod egress;
mod fetch;
mod held;
mod output;
mod running;
mod unread;
mod wasi;

pub use self::context::{Actor, Context, Grants, HasContext, Invocation, Usage};
pub use self::unread::{Reader, Unread};

use crate::contract::Function;
use wasmtime::component::Linker;

/// Defines every capability in `linker`, for stores whose data holds a
/// [`Context`].
///
/// # Errors
///
/// Only if two capabilities claim one name, which is a bug.
pub fn link<T>(linker: &mut Linker<T>) -> wasmtime::Result<()>
where
    T: AsMut<Context> + Send + 'static,
    T: wasmtime_wasi::WasiView + wasmtime_wasi_http::WasiHttpView,
{
    wasi::link(linker)?;
    output::link(linker)?;
    Function::add_to_linker::<T, HasContext>(linker, T::as_mut)
}
