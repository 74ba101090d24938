//! A request on its way in: what the function is told, and its body, measured.

use super::error::GatewayError;
use super::request::content_length;
use crate::contract::{Body, BodyError};
use crate::registry::{Interface, Limits};
use crate::routing::Route;
use crate::telemetry::RequestId;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, Request};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::borrow::Cow;
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
    pub(super) head: Arc<Parts>,
    pub(super) body: Body,
    pub(super) meter: Meter,
}

impl Inbound {
    /// The same request, if it may be handed to a function twice: idempotent by
    /// RFC 9110, section 9.2.2, and still in the host's hands.
    pub(super) fn to_repeat(&self) -> Option<Self> {
        if !self.head.method.is_idempotent() {
            return None;
        }
        Some(Self {
            head: self.head.clone(),
            body: self.body.try_clone()?,
            meter: self.meter.clone(),
        })
    }
}

/// The host that a request is for: HTTP/2 says so in the target.
pub(super) fn host<B>(request: &Request<B>) -> Option<Cow<'_, str>> {
    let header = || request.headers().get(header::HOST)?.to_str().ok();
    request
        .uri()
        .authority()
        .map(Authority::as_str)
        .or_else(header)
        .map(Cow::Borrowed)
}

/// Turns a request into what the function sees: its path below the mount, the
/// body bounded, and the host's own word on where it came from.
pub(super) async fn prepare(
    request: Request<Incoming>,
    route: &Route,
    peer: HeaderValue,
    id: &RequestId,
    limits: &Limits,
    deadline: Instant,
) -> Result<Inbound, GatewayError> {
    let too_large = || GatewayError::BodyTooLarge(limits.request_body);
    let limit = limits.request_body.as_bytes();
    let length = content_length(request.headers());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let authority = host(&request).map(Cow::into_owned);
    let (mut parts, body) = request.into_parts();
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
    stamp(
        &mut parts.headers,
        route.prefix(&parts.uri),
        peer,
        id,
        authority.as_deref(),
    );
    parts.uri = inner_uri(route, &parts.uri, authority)?;
    Ok(Inbound {
        head: Arc::new(parts),
        body,
        meter,
    })
}

/// Replaces what the caller may claim about itself by what the host knows.
fn stamp(
    headers: &mut HeaderMap,
    prefix: &str,
    peer: HeaderValue,
    id: &RequestId,
    authority: Option<&str>,
) {
    const CLAIMED: [HeaderName; 5] = [
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
    headers.insert(RequestId::HEADER, id.as_header().clone());
    headers.insert(FORWARDED_FOR, peer);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    if !prefix.is_empty()
        && let Ok(prefix) = HeaderValue::from_str(prefix)
    {
        headers.insert(FORWARDED_PREFIX, prefix);
    }
    // HTTP/2 has no such field; functions expect one.
    if !headers.contains_key(header::HOST)
        && let Some(Ok(host)) = authority.map(HeaderValue::from_str)
    {
        headers.insert(header::HOST, host);
    }
}

/// The target below the mount; standard components also want to be told the
/// scheme and authority.
fn inner_uri(route: &Route, uri: &Uri, authority: Option<String>) -> Result<Uri, GatewayError> {
    let target = route.target(uri);
    let target = match target.as_bytes().first() {
        Some(b'/') => PathAndQuery::try_from(target),
        _ => PathAndQuery::try_from(format!("/{target}")),
    };
    let target = target.expect("what is left of a valid target is one");
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(target);
    if route.version().description.interface != Interface::Function
        && let Some(authority) = authority
    {
        parts.authority = Some(authority.parse().map_err(|_| GatewayError::BadHost)?);
        parts.scheme = Some(Scheme::HTTP);
    }
    Ok(Uri::from_parts(parts).expect("scheme and authority stand together or not at all"))
}

/// Tells whether a body grew beyond its limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(Arc<AtomicBool>);

impl Meter {
    pub(super) fn is_exceeded(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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
        let frame = frame.map_err(BodyError::Hyper)?;
        if let Some(data) = frame.data_ref() {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => {
                    self.meter.0.store(true, Ordering::Relaxed);
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
