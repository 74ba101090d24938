//! A request on its way in: what the function is told, and its body, measured.

use super::chosen;
use super::connection::Peer;
use super::error::GatewayError;
use crate::arriving::Arriving;
use crate::capabilities::Invocation;
use crate::contract::{Body, BodyError, Head};
use crate::registry::Interface;
use crate::telemetry::RequestId;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Request};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::time::Instant;

/// A body up to this size, in bytes, is read before the function is called: it
/// then crosses in one piece, and a slow sender holds no instance.
const WHOLE: u64 = 64 * 1024;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// A request as the function gets it.
pub(super) struct Inbound {
    pub(super) head: Arc<Head>,
    pub(super) body: Body,
    pub(super) meter: Meter,
}

impl Inbound {
    /// The same request, if it may be handed to a function twice: idempotent by
    /// RFC 9110, section 9.2.2, and still in the host's hands.
    pub(super) fn to_repeat(&self) -> Option<Self> {
        if !self.head.parts.method.is_idempotent() {
            return None;
        }
        Some(Self {
            head: self.head.clone(),
            body: self.body.try_clone()?,
            meter: self.meter.clone(),
        })
    }
}

/// The length that the caller announces, if it does.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// Turns a request into what the function sees: its path below the mount, the
/// body bounded, and the host's own word on where it came from.
pub(super) async fn prepare(
    request: Box<Request<Arriving>>,
    invocation: &Invocation,
    peer: &Peer,
    deadline: Instant,
) -> Result<Inbound, GatewayError> {
    let route = &invocation.route;
    let limit = route.version().limits.request_body;
    let too_large = || GatewayError::BodyTooLarge(limit);
    let limit = limit.as_bytes();
    let length = content_length(request.headers());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let (mut parts, body) = request.into_parts();
    if let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        // HTTP/2 has no such field, and functions expect one. HTTP/1.1 may have
        // another, which then counts for nothing (RFC 9112, section 3.2.2).
        parts.headers.insert(header::HOST, host);
    }
    let meter = Meter::default();
    let body = if body.is_end_stream() {
        Body::EMPTY
    } else if length.is_some_and(|length| length <= WHOLE) {
        // Boxed, so that requests without a body carry no room for it.
        let whole = Box::pin(tokio::time::timeout_at(deadline, body.collect()));
        let whole = whole.await.map_err(|_| GatewayError::BodyTooSlow)?;
        Body::Whole(whole.map_err(|_| GatewayError::BodyBroken)?.to_bytes())
    } else {
        Body::stream(Metered {
            body,
            left: limit,
            meter: meter.clone(),
        })
    };
    let authority = match (
        route.version().description.interface,
        parts.headers.get(header::HOST),
    ) {
        (Interface::Function, _) | (_, None) => None,
        (_, Some(host)) => {
            Some(Authority::try_from(host.as_bytes()).map_err(|_| GatewayError::BadHost)?)
        }
    };
    let scheme = peer.scheme.clone();
    let prefix = route.prefix(&parts.uri);
    let added = stamp(&mut parts.headers, prefix, peer, &invocation.request_id);
    Ok(Inbound {
        head: Arc::new(Head {
            mount_len: prefix.len(),
            parts,
            added,
            scheme,
            authority,
        }),
        body,
        meter,
    })
}

/// Takes out what callers may not claim about themselves, and what is between
/// them and the host; returns what the host
/// knows instead.
fn stamp(
    headers: &mut HeaderMap,
    prefix: &str,
    peer: &Peer,
    id: &RequestId,
) -> Vec<(HeaderName, HeaderValue)> {
    const CLAIMED: [HeaderName; 8] = [
        chosen::VERSION,
        chosen::TOKEN,
        RequestId::HEADER,
        FORWARDED_FOR,
        FORWARDED_HOST,
        FORWARDED_PROTO,
        FORWARDED_PREFIX,
        header::FORWARDED,
    ];
    if headers.keys().any(|name| CLAIMED.contains(name)) {
        for claimed in CLAIMED {
            headers.remove(claimed);
        }
    }
    let mut added = Vec::with_capacity(4);
    added.push((RequestId::HEADER, id.as_header().clone()));
    let proto = if peer.scheme == Scheme::HTTPS {
        "https"
    } else {
        "http"
    };
    added.push((FORWARDED_FOR, peer.address.clone()));
    added.push((FORWARDED_PROTO, HeaderValue::from_static(proto)));
    if !prefix.is_empty()
        && let Ok(prefix) = HeaderValue::from_str(prefix)
    {
        added.push((FORWARDED_PREFIX, prefix));
    }
    added
}

/// Tells what became of a body while it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    exceeded: AtomicBool,
    broken: AtomicBool,
}

impl Meter {
    /// It grew beyond its limit.
    pub(super) fn is_exceeded(&self) -> bool {
        self.0.exceeded.load(Ordering::Relaxed)
    }

    /// It was not what its head announced, or is not chunked as it should be.
    pub(super) fn is_broken(&self) -> bool {
        self.0.broken.load(Ordering::Relaxed)
    }
}

/// A body of unknown length that fails beyond its limit.
struct Metered<B> {
    body: B,
    left: u64,
    meter: Meter,
}

impl<B> HttpBody for Metered<B>
where
    B: HttpBody<Data = Bytes, Error = hyper::Error> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(|error| {
            self.meter.0.broken.store(true, Ordering::Relaxed);
            BodyError::Hyper(error)
        })?;
        if let Some(data) = frame.data_ref() {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => {
                    self.meter.0.exceeded.store(true, Ordering::Relaxed);
                    return Poll::Ready(Some(Err(BodyError::HttpRequestBodySize(None))));
                }
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
