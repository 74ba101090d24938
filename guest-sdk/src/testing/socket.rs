//! A test's WebSocket.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tungstenite::protocol::frame::coding::CloseCode;

use super::client::Inside;
use super::host::HostSocket;
use crate::body::Body;
use crate::error::Error;
use crate::time::timeout;
use crate::websocket::frames::{self, Frame};
use crate::websocket::{Close, Message};

/// A message that has not come after so much virtual time never will.
const LIMIT: Duration = Duration::from_secs(3600);

/// Bytes that a message may have, as in the host.
const MAX_MESSAGE: usize = 1024 * 1024;

/// A WebSocket that a test has opened, see
/// [`TestRequest::websocket`](super::TestRequest::websocket).
///
/// Its handler runs while the test waits for something: for a message of this
/// or another WebSocket, or for an answer. Dropped, the client is gone without
/// a word.
pub struct TestSocket {
    protocol: Option<String>,
    closed: Option<Close>,
    peer: Peer,
}

/// Who is at the other end.
pub(super) enum Peer {
    Native(Native),
    Host(HostSocket),
}

impl TestSocket {
    pub(super) fn new(protocol: Option<&str>, peer: Peer) -> Self {
        TestSocket {
            protocol: protocol.map(str::to_owned),
            closed: None,
            peer,
        }
    }

    /// The subprotocol that the function has chosen.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Sends a message: a `String`, a `&str`, a `Vec<u8>` or a [`Message`]. One
    /// to a function that has closed is lost, as on the network; one of more
    /// than 1 MiB closes with 1009, as in the host.
    pub fn send(&mut self, message: impl Into<Message>) {
        let message = message.into();
        match &mut self.peer {
            Peer::Native(native) => native.send_message(&message),
            Peer::Host(socket) => socket.send(message),
        }
    }

    /// Sends a value as JSON, in a message of text.
    ///
    /// # Panics
    /// If the value cannot be written as JSON.
    #[track_caller]
    pub fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) {
        match serde_json::to_string(value) {
            Ok(text) => self.send(text),
            Err(error) => panic!("the value cannot be written as JSON: {error}"),
        }
    }

    /// The next message; `None` when the function has closed.
    ///
    /// # Panics
    /// If the function neither sends nor closes.
    #[track_caller]
    pub fn recv(&mut self) -> Option<Message> {
        if self.closed.is_some() {
            return None;
        }
        let frame = match &mut self.peer {
            Peer::Native(native) => native.receive(),
            Peer::Host(socket) => socket.receive(),
        };
        match frame {
            Frame::Message(message) => Some(message),
            Frame::Close(close) => {
                self.closed = Some(close);
                None
            }
        }
    }

    /// The next message, which is text.
    ///
    /// # Panics
    /// If it is another, or none comes.
    #[track_caller]
    pub fn recv_text(&mut self) -> String {
        match self.recv() {
            Some(Message::Text(text)) => text,
            Some(Message::Binary(bytes)) => panic!("no text, but {} bytes", bytes.len()),
            None => panic!("no message: the function has closed, {:?}", self.closed),
        }
    }

    /// The next message, parsed as JSON.
    ///
    /// # Panics
    /// If it is not the JSON of a `T`, or none comes.
    #[track_caller]
    pub fn recv_json<T: DeserializeOwned>(&mut self) -> T {
        let text = self.recv_text();
        match serde_json::from_str(&text) {
            Ok(value) => value,
            Err(error) => panic!("not the expected JSON: {error}; {text}"),
        }
    }

    /// How the function has closed, once [`recv`](Self::recv) has given `None`:
    /// with 1000 when its handler has returned, with 1011 when it has failed.
    #[must_use]
    pub fn closed(&self) -> Option<&Close> {
        self.closed.as_ref()
    }

    /// Closes, and waits until the handler has ended. What it still sends is
    /// lost.
    ///
    /// # Panics
    /// If it does not end.
    #[track_caller]
    pub fn close(mut self, code: u16, reason: &str) {
        match &mut self.peer {
            Peer::Native(native) => native.close(code, reason),
            Peer::Host(socket) => socket.close(code, reason),
        }
        while self.recv().is_some() {}
    }
}

impl fmt::Debug for TestSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestSocket")
            .field("protocol", &self.protocol)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

/// A handler in this process.
pub(super) struct Native {
    inside: Rc<Inside>,
    /// None: nothing more is sent.
    out: Option<mpsc::UnboundedSender<Vec<u8>>>,
    frames: mpsc::UnboundedReceiver<Frame>,
    /// The host would have closed with it.
    refused: Option<u16>,
}

impl Native {
    /// The body of the request that opens one, and what is sent in it.
    pub(super) fn body() -> (Body, mpsc::UnboundedSender<Vec<u8>>) {
        let (out, messages) = mpsc::unbounded();
        (Body::stream(messages.map(Ok::<_, Error>)), out)
    }

    /// One that was accepted with `answers`.
    pub(super) fn accepted(
        inside: Rc<Inside>,
        out: mpsc::UnboundedSender<Vec<u8>>,
        answers: Body,
    ) -> Self {
        let (sender, frames) = mpsc::unbounded();
        inside.sockets.open(pump(answers, sender));
        Native {
            inside,
            out: Some(out),
            frames,
            refused: None,
        }
    }

    fn send_message(&mut self, message: &Message) {
        if size(message) <= MAX_MESSAGE {
            self.send(&frames::message(message));
        } else if self.out.is_some() {
            self.refused = Some(1009);
            self.close(1009, "");
        }
    }

    fn send(&mut self, frame: &[u8]) {
        if let Some(out) = &self.out {
            // The handler has ended: nobody takes it.
            let _ = out.unbounded_send(frame.to_vec());
        }
    }

    fn close(&mut self, code: u16, reason: &str) {
        self.send(&frames::close(code, reason));
        self.out = None;
    }

    #[track_caller]
    fn receive(&mut self) -> Frame {
        if let Some(code) = self.refused {
            return Frame::Close(closed(code));
        }
        let next = timeout(LIMIT, self.frames.next());
        match self.inside.run(next) {
            Ok(Some(frame)) => frame,
            Ok(None) => Frame::Close(closed(1006)),
            Err(_) => panic!("the function has sent nothing for an hour, and has not closed"),
        }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        self.close(1006, "");
    }
}

/// Carries what the handler sends, and runs the handler thereby. Ends as the
/// host ends the connection.
async fn pump(mut answers: Body, to: mpsc::UnboundedSender<Frame>) {
    let mut bytes = Vec::new();
    let code = 'open: loop {
        while let Some(frame) = frames::take(&mut bytes) {
            if let Err(why) = check(&frame) {
                eprintln!("the WebSocket's handler sent {why}");
                break 'open 1011;
            }
            // Who has dropped its end wants no more.
            let _ = to.unbounded_send(frame);
        }
        match answers.chunk().await {
            Ok(Some(piece)) => bytes.extend(piece),
            Ok(None) => break 1000,
            Err(error) => {
                eprintln!("the WebSocket's handler failed: {error}");
                break 1011;
            }
        }
    };
    let _ = to.unbounded_send(Frame::Close(closed(code)));
}

/// What the host takes from a function.
fn check(frame: &Frame) -> Result<(), String> {
    match frame {
        Frame::Message(message) if size(message) > MAX_MESSAGE => {
            Err(format!("a message of {} bytes", size(message)))
        }
        Frame::Close(Close {
            code: Some(code), ..
        }) if !CloseCode::from(*code).is_allowed() => {
            Err(format!("the close code {code}, which none may send"))
        }
        _ => Ok(()),
    }
}

fn size(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) => bytes.len(),
    }
}

pub(super) fn closed(code: u16) -> Close {
    Close {
        code: Some(code),
        reason: String::new(),
    }
}

/// The WebSockets of one client, which run beside everything else.
#[derive(Default)]
pub(super) struct Sockets(RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>>);

impl Sockets {
    fn open(&self, pump: impl Future<Output = ()> + 'static) {
        self.0.borrow().push(Box::pin(pump));
    }

    /// Whether a handler is running.
    pub(super) fn are_open(&self) -> bool {
        !self.0.borrow().is_empty()
    }

    /// Runs `main` to its end, and the handlers beside it. They go first: what
    /// the test has sent before is handled before.
    pub(super) async fn beside<T>(&self, main: impl Future<Output = T>) -> T {
        let mut main = pin!(main);
        poll_fn(|context| {
            let mut running = self.0.borrow_mut();
            while let Poll::Ready(Some(())) = running.poll_next_unpin(context) {}
            drop(running);
            main.as_mut().poll(context)
        })
        .await
    }
}
