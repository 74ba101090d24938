//! Messages between a client and a guest, in both directions at once.
//!
//! Each direction holds one message at most: whoever does not take what is
//! there keeps the other side from sending more. `events.rs` finds out what
//! happens on either side; here is what is done about it.

mod events;
mod guest;

use self::events::Event;
pub(super) use self::guest::Guest;
use crate::contract::{InvalidFrame, WebSocketFrame, WebSocketFrames};
use bytes::Bytes;
use futures::Sink as _;
use http_body::Body as HttpBody;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_util::io::InspectReader;

/// Bytes that a message may have, in either direction.
const MAX_MESSAGE: usize = 1024 * 1024;

/// Bytes that are read from a client at once: each connection holds a buffer of
/// that size all the time.
const READ_BUFFER: usize = 4 * 1024;

/// How long one is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// How often a client is asked for a sign of life. One that has given none
    /// by the next time is gone.
    ping: Duration,
    /// Longest that either side may take to end when the other one has.
    parting: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(20),
            parting: Duration::from_secs(10),
        }
    }
}

/// Bytes that a close frame's reason may have (RFC 6455, section 5.5).
const MAX_REASON: usize = 123;

/// The client's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Open,
    /// One side has said that it closes; nothing but the other's word is awaited.
    Closing,
    /// What it sends is not understood: read and thrown away, so that it takes
    /// the close frame before the connection is gone.
    Refused,
    Gone,
}

/// What a guest gets after the message in hand.
#[derive(Debug)]
enum Next {
    /// Whatever the client sends.
    Messages,
    /// A last frame, which says how the client has left.
    Close(Bytes),
    Nothing,
}

/// A stream that notes when something is read from it.
type Heard<S> = InspectReader<S, Box<dyn FnMut(&[u8]) + Send>>;

/// One WebSocket.
pub(super) struct Pump<S, B> {
    socket: WebSocketStream<Heard<S>>,
    client: Client,
    /// Bytes have come since the last ping.
    heard: Arc<AtomicBool>,
    /// Something may wait to be written.
    unflushed: bool,
    /// A ping is out that nothing was heard after.
    awaiting: bool,
    /// A message that the guest has not taken.
    in_hand: Option<Bytes>,
    /// What the guest gets after it.
    next: Next,
    guest: Guest<B>,
    frames: WebSocketFrames,
    /// Whose turn it is to be looked at first.
    guest_first: bool,
    /// The code to close with when the guest ends well.
    code: CloseCode,
    /// When patience ends.
    late: Option<Pin<Box<Sleep>>>,
    patience: Patience,
}

impl<S, B> Pump<S, B>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: HttpBody<Data = Bytes> + Unpin,
{
    pub(super) async fn new(stream: S, guest: Guest<B>, patience: Patience) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(2 * MAX_MESSAGE)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let heard = Arc::new(AtomicBool::new(false));
        let hears = heard.clone();
        let hear = move |bytes: &[u8]| {
            if !bytes.is_empty() {
                hears.store(true, Relaxed);
            }
        };
        let stream: Heard<S> = InspectReader::new(stream, Box::new(hear));
        let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        Self {
            socket,
            client: Client::Open,
            heard,
            unflushed: false,
            awaiting: false,
            in_hand: None,
            next: Next::Messages,
            guest,
            frames: WebSocketFrames::new(MAX_MESSAGE),
            guest_first: false,
            code: CloseCode::Normal,
            late: None,
            patience,
        }
    }

    /// Carries messages until both sides have ended. After `leaving` the guest
    /// gets no more, and the client is told to go elsewhere.
    ///
    /// # Errors
    ///
    /// When the guest sent what is no message.
    pub(super) async fn run(
        mut self,
        leaving: impl Future<Output = ()>,
    ) -> Result<(), InvalidFrame> {
        let mut leaving = pin!(leaving);
        let mut has_left = false;
        let mut ping = every(self.patience.ping);
        let mut outcome = Ok(());
        while self.client != Client::Gone || self.guest.body.is_some() {
            let event = poll_fn(|cx| {
                if !has_left && leaving.as_mut().poll(cx).is_ready() {
                    has_left = true;
                    return Poll::Ready(Event::Leave);
                }
                if self.client == Client::Open && ping.poll_tick(cx).is_ready() {
                    return Poll::Ready(Event::Ping);
                }
                self.poll_event(cx)
            });
            match event.await {
                Event::FromClient(Ok(message)) => self.received(message),
                Event::FromClient(Err(error)) => self.refused(&error),
                Event::ClientGone => self.gone(),
                Event::FromGuest(frame) => {
                    if let Err(error) = self.send(frame) {
                        self.guest_ended(CloseCode::Error);
                        outcome = Err(error);
                    }
                }
                Event::GuestInvalid(error) => {
                    self.guest_ended(CloseCode::Error);
                    outcome = Err(error);
                }
                Event::GuestEnded(Ok(())) => self.guest_ended(self.code),
                Event::GuestEnded(Err(_)) => self.guest_ended(CloseCode::Error),
                Event::Ping => self.ping(),
                Event::Leave => {
                    self.code = CloseCode::Away;
                    if let Next::Messages = self.next {
                        self.next = Next::Nothing;
                    }
                    self.part();
                }
                Event::Late => self.late(),
            }
        }
        // What TLS says at the end; the peer may not listen any more.
        let _ = tokio::time::timeout(self.patience.parting, self.socket.get_mut().shutdown()).await;
        outcome
    }

    fn received(&mut self, message: Message) {
        // The protocol answers pings and closes by itself.
        self.unflushed = true;
        let frame = match message {
            Message::Text(text) => WebSocketFrame::Text(text.into()),
            Message::Binary(bytes) => WebSocketFrame::Binary(bytes),
            Message::Close(close) => {
                self.client = Client::Closing;
                let (code, reason) = close.map(|it| (it.code, it.reason)).unzip();
                return self.end_with(code, reason.unwrap_or_default());
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return,
        };
        if let Next::Messages = self.next {
            self.in_hand = Some(frame.encode());
        }
    }

    /// The client breaks the protocol or a limit, or the connection broke.
    fn refused(&mut self, error: &Error) {
        let code = match error {
            Error::Capacity(_) => CloseCode::Size,
            Error::Utf8(_) => CloseCode::Invalid,
            Error::Protocol(_) => CloseCode::Protocol,
            _ => return self.gone(),
        };
        self.close(code, "");
        if self.client != Client::Gone {
            self.client = Client::Refused;
        }
        self.end_with(Some(code), Utf8Bytes::default());
    }

    fn gone(&mut self) {
        self.client = Client::Gone;
        self.end_with(Some(CloseCode::Abnormal), Utf8Bytes::default());
    }

    /// The guest is told how the client has left, unless it was told before.
    fn end_with(&mut self, code: Option<CloseCode>, reason: Utf8Bytes) {
        if let Next::Messages = self.next {
            let close = WebSocketFrame::Close {
                code: code.map(u16::from),
                reason: reason.into(),
            };
            self.next = Next::Close(close.encode());
        }
        self.part();
    }

    fn part(&mut self) {
        if self.late.is_none() {
            self.late = Some(Box::pin(tokio::time::sleep(self.patience.parting)));
        }
    }

    /// Sends a frame of the guest to the client, if that still takes any.
    fn send(&mut self, frame: WebSocketFrame) -> Result<(), InvalidFrame> {
        self.guest.crossed();
        let message = match frame {
            WebSocketFrame::Text(text) => {
                Message::Text(Utf8Bytes::try_from(text).map_err(|_| InvalidFrame::Text)?)
            }
            WebSocketFrame::Binary(bytes) => Message::Binary(bytes),
            WebSocketFrame::Close { code, reason } => {
                let code = code.map_or(CloseCode::Normal, CloseCode::from);
                if !code.is_allowed() {
                    return Err(InvalidFrame::Code(code.into()));
                }
                self.close(code, &String::from_utf8_lossy(&reason));
                return Ok(());
            }
        };
        if self.client == Client::Open {
            self.start_send(message);
        }
        Ok(())
    }

    fn start_send(&mut self, message: Message) {
        self.unflushed = true;
        if Pin::new(&mut self.socket).start_send(message).is_err() {
            self.gone();
        }
    }

    /// Says that nothing more comes, if that is still to be said.
    fn close(&mut self, code: CloseCode, reason: &str) {
        if self.client != Client::Open {
            return;
        }
        self.client = Client::Closing;
        self.part();
        let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
        self.start_send(Message::Close(Some(CloseFrame {
            code,
            reason: reason.into(),
        })));
    }

    fn guest_ended(&mut self, code: CloseCode) {
        self.guest.body = None;
        self.guest.messages = None;
        self.in_hand = None;
        self.close(code, "");
    }

    fn ping(&mut self) {
        // Who is not listened to cannot answer; who is gone altogether makes the
        // sending fail.
        let is_listened_to = self.in_hand.is_none() && !self.unflushed;
        let heard = self.heard.swap(false, Relaxed);
        if self.awaiting && is_listened_to && !heard {
            return self.gone();
        }
        self.awaiting = is_listened_to;
        if !self.unflushed {
            self.start_send(Message::Ping(Bytes::new()));
        }
    }

    /// Somebody has had time enough to end: the client, then the guest.
    fn late(&mut self) {
        match self.client {
            // Dropping its body cancels the invocation.
            Client::Open | Client::Gone => self.guest_ended(self.code),
            Client::Closing | Client::Refused => self.gone(),
        }
    }
}

/// Ticks, the first one after the first interval.
fn every(interval: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests;
