//! The OpenAPI document of the admin API: made from the router and the types
//! that its handlers take and return.

use super::answers::documented;
use super::error::AdminError;
use aide::OperationOutput;
use aide::axum::ApiRouter;
use aide::generate::{GenContext, in_context};
use aide::openapi::{OpenApi, Operation, Response as Documented, SecurityScheme};
use aide::transform::{TransformOpenApi, TransformOperation};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use schemars::generate::SchemaSettings;
use serde_json::Value;
use std::sync::Arc;

/// The name of the way in which tokens are shown.
const BEARER: &str = "token";

/// Starts a router whose routes are documented. The document is made on this
/// thread, until [`finish`].
pub(super) fn start<S: Clone + Send + Sync + 'static>() -> ApiRouter<S> {
    // OpenAPI 3.1 has schemas of this draft; aide would write draft 7.
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "#/components/schemas/".into());
    in_context(|context| context.schema = settings.into_generator());
    ApiRouter::new()
}

/// Finishes a router, which serves its own document from now on.
pub(super) fn finish<S: Clone + Send + Sync + 'static>(router: ApiRouter<S>) -> Router<S> {
    let mut document = OpenApi::default();
    let router = router.finish_api_with(&mut document, describe);
    let mut document = serde_json::to_value(document).expect("the document is JSON");
    join_lines(&mut document);
    router.layer(Extension(Arc::new(document)))
}

fn describe(api: TransformOpenApi<'_>) -> TransformOpenApi<'_> {
    let bearer = SecurityScheme::Http {
        scheme: "bearer".to_owned(),
        bearer_format: None,
        description: Some("A token of this host.".to_owned()),
        extensions: Default::default(),
    };
    api.title("Dunlin admin API")
        .description("What `dunlin deploy` and the other commands ask of a running host.")
        .version(env!("CARGO_PKG_VERSION"))
        .security_scheme(BEARER, bearer)
}

/// Names an operation, and says in a line what it does. It needs a token, and
/// may be refused.
pub(super) fn guarded(
    id: &'static str,
    summary: &'static str,
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |operation| {
        open(id, summary)(operation)
            .security_requirement(BEARER)
            .default_response::<AdminError>()
    }
}

/// The same without a token.
pub(super) fn open(
    id: &'static str,
    summary: &'static str,
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |operation| operation.id(id).summary(summary)
}

/// The document itself.
pub(super) async fn read(Extension(document): Extension<Arc<Value>>) -> Document {
    Document(document)
}

/// The document as an answer.
pub(super) struct Document(Arc<Value>);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        Json(&*self.0).into_response()
    }
}

impl OperationOutput for Document {
    type Inner = Value;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let schema = schemars::json_schema!({ "type": "object" });
        let document = documented("OpenAPI 3.1.", "application/json", Some(schema));
        vec![(Some(200), document)]
    }
}

/// Comments are broken where the source's lines end; readers have lines of
/// their own.
fn join_lines(value: &mut Value) {
    match value {
        Value::Object(keys) => {
            if let Some(Value::String(text)) = keys.get_mut("description") {
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            keys.values_mut().for_each(join_lines);
        }
        Value::Array(items) => items.iter_mut().for_each(join_lines),
        _ => {}
    }
}
