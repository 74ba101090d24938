//! Bodies: whole, or streamed piece by piece.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::future::LocalBoxFuture;
use futures::stream::{LocalBoxStream, Stream, StreamExt};

use crate::error::Error;
use crate::platform;

/// How much is taken from the host at once, in bytes, at most.
pub(crate) const PIECE: usize = 64 * 1024;

/// The body of a request or a response: whole bytes, or a stream.
///
/// A stream is pulled: its producer runs only as fast as the reader takes the
/// pieces, and is dropped when the reader goes away. A stream that fails never
/// looks whole to its reader: the connection is aborted instead.
pub struct Body(pub(crate) Kind);

pub(crate) enum Kind {
    Bytes(Vec<u8>),
    /// A body that the function makes, or has fetched.
    Stream(Box<dyn Source>),
    /// A request's body that the host streams in. It is kept as it is because
    /// passing it on unread then costs the guest nothing.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        expect(dead_code, reason = "no host, no such body")
    )]
    Incoming(platform::Incoming),
}

/// A streamed body. What streams it out is reached through this trait alone, so
/// that a function which streams nothing does not contain it: some 20 KB.
pub(crate) trait Source {
    /// The next piece; it may be empty. `None` at the end.
    fn chunk(&mut self) -> LocalBoxFuture<'_, Result<Option<Vec<u8>>, BodyError>>;

    /// Hands the body to the host, by our contract.
    #[cfg(target_arch = "wasm32")]
    fn lower(self: Box<Self>) -> platform::Lowered;

    /// Hands the body to the host, by `wasi:http`.
    #[cfg(target_arch = "wasm32")]
    fn lower_portable(self: Box<Self>) -> platform::LoweredPortable;
}

/// A stream made by the function.
struct Piped(LocalBoxStream<'static, Result<Vec<u8>, BodyError>>);

impl Source for Piped {
    fn chunk(&mut self) -> LocalBoxFuture<'_, Result<Option<Vec<u8>>, BodyError>> {
        Box::pin(async { self.0.next().await.transpose() })
    }

    #[cfg(target_arch = "wasm32")]
    fn lower(self: Box<Self>) -> platform::Lowered {
        platform::lower_source(self)
    }

    #[cfg(target_arch = "wasm32")]
    fn lower_portable(self: Box<Self>) -> platform::LoweredPortable {
        platform::lower_source_portable(self)
    }
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// It ended before its end: the peer went away, or its producer failed.
    #[error("the body ended early: {0}")]
    Cut(String),
    /// It was to be text.
    #[error("the body is not UTF-8")]
    NotText(#[from] std::string::FromUtf8Error),
    /// It was to be JSON of another form.
    #[error("the body is not the expected JSON")]
    NotJson(#[from] serde_json::Error),
}

/// What a producer's failure looks like to the reader.
impl From<Error> for BodyError {
    fn from(error: Error) -> Self {
        match error.downcast::<BodyError>() {
            Ok(error) => error,
            Err(error) => BodyError::Cut(error.to_string()),
        }
    }
}

impl Body {
    /// A body of no bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Body(Kind::Bytes(Vec::new()))
    }

    /// A body that streams what `stream` yields. Its first error ends the body
    /// as a failure, with a log line.
    #[must_use]
    pub fn stream<T, E>(stream: impl Stream<Item = Result<T, E>> + 'static) -> Self
    where
        T: Into<Vec<u8>> + 'static,
        E: Into<Error> + 'static,
    {
        Body::piped(stream.map(|item| match item {
            Ok(piece) => Ok(piece.into()),
            Err(error) => Err(error.into().into()),
        }))
    }

    /// A body that `producer` writes, piece by piece, while it is read.
    ///
    /// ```
    /// # use dunlin::prelude::*;
    /// # use std::time::Duration;
    /// let body = Body::produce(async |mut out| {
    ///     for n in 0..3 {
    ///         out.send(format!("{n}\n")).await;
    ///         dunlin::sleep(Duration::from_millis(1)).await;
    ///     }
    ///     Ok(())
    /// });
    /// # assert_eq!(dunlin::testing::block_on(body.text()).unwrap(), "0\n1\n2\n");
    /// ```
    ///
    /// If it answers an error, the body ends as a failure, with a log line.
    #[must_use]
    pub fn produce<F>(producer: F) -> Self
    where
        F: AsyncFnOnce(BodyWriter) -> Result<(), Error> + 'static,
    {
        let slot = Rc::new(RefCell::new(Slot::default()));
        let writer = BodyWriter {
            slot: Rc::clone(&slot),
        };
        let producer = Box::pin(async move { producer(writer).await });
        Body::piped(Produced {
            producer: Some(producer),
            slot,
        })
    }

    pub(crate) fn piped(stream: impl Stream<Item = Result<Vec<u8>, BodyError>> + 'static) -> Self {
        Body(Kind::Stream(Box::new(Piped(Box::pin(stream)))))
    }

    /// The next piece, at least one byte long; `None` at the end.
    ///
    /// # Errors
    /// If the body ends early. Nothing follows then.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        self.chunk_of(PIECE).await
    }

    /// The same, with room for so many bytes where the host streams them in.
    pub(crate) async fn chunk_of(&mut self, most: usize) -> Result<Option<Vec<u8>>, BodyError> {
        loop {
            let piece = match &mut self.0 {
                Kind::Bytes(bytes) if bytes.is_empty() => return Ok(None),
                Kind::Bytes(bytes) => return Ok(Some(std::mem::take(bytes))),
                Kind::Stream(source) => source.chunk().await?,
                Kind::Incoming(incoming) => incoming.chunk(most).await?,
            };
            match piece {
                Some(piece) if piece.is_empty() => {}
                Some(piece) => return Ok(Some(piece)),
                None => {
                    *self = Body::empty();
                    return Ok(None);
                }
            }
        }
    }

    /// The whole body. The host's limit for request bodies bounds those; for
    /// what [`fetch`](crate::fetch) gets, the function's memory limit does.
    ///
    /// # Errors
    /// If it ends early.
    pub async fn bytes(mut self) -> Result<Vec<u8>, BodyError> {
        if let Kind::Bytes(bytes) = self.0 {
            return Ok(bytes);
        }
        let mut whole = Vec::new();
        while let Some(piece) = self.chunk().await? {
            if whole.is_empty() {
                whole = piece;
            } else {
                whole.extend_from_slice(&piece);
            }
        }
        Ok(whole)
    }

    /// The whole body as text.
    ///
    /// # Errors
    /// If it ends early or is not UTF-8.
    pub async fn text(self) -> Result<String, BodyError> {
        Ok(String::from_utf8(self.bytes().await?)?)
    }

    /// The body as a stream, for the combinators of the `futures` crate.
    pub fn into_stream(self) -> impl Stream<Item = Result<Vec<u8>, BodyError>> {
        futures::stream::try_unfold(self, async |mut body| {
            Ok(body.chunk().await?.map(|piece| (piece, body)))
        })
    }
}

impl Default for Body {
    fn default() -> Self {
        Body::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Bytes(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Kind::Stream(_) | Kind::Incoming(_) => f.write_str("Body(stream)"),
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Body(Kind::Bytes(bytes))
    }
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Body::empty()
    }
}

/// The writing end of [`Body::produce`].
#[derive(Debug)]
pub struct BodyWriter {
    slot: Rc<RefCell<Slot>>,
}

/// One piece on its way. There is never a second: that is the backpressure.
#[derive(Debug, Default)]
struct Slot {
    piece: Option<Vec<u8>>,
    /// The producer, waiting for the slot to be empty. It needs its own waker
    /// because it may wait inside a combinator that polls only who was woken.
    waiting: Option<Waker>,
}

impl BodyWriter {
    /// Sends a piece; resolves when the reader has taken it. If the reader
    /// went away, this never resolves: the producer is dropped.
    pub async fn send(&mut self, piece: impl Into<Vec<u8>>) {
        let piece = piece.into();
        if piece.is_empty() {
            return;
        }
        self.slot.borrow_mut().piece = Some(piece);
        poll_fn(|context| {
            let mut slot = self.slot.borrow_mut();
            if slot.piece.is_none() {
                return Poll::Ready(());
            }
            slot.waiting = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

struct Produced<F> {
    /// `None` when it has finished.
    producer: Option<Pin<Box<F>>>,
    slot: Rc<RefCell<Slot>>,
}

impl<F: Future<Output = Result<(), Error>>> Stream for Produced<F> {
    type Item = Result<Vec<u8>, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let ended = match &mut self.producer {
            Some(producer) => producer.as_mut().poll(context),
            None => return Poll::Ready(None),
        };
        match ended {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.producer = None,
            Poll::Ready(Err(error)) => {
                self.producer = None;
                return Poll::Ready(Some(Err(error.into())));
            }
        }
        let mut slot = self.slot.borrow_mut();
        match slot.piece.take() {
            Some(piece) => {
                if let Some(waiting) = slot.waiting.take() {
                    waiting.wake();
                }
                Poll::Ready(Some(Ok(piece)))
            }
            None if self.producer.is_none() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;

    #[test]
    fn whole_bytes_are_one_piece() {
        let mut body = Body::from("abc");
        assert_eq!(
            block_on(body.chunk()).unwrap().as_deref(),
            Some(b"abc".as_slice())
        );
        assert_eq!(block_on(body.chunk()).unwrap(), None);
    }

    #[test]
    fn a_producer_is_one_piece_ahead_at_most() {
        let sent = Rc::new(RefCell::new(0));
        let count = Rc::clone(&sent);
        let mut body = Body::produce(async move |mut out| {
            for _ in 0..10 {
                *count.borrow_mut() += 1;
                out.send("x").await;
            }
            Ok(())
        });
        for _ in 0..3 {
            assert!(block_on(body.chunk()).unwrap().is_some());
        }
        assert_eq!(*sent.borrow(), 3);
        assert_eq!(block_on(body.text()).unwrap(), "x".repeat(7));
    }

    #[test]
    fn a_producer_that_fails_cuts_the_body() {
        let body = Body::produce(async |mut out| {
            out.send("half").await;
            Err(Error::msg("no more"))
        });
        let error = block_on(body.bytes()).unwrap_err();
        assert_eq!(error.to_string(), "the body ended early: no more");
    }

    #[test]
    fn a_body_cut_twice_is_told_once() {
        let cut = Body::produce(async |_| Err(Error::msg("no more")));
        let error = block_on(Body::stream(cut.into_stream()).bytes()).unwrap_err();
        assert_eq!(error.to_string(), "the body ended early: no more");
    }

    #[test]
    fn a_producer_inside_a_combinator_is_woken() {
        let body = Body::produce(async |mut out| {
            let mut work = futures::stream::FuturesUnordered::new();
            work.push(async {
                out.send("a").await;
                out.send("b").await;
            });
            while work.next().await.is_some() {}
            Ok(())
        });
        assert_eq!(block_on(body.text()).unwrap(), "ab");
    }
}
