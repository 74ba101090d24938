//! Failures of the host as answers. The caller gets a status, a code and one
//! sentence; what the guest did wrong in detail is in the function's log.

use super::account::Outgoing;
use super::builds::{Builds, Concerned};
use super::websocket;
use crate::registry::{ByteSize, RegistryError};
use crate::routing::RouteError;
use crate::runtime::{Failed, Failure};
use crate::scheduling::Refused;
use crate::telemetry::RequestId;
use anstream::adapter::strip_str;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;
use std::sync::Arc;
use thiserror::Error;

/// The header that names a failure of the host, as opposed to an answer of the
/// function with the same status.
const ERROR_HEADER: HeaderName = HeaderName::from_static("dunlin-error");

/// How long a caller should wait before it tries again, in seconds.
const RETRY_AFTER: &str = "1";

/// What failures tell the caller.
#[derive(Clone, Debug)]
pub enum Detail {
    /// Nothing about the inside.
    Brief,
    /// The guest's backtrace too, and what became of the newest code: for its
    /// author, on the author's machine. Browsers get pages.
    Development(Arc<Builds>),
}

/// Why the host, and no function, answers a request.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// No route.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// No room.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The invocation failed.
    #[error(transparent)]
    Failed(#[from] Failed),
    /// Only who deploys may choose.
    #[error(
        "choosing a version with `dunlin-version` needs a token that may deploy, in `dunlin-token`"
    )]
    VersionRefused,
    /// No such version.
    #[error("the function has no version of this number")]
    UnknownVersion,
    /// The store failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// More body than the function takes.
    #[error("the request body is larger than the function's limit of {0}")]
    BodyTooLarge(ByteSize),
    /// The body did not come in time.
    #[error("the request body did not come in time")]
    BodyTooSlow,
    /// The body broke off, or its chunks are none.
    #[error("the request body broke off or is malformed")]
    BodyBroken,
    /// The host name is none, or there are several.
    #[error("the request does not name one valid host")]
    BadHost,
    /// More target than the host takes, in bytes.
    #[error("the request's target is longer than {0} bytes")]
    UriTooLong(usize),
    /// HTTP, but nothing that the host does.
    #[error("the host does not implement {0}")]
    NotImplemented(&'static str),
    /// The newest code of the function is not built or not deployed.
    #[error("{}", .0.failed)]
    Build(Concerned),
    /// The route is a WebSocket's, and the request opens none.
    #[error("this address takes WebSockets only, over HTTP/1.1: connect with `ws://` or `wss://`")]
    UpgradeRequired,
    /// Functions call each other in a circle.
    #[error("the request has passed through too many functions")]
    LoopDetected,
}

impl From<Failure> for GatewayError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.into())
    }
}

impl GatewayError {
    /// The failure's name, stable across versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Route(RouteError::UnknownFunction) => "unknown-function",
            Self::Route(RouteError::NoRoute(_)) => "no-route",
            Self::Route(RouteError::MethodNotAllowed { .. }) => "method-not-allowed",
            Self::Refused(Refused::FunctionOverloaded) => "function-overloaded",
            Self::Refused(Refused::HostOverloaded) => "host-overloaded",
            Self::Failed(failed) => match &failed.failure {
                Failure::Trap(_) => "guest-trap",
                Failure::OutOfMemory => "out-of-memory",
                Failure::InvalidResponse(_) | Failure::Refused(_) | Failure::NoAnswer => {
                    "invalid-response"
                }
                Failure::CpuLimit => "cpu-limit",
                Failure::Deadline => "deadline",
                Failure::Draining => "draining",
                Failure::NoRoom(_) => "host-overloaded",
                Failure::Load(_) => "load-failed",
            },
            Self::VersionRefused => "version-refused",
            Self::UnknownVersion => "unknown-version",
            Self::Registry(_) => "load-failed",
            Self::BodyTooLarge(_) => "body-too-large",
            Self::BodyTooSlow => "body-too-slow",
            Self::BodyBroken => "body-broken",
            Self::BadHost => "bad-host",
            Self::UriTooLong(_) => "uri-too-long",
            Self::NotImplemented(_) => "not-implemented",
            Self::Build(_) => "build-failed",
            Self::UpgradeRequired => "upgrade-required",
            Self::LoopDetected => "loop-detected",
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Route(RouteError::UnknownFunction | RouteError::NoRoute(_)) => {
                StatusCode::NOT_FOUND
            }
            Self::Route(RouteError::MethodNotAllowed { .. }) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Refused(Refused::FunctionOverloaded) => StatusCode::TOO_MANY_REQUESTS,
            Self::Refused(Refused::HostOverloaded) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(failed) => match &failed.failure {
                Failure::CpuLimit | Failure::Deadline => StatusCode::GATEWAY_TIMEOUT,
                Failure::NoRoom(_) | Failure::Draining => StatusCode::SERVICE_UNAVAILABLE,
                Failure::Load(_) => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::BAD_GATEWAY,
            },
            Self::VersionRefused => StatusCode::FORBIDDEN,
            Self::UnknownVersion => StatusCode::NOT_FOUND,
            Self::Registry(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyBroken | Self::BadHost => StatusCode::BAD_REQUEST,
            Self::UriTooLong(_) => StatusCode::URI_TOO_LONG,
            Self::NotImplemented(_) => StatusCode::NOT_IMPLEMENTED,
            // For as long as its author needs.
            Self::Build(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::LoopDetected => StatusCode::LOOP_DETECTED,
        }
    }

    /// The message is one that others may read differently: what comes after it
    /// on its connection is not to be trusted.
    pub(super) fn is_ambiguous(&self) -> bool {
        matches!(
            self,
            Self::BodyBroken | Self::BadHost | Self::NotImplemented(_)
        )
    }

    /// What the caller is told: nothing that the guest or the host said inside.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Failed(failed) => match &failed.failure {
                Failure::Trap(_) => "the function crashed".to_owned(),
                Failure::OutOfMemory => "the function ran out of memory".to_owned(),
                Failure::InvalidResponse(_) | Failure::Refused(_) | Failure::NoAnswer => {
                    "the function gave no valid answer".to_owned()
                }
                Failure::CpuLimit => "the function computed for too long".to_owned(),
                Failure::Deadline => "the function did not answer in time".to_owned(),
                Failure::Draining => "the host is stopping".to_owned(),
                Failure::NoRoom(_) => Refused::HostOverloaded.to_string(),
                Failure::Load(_) => "the function cannot be loaded".to_owned(),
            },
            Self::Registry(_) => "the function cannot be loaded".to_owned(),
            other => other.to_string(),
        }
    }

    /// Whether it speaks against the version that was to answer.
    pub(super) fn blames_version(&self) -> bool {
        match self {
            Self::Failed(failed) => {
                !matches!(failed.failure, Failure::Draining | Failure::NoRoom(_))
            }
            _ => false,
        }
    }

    /// The answer, as RFC 9457 has it.
    pub(super) fn to_response(&self, id: &RequestId, detail: &Detail) -> Response<Outgoing> {
        #[derive(Serialize)]
        struct Problem<'a> {
            title: &'a str,
            status: u16,
            code: &'a str,
            request_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            detail: Option<String>,
        }
        let (status, code, title) = (self.status(), self.code(), self.title());
        let detail = match (self, detail) {
            (Self::Failed(_), Detail::Development(_)) => Some(self.to_string()),
            (Self::Build(concerned), _) => Some(strip_str(&concerned.failed.message).to_string()),
            _ => None,
        };
        let problem = Problem {
            title: &title,
            status: status.as_u16(),
            code,
            request_id: id.as_str(),
            detail,
        };
        let body = serde_json::to_vec(&problem).expect("text and numbers are JSON");
        let mut response = Response::new(Outgoing::of_host(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(ERROR_HEADER, HeaderValue::from_static(code));
        if let Self::Route(RouteError::MethodNotAllowed { allow, .. }) = self
            && let Ok(allow) = HeaderValue::from_str(allow)
        {
            headers.insert(header::ALLOW, allow);
        }
        if matches!(self, Self::UpgradeRequired) {
            websocket::ask_for(headers);
        }
        if [
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::TOO_MANY_REQUESTS,
        ]
        .contains(&status)
        {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}
