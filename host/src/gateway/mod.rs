//! Station 1 of 5, gateway: sockets, HTTP and its limits, the way of a request, failures as answers.
//!
//! [`Gateway`]'s `handle` in `request.rs` is the whole path of a request, top to
//! bottom.

mod account;
mod builds;
mod chosen;
mod connection;
mod docs;
mod error;
mod inbound;
mod listener;
mod page;
mod request;
mod screen;
mod socket;
mod streams;
mod tls;
mod websocket;

pub use self::builds::{BuildFailed, Builds, Concerned, FunctionBuild};
pub use self::error::{Detail, GatewayError};
pub use self::listener::{BindError, Listener, bind};
pub use self::request::{Gateway, GatewayConfig, Stations};
pub use self::tls::{Tls, TlsError, TlsSource};
