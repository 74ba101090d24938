//! What a request to the admin API holds, decoded once. What does not fit is
//! refused in the API's own form; what fits is in its OpenAPI document.

use super::error::AdminError;
use crate::names::FunctionName;
use crate::registry::{Digest, VarName};
use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::{
    MediaType, Operation, Parameter, ParameterData, ParameterSchemaOrContent, PathStyle,
    RequestBody, SchemaObject,
};
use aide::operation::{ParamLocation, add_parameters, parameters_from_schema, set_body};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use http::request::Parts;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::str::FromStr;

/// What a part of a path may be.
pub(super) trait PathPart: FromStr<Err: Display> + JsonSchema {
    /// Its name in the path's template.
    const NAME: &str;
}

impl PathPart for FunctionName {
    const NAME: &str = "name";
}

impl PathPart for Digest {
    const NAME: &str = "digest";
}

impl PathPart for VarName {
    const NAME: &str = "key";
}

/// A part of the path.
pub(super) struct InPath<T>(pub(super) T);

impl<T: PathPart, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminError> {
        let given = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|error| AdminError::BadRequest(error.to_string()))?;
        let text = given.iter().find(|(name, _)| *name == T::NAME);
        let (_, text) = text.expect("the route's template names it");
        text.parse()
            .map(Self)
            .map_err(|error: T::Err| AdminError::BadRequest(error.to_string()))
    }
}

impl<T: PathPart> OperationInput for InPath<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let json_schema = context.schema.subschema_for::<T>();
        let parameter = Parameter::Path {
            parameter_data: ParameterData {
                name: T::NAME.to_owned(),
                description: None,
                required: true,
                deprecated: None,
                format: ParameterSchemaOrContent::Schema(schema_object(json_schema)),
                example: None,
                examples: Default::default(),
                explode: None,
                extensions: Default::default(),
            },
            style: PathStyle::Simple,
        };
        add_parameters(context, operation, [parameter]);
    }
}

/// What stands behind the `?`.
pub(super) struct InQuery<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for InQuery<T> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AdminError> {
        let Query(query) = Query::try_from_uri(&parts.uri)
            .map_err(|error| AdminError::BadRequest(error.body_text()))?;
        Ok(Self(query))
    }
}

impl<T: JsonSchema> OperationInput for InQuery<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let schema = context.schema.subschema_for::<T>();
        let parameters = parameters_from_schema(context, schema, ParamLocation::Query);
        add_parameters(context, operation, parameters);
    }
}

/// The body, which is JSON; an empty one is an object without keys.
pub(super) struct InBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for InBody<T> {
    type Rejection = AdminError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AdminError> {
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|error| AdminError::BadRequest(error.body_text()))?;
        let json = if body.is_empty() { b"{}" } else { &*body };
        serde_json::from_slice(json)
            .map(Self)
            .map_err(|error| AdminError::BadRequest(format!("the request is not valid: {error}")))
    }
}

impl<T: JsonSchema> OperationInput for InBody<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let json_schema = context.schema.subschema_for::<T>();
        let required = context
            .resolve_schema(&json_schema)
            .get("required")
            .is_some();
        let json = MediaType {
            schema: Some(schema_object(json_schema)),
            ..MediaType::default()
        };
        let body = RequestBody {
            content: [("application/json".to_owned(), json)]
                .into_iter()
                .collect(),
            required,
            ..RequestBody::default()
        };
        set_body(context, operation, body);
    }
}

/// The same where the body is a secret: a parser's message would quote what it
/// did not understand.
pub(super) struct InSecretBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for InSecretBody<T> {
    type Rejection = AdminError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AdminError> {
        let InBody(body) = InBody::from_request(request, state).await.map_err(|_| {
            let message = "the request is not valid: send {\"value\": \"…\"}";
            AdminError::BadRequest(message.to_owned())
        })?;
        Ok(Self(body))
    }
}

impl<T: JsonSchema> OperationInput for InSecretBody<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        InBody::<T>::operation_input(context, operation);
    }
}

/// The body, as it streams in.
pub(super) struct Upload(pub(super) axum::body::Body);

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(request.into_body()))
    }
}

impl OperationInput for Upload {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let wasm = ("application/wasm".to_owned(), MediaType::default());
        let body = RequestBody {
            content: [wasm].into_iter().collect(),
            required: true,
            ..RequestBody::default()
        };
        set_body(context, operation, body);
    }
}

pub(super) fn schema_object(json_schema: schemars::Schema) -> SchemaObject {
    SchemaObject {
        json_schema,
        external_docs: None,
        example: None,
    }
}
