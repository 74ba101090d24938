//! The gateway under attack, in raw bytes. Each attack meets the limit that is
//! made for it, says which one it was, and is not felt by others.

mod http2;
mod idle;
mod malformed;
mod slow;
