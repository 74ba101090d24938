//! HTTP/2 by hand, frame by frame: for peers that do what no client library
//! would.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::wire::connect_slow;
use super::within;

/// Types of frames (RFC 9113, section 6).
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// Error codes (RFC 9113, section 7).
pub(crate) mod code {
    pub(crate) const NO_ERROR: u32 = 0;
    pub(crate) const PROTOCOL_ERROR: u32 = 1;
    pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
    pub(crate) const REFUSED_STREAM: u32 = 7;
    pub(crate) const CANCEL: u32 = 8;
    pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
}

/// The flag of DATA and HEADERS: nothing more comes on this stream.
pub(crate) const END_STREAM: u8 = 1;
/// The flag of SETTINGS and PING: an answer.
pub(crate) const ACK: u8 = 1;
/// The flag of HEADERS and CONTINUATION: the block is whole.
pub(crate) const END_HEADERS: u8 = 4;

/// The setting of a stream's first window (RFC 9113, section 6.5.2).
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

/// One frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The error code of a RST_STREAM or GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == kind::GOAWAY { 4 } else { 0 };
        self.number(at)
    }

    /// The number at `at`.
    pub(crate) fn number(&self, at: usize) -> u32 {
        let bytes = self.payload[at..at + 4].try_into();
        u32::from_be_bytes(bytes.expect("are four bytes"))
    }

    /// The status of a HEADERS frame: hyper puts it first.
    pub(crate) fn status(&self) -> u16 {
        match self.payload[..] {
            // RFC 7541, appendix A: those with an index of their own.
            [0x88, ..] => 200,
            [0x89, ..] => 204,
            [0x8c, ..] => 400,
            [0x8d, ..] => 404,
            [0x8e, ..] => 500,
            // A name by index, a value in Huffman code.
            [0x48, 0x82 | 0x83, a, b, c, ..] => digits([a, b, c]),
            _ => panic!("no status in {self:?}"),
        }
    }
}

/// Three digits in Huffman code (RFC 7541, appendix B): `0` to `2` have five
/// bits, the others six.
fn digits(bytes: [u8; 3]) -> u16 {
    let bits = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], 0]);
    let mut at = 0;
    let mut number = 0;
    for _ in 0..3 {
        let five = (bits << at) >> 27;
        let (digit, length) = if five < 3 {
            (five, 5)
        } else {
            (((bits << at) >> 26) - 0x19 + 3, 6)
        };
        number = number * 10 + digit as u16;
        at += length;
    }
    number
}

/// Header fields as HPACK literals that nobody remembers (RFC 7541, section
/// 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            string(&mut block, text);
        }
    }
    block
}

/// A text that is not in Huffman code (RFC 7541, section 5.2).
pub(crate) fn string(block: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(short) if short < 127 => block.push(short),
        _ => {
            block.push(127);
            let mut rest = text.len() - 127;
            while rest > 127 {
                block.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            block.push(rest as u8);
        }
    }
    block.extend(text.as_bytes());
}

/// The fields of a request to `path`.
pub(crate) fn request<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [
        (":method", method),
        (":scheme", "http"),
        (":authority", "h"),
        (":path", path),
    ]
}

/// One connection, as frames.
pub(crate) struct Frames {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
}

impl Frames {
    /// Connects, with these settings.
    pub(crate) async fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let (reader, writer) = connect_slow(address).await.into_split();
        let mut this = Self { reader, writer };
        this.bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let mut payload = Vec::new();
        for (setting, value) in settings {
            payload.extend(setting.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        this.send(kind::SETTINGS, 0, 0, &payload).await;
        this
    }

    async fn bytes(&mut self, bytes: &[u8]) {
        // What the host has closed is seen when reading.
        let _ = within("sending", self.writer.write_all(bytes)).await;
    }

    /// Sends a frame.
    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.bytes(&frame(kind, flags, stream, payload)).await;
    }

    /// Sends frames at once.
    pub(crate) async fn send_all(&mut self, frames: &[Vec<u8>]) {
        self.bytes(&frames.concat()).await;
    }

    /// Sends `frames` again and again until the host takes no more; true if it
    /// closed the connection.
    pub(crate) async fn flood(&mut self, frames: &[u8], times: usize) -> bool {
        for _ in 0..times {
            let sent = within("a flood's end", self.writer.write_all(frames)).await;
            if sent.is_err() {
                return true;
            }
        }
        false
    }

    /// Sends a request without a body.
    pub(crate) async fn get(&mut self, stream: u32, path: &str) {
        let block = block(&request("GET", path));
        self.send(kind::HEADERS, END_STREAM | END_HEADERS, stream, &block)
            .await;
    }

    /// Sends the head of a request whose body comes later.
    pub(crate) async fn post(&mut self, stream: u32, path: &str) {
        let block = block(&request("POST", path));
        self.send(kind::HEADERS, END_HEADERS, stream, &block).await;
    }

    /// The next frame; none at the connection's end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        let read = within("a frame", self.reader.read_exact(&mut head)).await;
        read.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        let read = within("a frame's rest", self.reader.read_exact(&mut payload)).await;
        read.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// The next frame of a kind, on a stream; others are passed over.
    pub(crate) async fn next_of(&mut self, kind: u8, stream: u32) -> Frame {
        loop {
            let frame = self.next().await;
            let frame = frame.unwrap_or_else(|| panic!("the connection ended without {kind}"));
            if (frame.kind, frame.stream) == (kind, stream) {
                return frame;
            }
            let ended = [kind::GOAWAY, kind::RST_STREAM].contains(&frame.kind)
                && [0, stream].contains(&frame.stream);
            assert!(!ended, "instead of {kind} on {stream}: {frame:?}");
        }
    }

    /// Waits until the host has read all that was sent.
    pub(crate) async fn settle(&mut self) {
        self.send(kind::PING, 0, 0, b"settled?").await;
        while self.next_of(kind::PING, 0).await.flags != ACK {}
    }

    /// Reads to the connection's end; returns the code of its GOAWAY.
    pub(crate) async fn goaway(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next().await {
            if frame.kind == kind::GOAWAY {
                code = Some(frame.code());
            }
        }
        code
    }
}

/// A frame's bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("is short");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}
