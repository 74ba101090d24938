//! The contract between host and guest, generated from `wit/function.wit`, and
//! the way HTTP messages cross it.
//!
//! Imports are implemented in [`crate::capabilities`], exports are called by
//! [`crate::runtime`]; both carry messages with the functions here.

mod arrived;
mod body;
mod fields;
mod head;
mod message;
mod websocket;

#[expect(missing_docs, reason = "generated; the WIT file documents each item")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "function",
        imports: { default: async | store },
        exports: { default: async | store },
        require_store_data_send: true,
    });
}

pub use self::body::{Body, BodyError, StreamBody};
pub use self::generated::dunlin::function::{fetch, types};
pub use self::generated::exports::dunlin::function::handler;
pub use self::generated::{Function, FunctionPre};
pub use self::head::Head;
pub use self::message::{
    Expected, InvalidMessage, request_from_guest, request_to_guest, response_from_guest,
    response_to_guest,
};
pub use self::websocket::{InvalidFrame, WebSocketFrame, WebSocketFrames};

/// The interface that makes a component one of ours.
pub const HANDLER_INTERFACE: &str = "dunlin:function/handler";
