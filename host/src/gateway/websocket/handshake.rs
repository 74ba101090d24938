//! The handshake: whether a request opens a WebSocket, and the answer when it
//! does (RFC 6455, section 4.2).

use crate::arriving::Arriving;
use crate::gateway::account::Outgoing;
use crate::gateway::error::GatewayError;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE: HeaderValue = HeaderValue::from_static("Upgrade");

/// The protocol's only version.
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// What only the host may say in the answer.
const OURS: [HeaderName; 7] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_ACCEPT,
    // The host has none.
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_VERSION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
];

/// A request that opens a WebSocket.
pub(in crate::gateway) struct Handshake {
    accept: HeaderValue,
    /// Resolves when the answer is written.
    pub(super) upgrade: OnUpgrade,
}

impl Handshake {
    /// Takes it off a request.
    ///
    /// # Errors
    /// When the request opens no WebSocket.
    pub(in crate::gateway) fn of(request: &mut Request<Arriving>) -> Result<Self, GatewayError> {
        let headers = request.headers();
        let is_one = request.version() == Version::HTTP_11
            && request.method() == Method::GET
            && request.body().is_end_stream()
            && has_token(headers, header::CONNECTION, "upgrade")
            && has_token(headers, header::UPGRADE, "websocket")
            && headers.get(header::SEC_WEBSOCKET_VERSION) == Some(&VERSION);
        let key = headers.get(header::SEC_WEBSOCKET_KEY);
        let accept = key.map(|key| derive_accept_key(key.as_bytes()));
        match accept.and_then(|accept| HeaderValue::try_from(accept).ok()) {
            Some(accept) if is_one => Ok(Self {
                accept,
                upgrade: hyper::upgrade::on(request),
            }),
            _ => Err(GatewayError::UpgradeRequired),
        }
    }

    /// The answer that switches protocols, with the function's own fields.
    pub(super) fn accepted(accept: HeaderValue, mut headers: HeaderMap) -> Response<Outgoing> {
        for ours in OURS {
            headers.remove(ours);
        }
        headers.insert(header::CONNECTION, UPGRADE);
        headers.insert(header::UPGRADE, WEBSOCKET);
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        let mut response = Response::new(Outgoing::of_host(Bytes::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = headers;
        response
    }

    /// The two halves: what the answer needs, and what the connection becomes.
    pub(super) fn into_parts(self) -> (HeaderValue, OnUpgrade) {
        (self.accept, self.upgrade)
    }
}

/// Tells a client what it should have sent.
pub(in crate::gateway) fn ask_for(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, UPGRADE);
    headers.insert(header::UPGRADE, WEBSOCKET);
    headers.insert(header::SEC_WEBSOCKET_VERSION, VERSION);
}

/// Whether a list (RFC 9110, section 5.6.1) has this token, in whatever case.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stand_in_lists() {
        let mut headers = HeaderMap::new();
        headers.append(
            "connection",
            HeaderValue::from_static("keep-alive, Upgrade"),
        );
        let has = |token| has_token(&headers, header::CONNECTION, token);
        assert!(has("upgrade") && has("keep-alive"));
        assert!(!has("keep") && !has(""));
        assert!(!has_token(&headers, header::UPGRADE, "websocket"));
    }

    /// The example of RFC 6455, section 1.3.
    #[test]
    fn the_answer_keeps_the_functions_fields_and_proves_the_handshake() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("sec-websocket-protocol", "chat"), ("content-length", "7")] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let accept = derive_accept_key(b"dGhlIHNhbXBsZSBub25jZQ==").try_into();
        let answer = Handshake::accepted(accept.unwrap(), headers);
        assert_eq!(answer.status(), 101);
        let field = |name| answer.headers().get(name).map(HeaderValue::as_bytes);
        let accept = field("sec-websocket-accept");
        assert_eq!(accept, Some(&b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="[..]));
        assert_eq!(field("sec-websocket-protocol"), Some(&b"chat"[..]));
        assert_eq!(field("content-length"), None);
        assert_eq!(field("upgrade"), Some(&b"websocket"[..]));
    }
}
