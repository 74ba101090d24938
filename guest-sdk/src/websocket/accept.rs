//! Accepting a WebSocket, and running its handler.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::stream::Stream;
use http::StatusCode;

use super::inbox::Inbox;
use super::outbox::Outbox;
use super::{WebSocket, WebSocketError, WebSocketReceiver, WebSocketSender, frames};
use crate::body::{Body, BodyError};
use crate::error::{Error, HttpError};
use crate::extract::FromRequest;
use crate::request::Request;
use crate::response::Response;

/// Code 1007, see RFC 6455, section 7.4.1: a message of the wrong form.
const INVALID: u16 = 1007;

/// 426, unless the request opens a WebSocket. The host answers so by itself;
/// other hosts call the function with any request.
impl FromRequest for WebSocket {
    type Rejection = HttpError;

    async fn from_request(mut request: Request) -> Result<Self, HttpError> {
        // `upgrade` is between the client and the host, and stays there.
        if !request.headers().contains("sec-websocket-key") {
            return Err(HttpError::new(
                StatusCode::UPGRADE_REQUIRED,
                "This address takes WebSockets only",
            )
            .with_header("upgrade", "websocket"));
        }
        let offers = request.headers().get_all("sec-websocket-protocol");
        let offers: Vec<&[u8]> = offers.collect();
        let offered = String::from_utf8_lossy(&offers.join(&b',')).into_owned();
        let inbox = Inbox::new(std::mem::take(request.body_mut()));
        Ok(WebSocket {
            sender: WebSocketSender {
                outbox: Rc::default(),
            },
            receiver: WebSocketReceiver {
                inbox: Rc::new(RefCell::new(inbox)),
            },
            offered,
            protocol: None,
        })
    }
}

/// What a WebSocket's handler may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot end a WebSocket",
    label = "the handler returns this",
    note = "a WebSocket's handler returns nothing, or `Result<(), Error>`: what it has to say it sends with `socket.send(…)`"
)]
pub trait Ending {
    /// Whether it went well.
    ///
    /// # Errors
    /// Why not.
    fn into_result(self) -> Result<(), Error>;
}

impl Ending for () {
    fn into_result(self) -> Result<(), Error> {
        Ok(())
    }
}

impl<E: Into<Error>> Ending for Result<(), E> {
    fn into_result(self) -> Result<(), Error> {
        self.map_err(Into::into)
    }
}

/// The answer that accepts a WebSocket; the attribute's expansion makes it.
#[derive(Debug)]
pub struct Upgrade {
    protocol: Option<&'static str>,
    inbox: Rc<RefCell<Inbox>>,
    outbox: Rc<RefCell<Outbox>>,
}

impl Upgrade {
    /// Of this socket, which its handler is about to get, and which speaks one
    /// of these subprotocols if the client does.
    #[must_use]
    pub fn of(mut socket: WebSocket, protocols: &[&'static str]) -> (Self, WebSocket) {
        let mut offered = socket.offered.split(',').map(str::trim);
        socket.protocol = offered.find_map(|name| {
            let known = protocols.iter().find(|known| **known == name);
            known.copied()
        });
        let upgrade = Upgrade {
            protocol: socket.protocol,
            inbox: Rc::clone(&socket.receiver.inbox),
            outbox: Rc::clone(&socket.sender.outbox),
        };
        (upgrade, socket)
    }

    /// Accepts: `handler` runs for as long as the connection lasts.
    pub fn run<F>(self, handler: F) -> Response
    where
        F: Future<Output: Ending> + 'static,
    {
        let protocol = self.protocol;
        let open = Open {
            handler: Some(Box::pin(handler)),
            failure: None,
            upgrade: self,
        };
        let response =
            Response::new(Body::piped(open)).with_status(StatusCode::SWITCHING_PROTOCOLS);
        match protocol {
            Some(protocol) => response.with_header("sec-websocket-protocol", protocol),
            None => response,
        }
    }
}

/// An open WebSocket, as the stream of what it sends.
struct Open<F> {
    /// None when it has ended.
    handler: Option<Pin<Box<F>>>,
    /// What it ended with, told after what it had sent.
    failure: Option<Error>,
    upgrade: Upgrade,
}

impl<F: Future<Output: Ending>> Stream for Open<F> {
    type Item = Result<Vec<u8>, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while let Some(handler) = &mut this.handler {
            if this.upgrade.inbox.borrow().is_closed() {
                // Who only sends learns it so.
                this.upgrade.outbox.borrow_mut().end();
            }
            if let Poll::Ready(ending) = handler.as_mut().poll(context) {
                this.handler = None;
                this.failure = this.upgrade.end(ending.into_result()).err();
                break;
            }
            if this
                .upgrade
                .inbox
                .borrow_mut()
                .poll_fill(context)
                .is_pending()
            {
                break;
            }
        }
        let taken = this.upgrade.outbox.borrow_mut().poll_take(context);
        match taken {
            Poll::Ready(bytes) => Poll::Ready(Some(Ok(bytes))),
            Poll::Pending if this.handler.is_none() => {
                Poll::Ready(this.failure.take().map(|error| Err(error.into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Upgrade {
    /// Closes as the handler's end asks for.
    fn end(&self, ending: Result<(), Error>) -> Result<(), Error> {
        let mut outbox = self.outbox.borrow_mut();
        self.inbox.borrow_mut().end();
        let outcome = match ending.map_err(Error::downcast::<WebSocketError>) {
            Ok(()) | Err(Ok(WebSocketError::Closed | WebSocketError::Full)) => Ok(()),
            Err(Ok(error @ WebSocketError::NotJson(_))) => {
                outbox.close(&frames::close(INVALID, &error.to_string()));
                Ok(())
            }
            Err(Err(error)) => Err(error),
        };
        outbox.end();
        outcome
    }
}

/// The host has cancelled it, or it has ended: whoever kept a sender learns so.
impl<F> Drop for Open<F> {
    fn drop(&mut self) {
        self.upgrade.outbox.borrow_mut().end();
        self.upgrade.inbox.borrow_mut().end();
    }
}
