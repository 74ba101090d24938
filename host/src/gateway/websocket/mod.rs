//! WebSockets (RFC 6455): the handshake, then messages both ways between a
//! client and the invocation that accepted it.
//!
//! Over HTTP/1.1 only. HTTP/2 has a handshake of its own, extended CONNECT
//! (RFC 8441), which the host does not speak: browsers open a connection of
//! HTTP/1.1 for a WebSocket then.

mod handshake;
mod pump;
mod session;

pub(super) use self::handshake::{Handshake, ask_for};
pub(super) use self::session::Session;
