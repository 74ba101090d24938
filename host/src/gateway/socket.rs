//! A peer's socket: bytes that were looked at come again, and a peer that takes
//! nothing is cut off.

use crate::capabilities::Reader;
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4), as far as
/// no HTTP/1.1 request does.
const HTTP2_PREFACE: [u8; 3] = *b"PRI";

/// A connected socket. Idle it costs little more than a bare one: the timer is
/// made when a peer stalls.
pub(super) struct Socket {
    stream: TcpStream,
    /// What was read to tell the protocol, and how much of it was not yet read
    /// again.
    first: [u8; HTTP2_PREFACE.len()],
    again: std::ops::Range<u8>,
    /// Longest that a peer may take no byte while there are some for it.
    write_timeout: Duration,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// The same, as functions see it.
    reader: Arc<Reader>,
    /// Whether its end is to look like none.
    broken: Broken,
}

/// Says of a socket that it ends in the middle of something.
#[derive(Clone, Debug, Default)]
pub(super) struct Broken(Arc<AtomicBool>);

impl Broken {
    /// The peer is to see a reset in place of the end.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Socket {
    pub(super) fn new(
        stream: TcpStream,
        write_timeout: Duration,
        reader: Arc<Reader>,
        broken: Broken,
    ) -> Self {
        Self {
            stream,
            first: [0; HTTP2_PREFACE.len()],
            again: 0..0,
            write_timeout,
            stalled: None,
            reader,
            broken,
        }
    }

    /// Tells the protocol by the first bytes, however slowly they come.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) async fn has_http2_preface(&mut self) -> io::Result<bool> {
        let mut seen = 0;
        while seen < HTTP2_PREFACE.len() && self.first[..seen] == HTTP2_PREFACE[..seen] {
            let read = self.stream.read(&mut self.first[seen..]).await?;
            if read == 0 {
                break;
            }
            seen += read;
            self.again.end = seen as u8;
        }
        Ok(self.first == HTTP2_PREFACE)
    }

    /// Turns "not now" into an error when it has been so for too long.
    fn progress(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            if self.stalled.take().is_some() {
                self.reader.takes();
            }
            return written;
        }
        let timeout = self.write_timeout;
        let timer = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + timeout)));
        let gives_way = self.reader.stalls(cx);
        if !gives_way {
            ready!(timer.as_mut().poll(cx));
        }
        // Else the system would go on offering what nobody takes.
        self.broken.set();
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the peer takes nothing",
        )))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.broken.0.load(Ordering::Relaxed) {
            // Closed so, it resets. Fails only when the peer has done it before.
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.again.is_empty() {
            let (start, end) = (self.again.start as usize, self.again.end as usize);
            let end = end.min(start + into.remaining());
            into.put_slice(&self.first[start..end]);
            self.again.start = end as u8;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.progress(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.progress(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
