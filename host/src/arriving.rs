//! A request's body as it comes in. Over HTTP/1.1 a peer that is answered before
//! it has sent everything often reads the answer only after that, and a
//! connection closed meanwhile loses it: so what is still to come is read for a
//! while and thrown away (RFC 9112, section 9.6).

use http::{Request, Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;

/// Longest that an unwanted body is read.
const LONGEST: Duration = Duration::from_secs(10);

/// Longest wait for the next piece of it.
const LONGEST_GAP: Duration = Duration::from_secs(1);

/// The body of a request that a connection brings.
#[derive(Debug)]
pub(crate) struct Arriving<B = Incoming>
where
    B: Body + Send + Unpin + 'static,
{
    /// None: read to its end.
    body: Option<B>,
    /// Where the rest is read if nobody wants it. Not where it is dropped: that
    /// may be a thread that guests keep busy.
    rest: Option<Handle>,
    /// The peer sends it: unasked, or because it was asked to go on.
    is_coming: bool,
}

impl<B: Body + Send + Unpin> Arriving<B> {
    /// Takes over the body of a request, on its connection's event loop.
    pub(crate) fn request(request: Request<B>) -> Request<Self> {
        // Over HTTP/2 the rest is cancelled without loss.
        let is_owed = request.version() <= Version::HTTP_11 && !request.body().is_end_stream();
        // Who expects to be told to go on has sent nothing yet; it is told when
        // the body is first asked for.
        let is_coming = !request.headers().contains_key(header::EXPECT);
        request.map(|body| Self {
            body: Some(body),
            rest: is_owed.then(Handle::current),
            is_coming,
        })
    }
}

impl<B: Body + Send + Unpin> Body for Arriving<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.is_coming = true;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl<B: Body + Send + Unpin + 'static> Drop for Arriving<B> {
    fn drop(&mut self) {
        if let (Some(body), Some(runtime)) = (self.body.take(), &self.rest)
            && self.is_coming
            && !body.is_end_stream()
        {
            runtime.spawn(tokio::time::timeout(LONGEST, discard(body)));
        }
    }
}

async fn discard(mut body: impl Body + Unpin) {
    while let Ok(Some(Ok(_))) = tokio::time::timeout(LONGEST_GAP, body.frame()).await {}
}
