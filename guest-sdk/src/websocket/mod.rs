//! WebSockets: messages both ways, for as long as the connection lasts.
//!
//! ```
//! use dunlin::prelude::*;
//!
//! /// Sends back what it gets.
//! #[websocket("/echo/{name}")]
//! async fn echo(Path(name): Path<String>, mut socket: WebSocket) -> Result<(), Error> {
//!     socket.send(format!("Hello {name}")).await?;
//!     while let Some(message) = socket.recv().await? {
//!         socket.send(message).await?;
//!     }
//!     Ok(())
//! }
//!
//! dunlin::app![echo];
//! # fn main() {}
//! ```
//!
//! The arguments before the socket are read off the request's head, as in any
//! handler; if one is refused, so is the WebSocket, with that answer. Once the
//! handler runs, the WebSocket is open.
//!
//! A handler that returns closes it with code 1000. One that returns an error
//! closes it with 1011 and writes a log line; where the error is a
//! [`WebSocketError`], the client was to blame, and nothing is logged.

mod accept;
pub(crate) mod frames;
mod inbox;
mod outbox;

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use accept::{Ending, Upgrade};

use self::inbox::Inbox;
use self::outbox::Outbox;
use crate::json;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl Message {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Message::Text(text) => Some(text),
            Message::Binary(_) => None,
        }
    }

    /// Its bytes, of text as UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Message::Text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Message::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Message::Binary(bytes)
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Message::Binary(bytes.to_vec())
    }
}

/// How a WebSocket was closed, see RFC 6455, section 7.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The client's code; none if it gave none. 1000: all is well; 1001: it goes
    /// away; 1006: it went without a word; 1002, 1007 or 1009: the host closed,
    /// because of what the client sent.
    pub code: Option<u16>,
    /// The client's reason; often empty.
    pub reason: String,
}

/// Why a message could not be sent or understood. As a handler's error it is
/// none of the function: nothing is logged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebSocketError {
    /// It is closed: by the client, by the handler, or by the host.
    #[error("the WebSocket is closed")]
    Closed,
    /// The client takes its messages slower than they are sent; only
    /// [`try_send`](WebSocketSender::try_send) says so.
    #[error("the client has not taken what was sent before")]
    Full,
    /// The message is not the expected JSON. As a handler's error it closes
    /// with code 1007.
    #[error("the message is not the expected JSON: {0}")]
    NotJson(#[from] serde_json::Error),
}

/// An open WebSocket; the last argument of a handler above which
/// `#[websocket("…")]` stands.
#[derive(Debug)]
pub struct WebSocket {
    sender: WebSocketSender,
    receiver: WebSocketReceiver,
    /// The client's `sec-websocket-protocol`.
    offered: String,
    protocol: Option<&'static str>,
}

/// The half that sends. Its clones send on the same WebSocket, from wherever
/// they are kept.
#[derive(Debug, Clone)]
pub struct WebSocketSender {
    outbox: Rc<RefCell<Outbox>>,
}

/// The half that receives.
#[derive(Debug)]
pub struct WebSocketReceiver {
    inbox: Rc<RefCell<Inbox>>,
}

impl WebSocket {
    /// The next message; `None` when the client has closed, has gone, or the
    /// host ends the connection.
    ///
    /// Dropping the future loses no message: it may stand in a `select!`.
    ///
    /// # Errors
    /// None so far; an answer of [`WebSocketError`] leaves room for some.
    pub async fn recv(&mut self) -> Result<Option<Message>, WebSocketError> {
        self.receiver.recv().await
    }

    /// The next message, parsed as JSON; `None` as in [`recv`](Self::recv).
    ///
    /// # Errors
    /// If it is not the JSON of a `T`. The WebSocket stays open.
    pub async fn recv_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, WebSocketError> {
        self.receiver.recv_json().await
    }

    /// Sends a message: a `String`, a `&str`, a `Vec<u8>` or a [`Message`].
    /// Waits while the client has not taken what was sent before.
    ///
    /// # Errors
    /// When the WebSocket is closed.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), WebSocketError> {
        self.sender.send(message).await
    }

    /// Sends a value as JSON, in a message of text.
    ///
    /// # Errors
    /// When the WebSocket is closed, or the value has no JSON.
    pub async fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), WebSocketError> {
        self.sender.send_json(value).await
    }

    /// Closes, with a code (1000, 1002, 1003, 1007 to 1011, or 3000 to 4999 for
    /// your own) and a reason of at most 123 bytes. Nothing can be sent then;
    /// [`recv`](Self::recv) still gives what the client had sent.
    pub fn close(&self, code: u16, reason: &str) {
        self.sender.close(code, reason);
    }

    /// How it was closed, once [`recv`](Self::recv) has given `None`; `None` if
    /// the host ends the connection, which still takes what you send.
    #[must_use]
    pub fn closed(&self) -> Option<Close> {
        self.receiver.closed()
    }

    /// The subprotocol: the first of the client's that is among the attribute's
    /// `protocols`. The client was told; `None` if they have none in common.
    #[must_use]
    pub fn protocol(&self) -> Option<&'static str> {
        self.protocol
    }

    /// The two halves, to be used side by side.
    #[must_use]
    pub fn split(self) -> (WebSocketSender, WebSocketReceiver) {
        (self.sender, self.receiver)
    }
}

impl WebSocketSender {
    /// Sends a message; as [`WebSocket::send`].
    ///
    /// # Errors
    /// When the WebSocket is closed.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), WebSocketError> {
        let mut frame = Some(frames::message(&message.into()));
        poll_fn(|context| self.outbox.borrow_mut().poll_send(context, &mut frame)).await
    }

    /// Sends a value as JSON; as [`WebSocket::send_json`].
    ///
    /// # Errors
    /// When the WebSocket is closed, or the value has no JSON.
    pub async fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), WebSocketError> {
        self.send(json::to_string(value)?).await
    }

    /// Sends a message if that needs no waiting: for a broadcast, which should
    /// not wait for its slowest member.
    ///
    /// # Errors
    /// [`WebSocketError::Full`] when the client has not taken enough of what was
    /// sent before; [`WebSocketError::Closed`] when it is gone.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), WebSocketError> {
        let frame = frames::message(&message.into());
        self.outbox.borrow_mut().try_send(frame)
    }

    /// Sends a value as JSON if that needs no waiting.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send), or when the value has no JSON.
    pub fn try_send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), WebSocketError> {
        self.try_send(json::to_string(value)?)
    }

    /// Closes; as [`WebSocket::close`].
    pub fn close(&self, code: u16, reason: &str) {
        let frame = frames::close(code, reason);
        self.outbox.borrow_mut().close(&frame);
    }
}

impl WebSocketReceiver {
    /// The next message; as [`WebSocket::recv`].
    ///
    /// # Errors
    /// None so far; an answer of [`WebSocketError`] leaves room for some.
    pub async fn recv(&mut self) -> Result<Option<Message>, WebSocketError> {
        Ok(poll_fn(|context| self.inbox.borrow_mut().poll_message(context)).await)
    }

    /// The next message, parsed as JSON; as [`WebSocket::recv_json`].
    ///
    /// # Errors
    /// If it is not the JSON of a `T`. The WebSocket stays open.
    pub async fn recv_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, WebSocketError> {
        Ok(match self.recv().await? {
            Some(message) => Some(serde_json::from_slice(message.as_bytes())?),
            None => None,
        })
    }

    /// How it was closed; as [`WebSocket::closed`].
    #[must_use]
    pub fn closed(&self) -> Option<Close> {
        self.inbox.borrow().closed.clone()
    }
}

#[cfg(test)]
mod tests;
