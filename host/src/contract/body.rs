//! Bodies on their way between HTTP and a guest, both directions, with
//! backpressure: at most one chunk waits in each.

use super::types;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::PollSender;
use wasmtime::component::{
    Destination, FutureReader, Source, StreamConsumer, StreamProducer, StreamReader, StreamResult,
};
use wasmtime::{AsContextMut, StoreContextMut};

/// Why a body ended before it was whole.
///
/// The type of wasmtime's `wasi:http`, so that a body can be handed to a
/// standard component as it is.
pub type BodyError = wasmtime_wasi_http::Error;

/// A body of unknown size.
pub type StreamBody = UnsyncBoxBody<Bytes, BodyError>;

/// Largest piece taken from a guest's stream at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// A message's body.
#[derive(Debug)]
pub enum Body {
    /// All of it, in memory.
    Whole(Bytes),
    /// To be read as it comes.
    Stream(StreamBody),
}

impl Body {
    /// No body.
    pub const EMPTY: Self = Self::Whole(Bytes::new());

    /// A body that is read from `body` as it comes.
    pub fn stream<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Self::Stream(body.map_err(Into::into).boxed_unsync())
    }

    /// The same body for a second reader, if it is in memory.
    pub fn try_clone(&self) -> Option<Self> {
        match self {
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Stream(_) => None,
        }
    }

    /// The body as `wasi:http` takes it.
    pub fn into_stream(self) -> StreamBody {
        match self {
            Self::Whole(bytes) => http_body_util::Full::new(bytes)
                .map_err(|never| match never {})
                .boxed_unsync(),
            Self::Stream(body) => body,
        }
    }

    /// Makes the body readable for the guest in `store`.
    ///
    /// # Errors
    ///
    /// When the store has no room for another stream.
    pub fn into_guest(self, mut store: impl AsContextMut) -> wasmtime::Result<types::Body> {
        let body = match self {
            Self::Whole(bytes) => return Ok(types::Body::Bytes(bytes.into())),
            Self::Stream(body) => body,
        };
        let (end, ended) = oneshot::channel();
        let producer = Producer {
            body,
            end: Some(end),
            trailers: types::Headers::new(),
        };
        let data = StreamReader::new(&mut store, producer)?;
        let end = FutureReader::new(&mut store, async move {
            let end = ended
                .await
                .unwrap_or_else(|_| Err("the body was not read to its end".into()));
            wasmtime::error::Ok(end)
        })?;
        Ok(types::Body::Stream(types::BodyStream { data, end }))
    }

    /// Tells a guest that nobody will read its body.
    ///
    /// # Errors
    ///
    /// When the body is not the store's.
    pub(super) fn refuse(mut store: impl AsContextMut, body: types::Body) -> wasmtime::Result<()> {
        if let types::Body::Stream(mut stream) = body {
            stream.data.close(&mut store)?;
            stream.end.close(&mut store)?;
        }
        Ok(())
    }

    /// Makes a guest's body readable for the host. `held` is kept until the
    /// guest has no more to send.
    ///
    /// # Errors
    ///
    /// When the store has no room for another stream.
    pub fn from_guest<S>(
        mut store: S,
        body: types::Body,
        held: impl Clone + Send + Unpin + 'static,
    ) -> wasmtime::Result<Self>
    where
        S: AsContextMut,
        S::Data: Send,
    {
        let stream = match body {
            types::Body::Bytes(bytes) => return Ok(Self::Whole(bytes.into())),
            types::Body::Stream(stream) => stream,
        };
        let (chunks, data) = mpsc::channel(1);
        let (end, ended) = oneshot::channel();
        let chunks = PollSender::new(chunks);
        stream.data.pipe(
            &mut store,
            Consumer {
                chunks,
                _held: held.clone(),
            },
        )?;
        stream.end.pipe(
            &mut store,
            EndConsumer {
                end: Some(end),
                _held: held,
            },
        )?;
        Ok(Self::Stream(
            GuestBody {
                data,
                end: Some(ended),
            }
            .boxed_unsync(),
        ))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// Hands an HTTP body to a guest.
struct Producer {
    body: StreamBody,
    end: Option<oneshot::Sender<Result<types::Headers, String>>>,
    trailers: types::Headers,
}

impl Producer {
    fn finish(&mut self, end: Result<types::Headers, String>) -> StreamResult {
        if let Some(sender) = self.end.take() {
            // The guest may have dropped the future: then nobody wants to know.
            let _ = sender.send(end);
        }
        StreamResult::Dropped
    }
}

impl<D> StreamProducer<D> for Producer {
    type Item = u8;
    type Buffer = Bytes;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, u8, Bytes>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if destination.remaining(store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Ok(self.finish(Err(error.to_string()))));
                }
                Poll::Ready(None) => {
                    let trailers = std::mem::take(&mut self.trailers);
                    return Poll::Ready(Ok(self.finish(Ok(trailers))));
                }
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    destination.set_buffer(data);
                    return Poll::Ready(Ok(StreamResult::Completed));
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        self.trailers.extend(super::fields::to_guest(&trailers));
                    }
                }
            }
        }
    }
}

/// Takes the bytes of a guest's body.
struct Consumer<H> {
    chunks: PollSender<Bytes>,
    _held: H,
}

impl<D: 'static, H: Send + Unpin + 'static> StreamConsumer<D> for Consumer<H> {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.chunks.poll_reserve(cx) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(Ok(())) => {}
        }
        let mut source = source.as_direct(store.as_context_mut());
        let available = source.remaining();
        if available.is_empty() {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let chunk = Bytes::copy_from_slice(&available[..available.len().min(CHUNK)]);
        source.mark_read(chunk.len());
        // The receiver went away after the reservation: the guest stops here.
        if self.chunks.send_item(chunk).is_err() {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// Learns whether a guest's body is whole.
struct EndConsumer<H> {
    end: Option<oneshot::Sender<Result<types::Headers, String>>>,
    _held: H,
}

impl<D: 'static, H: Send + Unpin + 'static> wasmtime::component::FutureConsumer<D>
    for EndConsumer<H>
{
    type Item = Result<types::Headers, String>;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<D>,
        mut source: Source<'_, Self::Item>,
        _: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut value = None;
        source.read(store, &mut value)?;
        if let (Some(value), Some(end)) = (value, self.end.take()) {
            // The client is gone: nobody wants to know.
            let _ = end.send(value);
        }
        Poll::Ready(Ok(()))
    }
}

/// The host's side of a guest's body. It ends cleanly only when the guest said
/// that it is whole; a trap, a dropped store or a guest's error abort it.
struct GuestBody {
    data: mpsc::Receiver<Bytes>,
    end: Option<oneshot::Receiver<Result<types::Headers, String>>>,
}

impl HttpBody for GuestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(chunk) = ready!(self.data.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        let Some(end) = &mut self.end else {
            return Poll::Ready(None);
        };
        let end = ready!(Pin::new(end).poll(cx));
        self.end = None;
        Poll::Ready(match end {
            Ok(Ok(trailers)) if trailers.is_empty() => None,
            Ok(Ok(trailers)) => Some(trailers_from_guest(trailers).map(Frame::trailers)),
            Ok(Err(why)) => Some(Err(BodyError::InternalError(Some(why)))),
            Err(_) => Some(Err(BodyError::InternalError(Some(
                "the function ended before its body was whole".into(),
            )))),
        })
    }
}

fn trailers_from_guest(trailers: types::Headers) -> Result<HeaderMap, BodyError> {
    super::fields::from_guest(trailers)
        .map_err(|error| BodyError::InternalError(Some(error.to_string())))
}
