//! HTTP by hand: for tests that care about the bytes, the connection, or when
//! what arrives.

use std::net::SocketAddr;

use bytes::Bytes;
use futures::channel::mpsc;
use http::{Request, Response};
use http_body_util::StreamBody;
use http_body_util::combinators::BoxBody;
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{until, within};

/// One connection, as bytes.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Head(String);

impl Head {
    /// The status.
    #[track_caller]
    pub(crate) fn status(&self) -> u16 {
        let status = self
            .0
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status in {:?}", self.0))
    }

    /// A header field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self
            .0
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        fields
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await;
        Self {
            stream: stream.expect("a connection"),
            read: Vec::new(),
        }
    }

    /// The connection of somebody else.
    pub(crate) fn of(stream: TcpStream) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// The same, with little room for what is not read.
    pub(crate) async fn connect_slow(address: SocketAddr) -> Self {
        Self {
            stream: connect_slow(address).await,
            read: Vec::new(),
        }
    }

    /// Waits until the host has reset the connection. Reads nothing.
    pub(crate) async fn was_reset(&self) {
        until("the host resets the connection", async || {
            self.stream.take_error().expect("can be asked")
        })
        .await;
    }

    /// Sends `text` as it is.
    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        let sent = within("sending", self.stream.write_all(text.as_ref())).await;
        sent.expect("the host takes it");
    }

    /// Sends one chunk of a chunked body.
    pub(crate) async fn send_chunk(&mut self, text: &str) {
        self.send(format!("{:x}\r\n{text}\r\n", text.len())).await;
    }

    /// Reads the head of a response.
    pub(crate) async fn head(&mut self) -> Head {
        let head = self.until(b"\r\n\r\n").await;
        Head(String::from_utf8(head).expect("heads are ASCII"))
    }

    /// Reads `length` bytes.
    pub(crate) async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(
                self.more().await,
                "{length} bytes wanted, got {:?}",
                self.shown()
            );
        }
        self.read.drain(..length).collect()
    }

    /// Reads exactly these bytes.
    pub(crate) async fn receives(&mut self, bytes: &[u8]) {
        assert_eq!(self.exactly(bytes.len()).await, bytes);
    }

    /// Reads a response whose length its head tells.
    pub(crate) async fn response(&mut self) -> (Head, String) {
        let head = self.head().await;
        let length = head.header("content-length").expect("the length is told");
        let body = self.exactly(length.parse().expect("is a number")).await;
        (head, String::from_utf8(body).expect("is text"))
    }

    /// Reads one chunk; empty when it is the last.
    pub(crate) async fn chunk(&mut self) -> String {
        let size = String::from_utf8(self.until(b"\r\n").await).expect("is ASCII");
        let size = usize::from_str_radix(size.trim(), 16).expect("is a chunk's size");
        let chunk = self.exactly(size).await;
        self.exactly(2).await;
        String::from_utf8(chunk).expect("is text")
    }

    /// Reads to the end of the connection, however it ends.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.read)
    }

    async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self
                .read
                .windows(end.len())
                .position(|window| window == end)
            {
                return self.read.drain(..at + end.len()).collect();
            }
            assert!(
                self.more().await,
                "the connection ended: {:?}",
                self.shown()
            );
        }
    }

    /// Reads some more; false at the end.
    async fn more(&mut self) -> bool {
        let read = within("the host's bytes", self.stream.read_buf(&mut self.read)).await;
        // A reset is an end, too.
        read.is_ok_and(|read| read > 0)
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }
}

/// A connection whose end here takes in few bytes that nobody reads.
pub(crate) async fn connect_slow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 * 1024).expect("is allowed");
    let stream = within("a connection", socket.connect(address)).await;
    stream.expect("a connection")
}

/// A body for [`Http2`].
pub(crate) type Outgoing = BoxBody<Bytes, std::convert::Infallible>;

/// One HTTP/2 connection, by prior knowledge.
#[derive(Clone)]
pub(crate) struct Http2 {
    address: SocketAddr,
    sender: hyper::client::conn::http2::SendRequest<Outgoing>,
}

impl Http2 {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = Wire::connect(address).await.stream;
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.expect("the host speaks HTTP/2");
        // Ends with the connection, or with the test's runtime.
        tokio::spawn(connection);
        Self { address, sender }
    }

    /// The response to a request, as soon as its head is in.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Outgoing,
    ) -> hyper::Result<Response<Incoming>> {
        let uri = format!("http://{}{path}", self.address);
        let request = Request::builder().method(method).uri(uri).body(body);
        self.sender.ready().await?;
        self.sender
            .send_request(request.expect("is a request"))
            .await
    }
}

/// A body whose pieces are sent by hand.
pub(crate) fn piecewise() -> (mpsc::UnboundedSender<&'static str>, Outgoing) {
    use futures::StreamExt as _;
    let (pieces, body) = mpsc::unbounded();
    let body = body.map(|piece: &str| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))));
    (pieces, BoxBody::new(StreamBody::new(body)))
}
