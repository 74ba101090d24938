//! Bodies that have arrived by the time that somebody looks.

use super::{Body, BodyError};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Largest body, in bytes, that is handed over whole because it is here.
const WHOLE: usize = 64 * 1024;

impl Body {
    /// A body that came from a peer: whole, if all of it is here already, which
    /// saves whoever reads it a stream.
    pub fn arrived<B>(mut body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BodyError> + Send + Unpin,
    {
        let mut first = VecDeque::new();
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            // Who reads the stream looks again, and is woken then.
            let Poll::Ready(frame) = Pin::new(&mut body).poll_frame(&mut cx) else {
                break;
            };
            let is_data =
                |frame: &Frame<Bytes>| frame.data_ref().is_some_and(|data| data.len() <= WHOLE);
            match frame {
                None => return Self::Whole(only_data(first)),
                Some(Ok(frame)) if is_data(&frame) && first.is_empty() => {
                    let is_all = body.is_end_stream();
                    first.push_back(Ok(frame));
                    if is_all {
                        return Self::Whole(only_data(first));
                    }
                }
                // Too much, trailers, or a failure: as it comes.
                Some(other) => {
                    first.push_back(other);
                    break;
                }
            }
        }
        Self::stream(Begun { first, body })
    }
}

/// The data of the one frame that there is, or of none.
fn only_data<E>(mut frames: VecDeque<Result<Frame<Bytes>, E>>) -> Bytes {
    let frame = frames.pop_front().and_then(Result::ok);
    let data = frame.and_then(|frame| frame.into_data().ok());
    data.unwrap_or_default()
}

/// A body of which a part was read.
struct Begun<B: HttpBody> {
    first: VecDeque<Result<Frame<Bytes>, B::Error>>,
    body: B,
}

impl<B> HttpBody for Begun<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.first.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // What was read is no longer in the body's own.
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use http_body_util::{BodyExt as _, Full, StreamBody};

    fn frames(
        frames: Vec<Result<Frame<Bytes>, BodyError>>,
    ) -> impl HttpBody<Data = Bytes, Error = BodyError> + Send + Unpin {
        StreamBody::new(stream::iter(frames))
    }

    fn data(text: &'static str) -> Result<Frame<Bytes>, BodyError> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    fn whole(body: &Body) -> Option<&[u8]> {
        match body {
            Body::Whole(bytes) => Some(bytes),
            Body::Stream(_) => None,
        }
    }

    #[test]
    fn what_is_here_is_whole() {
        let full = Full::new(Bytes::from_static(b"all"));
        let full = full.map_err(|never| -> BodyError { match never {} });
        assert_eq!(whole(&Body::arrived(full)), Some(&b"all"[..]));
        assert_eq!(whole(&Body::arrived(frames(vec![]))), Some(&b""[..]));
        assert_eq!(
            whole(&Body::arrived(frames(vec![data("a")]))),
            Some(&b"a"[..])
        );
    }

    #[tokio::test]
    async fn anything_else_comes_as_it_is() {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("a", http::HeaderValue::from_static("b"));
        let bodies = [
            vec![data("a"), data("b")],
            vec![data("a"), Ok(Frame::trailers(trailers))],
        ];
        for (expected, body) in [&b"ab"[..], b"a"].into_iter().zip(bodies) {
            let body = Body::arrived(frames(body));
            assert_eq!(whole(&body), None);
            let read = body.into_stream().collect().await.unwrap();
            assert_eq!(read.trailers().is_some(), expected == b"a");
            assert_eq!(read.to_bytes(), expected);
        }

        let broken = vec![data("a"), Err(BodyError::HttpProtocolError)];
        assert!(
            Body::arrived(frames(broken))
                .into_stream()
                .collect()
                .await
                .is_err()
        );

        let waiting = StreamBody::new(stream::pending::<Result<_, BodyError>>());
        assert_eq!(whole(&Body::arrived(waiting)), None);
    }
}
