//! The OpenAPI documents of functions, in the admin API.

use super::answers::documented;
use super::api::Shared;
use super::deploy::DeployError;
use super::error::AdminError;
use super::extract::{InPath, InQuery};
use crate::names::{FunctionName, VersionId};
use crate::registry::{Version, on_disk};
use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Documented};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DocumentQuery {
    /// Which version's. Default: the one that gets most of the traffic.
    version: Option<u32>,
}

/// What a function says of its routes.
pub(super) async fn read(
    State(config): Shared,
    InPath(name): InPath<FunctionName>,
    InQuery(DocumentQuery { version }): InQuery<DocumentQuery>,
) -> Result<OfFunction, AdminError> {
    let function = config.routes.get(&name);
    let function = function.ok_or_else(|| DeployError::UnknownFunction(name.clone()))?;
    let number = version.unwrap_or_else(|| function.main().version.id.number());
    if let Some(known) = function.known(number) {
        return OfFunction::of(&known.version);
    }
    let (registry, id) = (config.registry.clone(), VersionId::new(name, number));
    let wanted = id.clone();
    let version = on_disk(move || registry.store().version(&wanted)).await?;
    OfFunction::of(&version.ok_or(DeployError::UnknownVersion(id))?)
}

/// A document, as its function's callers get it.
pub(super) struct OfFunction(String);

impl OfFunction {
    fn of(version: &Version) -> Result<Self, AdminError> {
        let document = version.description.openapi.as_ref();
        let document = document.ok_or_else(|| AdminError::NoDocument(version.id.clone()))?;
        Ok(Self(document.at(version.manifest.mount.as_str())))
    }
}

impl IntoResponse for OfFunction {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

impl OperationOutput for OfFunction {
    type Inner = Value;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let schema = schemars::json_schema!({ "type": "object" });
        let document = documented("OpenAPI 3.1.", "application/json", Some(schema));
        vec![(Some(200), document)]
    }
}
