//! The messages as they cross the boundary; `wit/function.wit` describes them.

use super::{Close, Message};

const TEXT: u8 = 0;
const BINARY: u8 = 1;
pub(super) const CLOSE: u8 = 2;

/// A kind, and a length.
pub(super) const HEAD: usize = 5;

/// What the host sends.
pub(crate) enum Frame {
    Message(Message),
    Close(Close),
}

pub(crate) fn message(message: &Message) -> Vec<u8> {
    match message {
        Message::Text(text) => frame(TEXT, &[], text.as_bytes()),
        Message::Binary(bytes) => frame(BINARY, &[], bytes),
    }
}

pub(crate) fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(CLOSE, &code.to_le_bytes(), reason.as_bytes())
}

fn frame(kind: u8, first: &[u8], rest: &[u8]) -> Vec<u8> {
    // The host's limit is far below; it says so when a message has more.
    let length = u32::try_from(first.len() + rest.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(HEAD + first.len() + rest.len());
    frame.push(kind);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(first);
    frame.extend_from_slice(rest);
    frame
}

/// How many bytes the first frame has, as far as they tell.
pub(super) fn length(bytes: &[u8]) -> usize {
    match bytes {
        [_, a, b, c, d, ..] => HEAD + u32::from_le_bytes([*a, *b, *c, *d]) as usize,
        _ => HEAD,
    }
}

/// Takes the first frame off, if it is whole.
pub(crate) fn take(bytes: &mut Vec<u8>) -> Option<Frame> {
    let length = length(bytes);
    if bytes.len() < length || bytes.len() < HEAD {
        return None;
    }
    let rest = bytes.split_off(length);
    let mut frame = std::mem::replace(bytes, rest);
    let payload = frame.split_off(HEAD);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match (frame[0], &payload[..]) {
        // The host has seen that it is UTF-8.
        (TEXT, bytes) => Frame::Message(Message::Text(text(bytes))),
        (BINARY, _) => Frame::Message(Message::Binary(payload)),
        (_, [low, high, reason @ ..]) => Frame::Close(Close {
            code: Some(u16::from_le_bytes([*low, *high])),
            reason: text(reason),
        }),
        _ => Frame::Close(Close {
            code: None,
            reason: String::new(),
        }),
    })
}
