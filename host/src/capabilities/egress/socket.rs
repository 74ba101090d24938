//! Outgoing sockets are counted: each is an open file, and the host has only so
//! many.

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places for sockets: of the host, and of one version, which gets half of
/// them at most, so that no function takes all.
#[derive(Clone)]
pub(super) struct Places {
    host: Arc<Semaphore>,
    version: Arc<Semaphore>,
}

/// A place for one socket; free again when dropped.
pub(super) struct Place {
    _host: OwnedSemaphorePermit,
    _version: OwnedSemaphorePermit,
}

impl Places {
    /// The places of one version among the `all` of `host`.
    pub(super) fn of_version(host: &Arc<Semaphore>, all: usize) -> Self {
        Self {
            host: host.clone(),
            version: Arc::new(Semaphore::new(all.div_ceil(2))),
        }
    }

    /// Waits for a place. The version's own comes first: who waits for it holds
    /// none of the host's.
    pub(super) async fn take(&self) -> Place {
        let closed = "the semaphores are never closed";
        let version = self.version.clone().acquire_owned().await.expect(closed);
        let host = self.host.clone().acquire_owned().await.expect(closed);
        Place {
            _host: host,
            _version: version,
        }
    }
}

/// A connected socket in its place.
pub(super) struct Socket {
    pub(super) stream: TokioIo<TcpStream>,
    pub(super) _place: Arc<Place>,
}

impl Socket {
    fn stream(self: Pin<&mut Self>) -> Pin<&mut TokioIo<TcpStream>> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buf)
    }
}

impl Write for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, bufs)
    }
}
