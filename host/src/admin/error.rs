//! Failures of the admin API as answers.

use super::answers::documented;
use super::auth::Refusal;
use super::deploy::DeployError;
use crate::names::VersionId;
use crate::registry::{RegistryError, Scope, SecretError};
use crate::runtime::{CodeError, CompileError};
use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Documented};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{HeaderName, HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;
use std::error::Error as _;
use std::time::Duration;
use thiserror::Error;

/// Why the admin API refuses a request.
#[derive(Debug, Error)]
pub enum AdminError {
    /// No token, or a wrong one.
    #[error(
        "the token is missing or wrong: pass `--token` or set DUNLIN_TOKEN; the first token is in \
         the file `token` of the host's data directory"
    )]
    Unauthorized,
    /// A token that may do less.
    #[error(
        "this needs a token with the scope `{needed}`; the one shown has `{held}`: `dunlin token \
         create NAME --scope {needed}` makes one, for who may"
    )]
    Forbidden {
        /// The least scope that may.
        needed: Scope,
        /// What the token has.
        held: Scope,
    },
    /// Guessing, or a script with an old token.
    #[error("too many failed attempts from your address: correct the token, and wait {} s", seconds(*.0))]
    TooManyFailures(Duration),
    /// No such token.
    #[error("there is no token {0}: `dunlin token ls` lists those that are")]
    UnknownToken(String),
    /// It never brought one.
    #[error("{0} has no OpenAPI document: build it with this host's SDK, and deploy it again")]
    NoDocument(VersionId),
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// The upload is too large.
    #[error("the component is larger than {0} bytes: strip it")]
    TooLarge(u64),
    /// The function was not deployed.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// The store failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl AdminError {
    /// What tells a client what to do next (RFC 6750, section 3).
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            Self::Unauthorized => (
                header::WWW_AUTHENTICATE,
                "Bearer realm=\"dunlin\"".to_owned(),
            ),
            Self::Forbidden { needed, .. } => (
                header::WWW_AUTHENTICATE,
                format!(
                    "Bearer realm=\"dunlin\", error=\"insufficient_scope\", scope=\"{needed}\""
                ),
            ),
            Self::TooManyFailures(wait) => (header::RETRY_AFTER, seconds(*wait).to_string()),
            _ => return None,
        };
        Some((name, value.try_into().ok()?))
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::TooManyFailures(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::UnknownToken(_) | Self::NoDocument(_) => StatusCode::NOT_FOUND,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Deploy(DeployError::Registry(RegistryError::Secret(error))) => match error {
                SecretError::Unknown { .. } => StatusCode::NOT_FOUND,
                SecretError::NotSet { .. } | SecretError::TooMany => StatusCode::CONFLICT,
                SecretError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Deploy(DeployError::UnknownFunction(_) | DeployError::UnknownVersion(_)) => {
                StatusCode::NOT_FOUND
            }
            Self::Deploy(DeployError::UnknownComponent(_)) => StatusCode::PRECONDITION_FAILED,
            Self::Deploy(
                DeployError::Mount(_)
                | DeployError::Addresses(..)
                | DeployError::NothingServes(_)
                | DeployError::SecretNeeded(..)
                | DeployError::NothingBefore(_),
            ) => StatusCode::CONFLICT,
            Self::Deploy(DeployError::Registry(error)) | Self::Registry(error)
                if error.is_full() =>
            {
                StatusCode::INSUFFICIENT_STORAGE
            }
            Self::Deploy(DeployError::Code(CodeError::Compile(error))) => match error {
                CompileError::Disk(_) => StatusCode::INSUFFICIENT_STORAGE,
                CompileError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            },
            Self::Deploy(DeployError::Registry(_) | DeployError::Load(_)) | Self::Registry(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Deploy(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

/// The media type of a refusal (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// Why a request was refused.
#[derive(Serialize, JsonSchema)]
struct Problem {
    /// What is wrong, and what to do.
    title: String,
    /// That of the answer.
    status: u16,
    /// What it came from, the nearest first.
    causes: Vec<String>,
}

impl OperationOutput for AdminError {
    type Inner = Self;

    fn operation_response(context: &mut GenContext, _: &mut Operation) -> Option<Documented> {
        let schema = context.schema.subschema_for::<Problem>();
        Some(documented("Refused.", PROBLEM, Some(schema)))
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::error!(target: "dunlin", error = &self as &dyn std::error::Error, "admin request failed");
        }
        let mut detail = Vec::new();
        let mut cause = self.source();
        while let Some(error) = cause {
            detail.push(error.to_string());
            cause = error.source();
        }
        let problem = Problem {
            title: self.to_string(),
            status: status.as_u16(),
            causes: detail,
        };
        let content_type = [(header::CONTENT_TYPE, PROBLEM)];
        let refusal = Extension(Refusal(self.to_string()));
        let mut response = (status, content_type, refusal, Json(problem)).into_response();
        if let Some((name, value)) = self.header() {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs_f64().ceil() as u64
}
