//! What the client has sent and the handler has not taken.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use futures::future::LocalBoxFuture;

use super::frames::{self, Frame};
use super::{Close, Message};
use crate::body::{Body, BodyError};

/// How much is read at once, in bytes, while no large message is coming: each
/// open WebSocket holds so much room.
const SMALL: usize = 4 * 1024;

/// How much is read at once, at most.
const LARGE: usize = 64 * 1024;

type Reading = LocalBoxFuture<'static, (Body, Result<Option<Vec<u8>>, BodyError>)>;

pub(super) struct Inbox {
    /// None: nothing more comes.
    reading: Option<Reading>,
    bytes: Vec<u8>,
    /// Waits for a message.
    waiting: Option<Waker>,
    pub(super) closed: Option<Close>,
}

impl Inbox {
    pub(super) fn new(body: Body) -> Self {
        Inbox {
            reading: Some(read(body, SMALL)),
            bytes: Vec::new(),
            waiting: None,
            closed: None,
        }
    }

    pub(super) fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        match frames::take(&mut self.bytes) {
            Some(Frame::Message(message)) => return Poll::Ready(Some(message)),
            Some(Frame::Close(close)) => {
                self.closed = Some(close);
                self.end();
            }
            None => {}
        }
        if self.reading.is_none() {
            return Poll::Ready(None);
        }
        self.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    /// Reads on, if somebody waits for it or nothing at all is here: so the end
    /// is seen even by a handler that only sends. Ready when there is news.
    pub(super) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.bytes.is_empty() && self.waiting.is_none() {
            return Poll::Pending;
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Pending;
        };
        let (body, piece) = ready!(Pin::new(reading).poll(context));
        match piece {
            Ok(Some(piece)) => {
                if self.bytes.is_empty() {
                    self.bytes = piece;
                } else {
                    self.bytes.extend_from_slice(&piece);
                }
                let missing = frames::length(&self.bytes).saturating_sub(self.bytes.len());
                self.reading = Some(read(body, missing.clamp(SMALL, LARGE)));
            }
            // Cut or not: the client is gone.
            Ok(None) | Err(_) => self.reading = None,
        }
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
        Poll::Ready(())
    }

    /// The client takes nothing more, and has nothing to say.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_some() || self.bytes.first() == Some(&frames::CLOSE)
    }

    /// Nothing more is wanted.
    pub(super) fn end(&mut self) {
        self.reading = None;
        self.bytes = Vec::new();
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }
}

fn read(mut body: Body, most: usize) -> Reading {
    Box::pin(async move {
        let piece = body.chunk_of(most).await;
        (body, piece)
    })
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}
