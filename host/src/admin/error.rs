//! Failures of the admin API as answers.

use super::deploy::DeployError;
use crate::registry::RegistryError;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;
use std::error::Error as _;
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
    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Deploy(DeployError::UnknownFunction(_) | DeployError::UnknownVersion(_)) => {
                StatusCode::NOT_FOUND
            }
            Self::Deploy(
                DeployError::Mount(_)
                | DeployError::Addresses(..)
                | DeployError::NothingServes(_)
                | DeployError::NothingBefore(_),
            ) => StatusCode::CONFLICT,
            Self::Deploy(DeployError::Registry(_) | DeployError::Load(_)) | Self::Registry(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Deploy(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
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
        let problem = json!({
            "title": self.to_string(),
            "status": status.as_u16(),
            "causes": detail,
        });
        let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, content_type, Json(problem)).into_response()
    }
}
