//! What was sent and the client has not taken.

use std::task::{Context, Poll, Waker};

use super::WebSocketError;

/// With so many bytes waiting, who sends more waits too.
const FULL: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    is_closed: bool,
    /// Wait for room.
    waiting: Vec<Waker>,
    /// Waits for bytes.
    reader: Option<Waker>,
}

impl Outbox {
    pub(super) fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        frame: &mut Option<Vec<u8>>,
    ) -> Poll<Result<(), WebSocketError>> {
        if !self.is_closed && self.bytes.len() >= FULL {
            // Once, however often it asks meanwhile.
            let waker = context.waker();
            if !self.waiting.iter().any(|it| it.will_wake(waker)) {
                self.waiting.push(waker.clone());
            }
            return Poll::Pending;
        }
        Poll::Ready(match frame.take() {
            Some(frame) => self.try_send(frame),
            None => Ok(()),
        })
    }

    pub(super) fn try_send(&mut self, frame: Vec<u8>) -> Result<(), WebSocketError> {
        if self.is_closed {
            return Err(WebSocketError::Closed);
        }
        if self.bytes.len() >= FULL {
            return Err(WebSocketError::Full);
        }
        self.push(&frame);
        Ok(())
    }

    pub(super) fn close(&mut self, frame: &[u8]) {
        if !self.is_closed {
            self.push(frame);
            self.end();
        }
    }

    /// Nothing more can be sent.
    pub(super) fn end(&mut self) {
        self.is_closed = true;
        self.waiting.drain(..).for_each(Waker::wake);
    }

    fn push(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Takes what was sent.
    pub(super) fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Vec<u8>> {
        if self.bytes.is_empty() {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        self.waiting.drain(..).for_each(Waker::wake);
        Poll::Ready(std::mem::take(&mut self.bytes))
    }
}
