//! The messages of a WebSocket on their way between host and guest, as
//! `wit/function.wit` describes them.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use thiserror::Error;

/// A kind, and a length.
const HEAD: usize = 1 + size_of::<u32>();

const TEXT: u8 = 0;
const BINARY: u8 = 1;
const CLOSE: u8 = 2;

/// What crosses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebSocketFrame {
    /// A message of UTF-8. From a guest it is not checked yet.
    Text(Bytes),
    /// A message of bytes.
    Binary(Bytes),
    /// The last frame.
    Close {
        /// See RFC 6455, section 7.4; none: the peer gave none.
        code: Option<u16>,
        /// UTF-8; from a guest it is not checked yet.
        reason: Bytes,
    },
}

/// What a guest sends that is no frame.
#[derive(Debug, Error)]
pub enum InvalidFrame {
    /// Kinds are 0 to 2.
    #[error("there is no WebSocket frame of kind {0}")]
    Kind(u8),
    /// Our own limit.
    #[error("a WebSocket message has {bytes} bytes, limit {max}: send several")]
    TooLong {
        /// What it has.
        bytes: usize,
        /// What it may have.
        max: usize,
    },
    /// See RFC 6455, section 5.6.
    #[error("a WebSocket message of text is not UTF-8: send it as bytes")]
    Text,
    /// See RFC 6455, section 7.4.
    #[error("{0} is no code to close with: use 1000, 1007 to 1011 or 3000 to 4999")]
    Code(u16),
    /// A code has two bytes.
    #[error("a close frame has no whole code")]
    Close,
    /// The stream ended within a frame.
    #[error("a WebSocket frame breaks off")]
    Cut,
}

impl WebSocketFrame {
    /// The frame as it crosses.
    pub fn encode(&self) -> Bytes {
        let (kind, code, payload) = match self {
            Self::Text(text) => (TEXT, None, text),
            Self::Binary(bytes) => (BINARY, None, bytes),
            Self::Close { code, reason } => (CLOSE, *code, reason),
        };
        let length = payload.len() + code.map_or(0, |_| size_of::<u16>());
        let mut frame = BytesMut::with_capacity(HEAD + length);
        frame.put_u8(kind);
        frame.put_u32_le(u32::try_from(length).expect("a message has its limit"));
        if let Some(code) = code {
            frame.put_u16_le(code);
        }
        frame.put_slice(payload);
        frame.freeze()
    }
}

/// Reads frames off a guest's stream, whose pieces end anywhere.
#[derive(Debug)]
pub struct WebSocketFrames {
    buffer: BytesMut,
    /// Bytes that a message may have.
    max: usize,
}

impl WebSocketFrames {
    /// Nothing read yet.
    pub fn new(max: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            max,
        }
    }

    /// The next piece of the stream. Read all frames off before the next one:
    /// then no more than a message and a piece are ever held.
    pub fn push(&mut self, piece: &Bytes) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next frame, if it is whole.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn take_frame(&mut self) -> Result<Option<WebSocketFrame>, InvalidFrame> {
        let Some((head, rest)) = self.buffer.split_first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let [kind, length @ ..] = *head;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if kind > CLOSE {
            return Err(InvalidFrame::Kind(kind));
        }
        if length > self.max {
            let (bytes, max) = (length, self.max);
            return Err(InvalidFrame::TooLong { bytes, max });
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.buffer.advance(HEAD);
        let mut payload = self.buffer.split_to(length).freeze();
        let frame = match (kind, length) {
            (TEXT, _) => WebSocketFrame::Text(payload),
            (BINARY, _) => WebSocketFrame::Binary(payload),
            (_, 0) => WebSocketFrame::Close {
                code: None,
                reason: payload,
            },
            (_, 1) => return Err(InvalidFrame::Close),
            _ => WebSocketFrame::Close {
                code: Some(payload.get_u16_le()),
                reason: payload,
            },
        };
        Ok(Some(frame))
    }

    /// The stream has ended.
    ///
    /// # Errors
    ///
    /// When it did within a frame.
    pub fn end(&self) -> Result<(), InvalidFrame> {
        if self.buffer.is_empty() {
            Ok(())
        } else {
            Err(InvalidFrame::Cut)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<WebSocketFrame> {
        let close = |code, reason: &'static str| WebSocketFrame::Close {
            code,
            reason: Bytes::from_static(reason.as_bytes()),
        };
        vec![
            WebSocketFrame::Text(Bytes::from_static("é".as_bytes())),
            WebSocketFrame::Binary(Bytes::from_static(&[0, 255])),
            WebSocketFrame::Text(Bytes::new()),
            close(Some(4001), "bye"),
            close(None, ""),
        ]
    }

    #[test]
    fn frames_come_out_as_they_went_in_wherever_pieces_end() {
        let stream: Vec<u8> = frames().iter().flat_map(WebSocketFrame::encode).collect();
        for size in 1..=stream.len() {
            let mut read = WebSocketFrames::new(5);
            let mut found = Vec::new();
            for piece in stream.chunks(size) {
                read.push(&Bytes::copy_from_slice(piece));
                while let Some(frame) = read.take_frame().unwrap() {
                    found.push(frame);
                }
            }
            read.end().unwrap();
            assert_eq!(found, frames(), "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let error = |bytes: &'static [u8]| {
            let mut read = WebSocketFrames::new(5);
            read.push(&Bytes::from_static(bytes));
            match read.take_frame() {
                Ok(_) => read.end().unwrap_err(),
                Err(error) => error,
            }
        };
        assert!(matches!(error(&[3, 0, 0, 0, 0]), InvalidFrame::Kind(3)));
        assert!(matches!(error(&[2, 1, 0, 0, 0, 0]), InvalidFrame::Close));
        assert!(matches!(error(&[0, 2, 0, 0, 0, 0]), InvalidFrame::Cut));
        let too_long = error(&[1, 6, 0, 0, 0]);
        assert!(matches!(
            too_long,
            InvalidFrame::TooLong { bytes: 6, max: 5 }
        ));
    }
}
