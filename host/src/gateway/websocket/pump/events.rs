//! What happens on a WebSocket: each side in its turn is asked what it has sent,
//! once the other one has taken the last of it.

use super::{Client, Next, Pump, READ_BUFFER};
use crate::contract::{InvalidFrame, WebSocketFrame};
use bytes::Bytes;
use futures::{Sink as _, Stream as _};
use http_body::Body as HttpBody;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::{Error, Message};

/// What happens.
pub(super) enum Event<E> {
    FromClient(Result<Message, Error>),
    ClientGone,
    FromGuest(WebSocketFrame),
    /// It sends what is no frame.
    GuestInvalid(InvalidFrame),
    GuestEnded(Result<(), E>),
    Ping,
    Leave,
    Late,
}

impl<S, B> Pump<S, B>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: HttpBody<Data = Bytes> + Unpin,
{
    /// What either side has done, or that one has had its time.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event<B::Error>> {
        if let Some(late) = &mut self.late
            && late.as_mut().poll(cx).is_ready()
        {
            self.late = None;
            return Poll::Ready(Event::Late);
        }
        if self.unflushed && self.client != Client::Gone {
            match Pin::new(&mut self.socket).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => return Poll::Ready(Event::ClientGone),
                Poll::Pending => {}
            }
        }
        self.guest_first = !self.guest_first;
        if self.guest_first {
            let event = self.poll_guest(cx);
            if event.is_ready() {
                return event;
            }
            self.poll_client(cx)
        } else {
            let event = self.poll_client(cx);
            if event.is_ready() {
                return event;
            }
            self.poll_guest(cx)
        }
    }

    /// Hands over what the client has sent, then asks it for more.
    fn poll_client(&mut self, cx: &mut Context<'_>) -> Poll<Event<B::Error>> {
        ready!(self.poll_hand_over(cx));
        match self.client {
            Client::Gone => Poll::Pending,
            Client::Refused => self.poll_discard(cx),
            // What it sends may have to be answered, as pings are: who does not
            // take answers may not ask on. The flush has the waker.
            Client::Open | Client::Closing if self.unflushed => Poll::Pending,
            Client::Open | Client::Closing => Pin::new(&mut self.socket)
                .poll_next(cx)
                .map(|message| message.map_or(Event::ClientGone, Event::FromClient)),
        }
    }

    /// Ready when the guest has taken what there was for it.
    fn poll_hand_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(messages) = &mut self.guest.messages {
            if self.in_hand.is_none() {
                match std::mem::replace(&mut self.next, Next::Nothing) {
                    Next::Messages => {
                        self.next = Next::Messages;
                        break;
                    }
                    Next::Close(frame) => self.in_hand = Some(frame),
                    Next::Nothing => {
                        self.guest.messages = None;
                        break;
                    }
                }
            }
            let reserved = ready!(messages.poll_reserve(cx));
            let sent = match self.in_hand.take() {
                Some(message) => reserved.is_ok() && messages.send_item(message).is_ok(),
                None => true,
            };
            if !sent {
                // It does not listen any more.
                self.guest.messages = None;
            }
            self.guest.crossed();
        }
        self.in_hand = None;
        Poll::Ready(())
    }

    /// Throws away what comes, past the protocol.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Event<B::Error>> {
        let mut bytes = [0; READ_BUFFER];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(self.socket.get_mut()).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Event::ClientGone),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The next frame of the guest, once the client has taken the last one.
    fn poll_guest(&mut self, cx: &mut Context<'_>) -> Poll<Event<B::Error>> {
        let Some(body) = &mut self.guest.body else {
            return Poll::Pending;
        };
        if self.client == Client::Open {
            match Pin::new(&mut self.socket).poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Event::ClientGone),
                Poll::Pending => return Poll::Pending,
            }
        }
        loop {
            match self.frames.take_frame() {
                Ok(Some(frame)) => return Poll::Ready(Event::FromGuest(frame)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Event::GuestInvalid(error)),
            }
            let ended = match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(piece) = frame.data_ref() {
                        self.frames.push(piece);
                    }
                    continue;
                }
                Poll::Ready(Some(Err(error))) => Event::GuestEnded(Err(error)),
                Poll::Ready(None) => match self.frames.end() {
                    Ok(()) => Event::GuestEnded(Ok(())),
                    Err(error) => Event::GuestInvalid(error),
                },
            };
            return Poll::Ready(ended);
        }
    }
}
