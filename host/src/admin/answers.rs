//! The forms of the admin API's answers: each goes out as its type says, and
//! the OpenAPI document says the same.

use super::auth::Done;
use super::extract::schema_object;
use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response as Documented};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{StatusCode, header};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use std::marker::PhantomData;

/// 201 and JSON.
pub(super) struct Created<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl<T: JsonSchema> OperationOutput for Created<T> {
    type Inner = T;

    fn inferred_responses(
        context: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<u16>, Documented)> {
        let schema = context.schema.subschema_for::<T>();
        let created = documented("Created.", "application/json", Some(schema));
        vec![(Some(201), created)]
    }
}

/// An answer, and what the audit log says of it.
pub(super) struct Audited<T>(pub(super) Done, pub(super) T);

impl<T: IntoResponse> IntoResponse for Audited<T> {
    fn into_response(self) -> Response {
        (Extension(self.0), self.1).into_response()
    }
}

impl<T: OperationOutput> OperationOutput for Audited<T> {
    type Inner = T::Inner;

    fn inferred_responses(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, Documented)> {
        T::inferred_responses(context, operation)
    }
}

/// An answer that nobody on the way may keep.
pub(super) struct Unkept<T>(pub(super) T);

impl<T: IntoResponse> IntoResponse for Unkept<T> {
    fn into_response(self) -> Response {
        ([(header::CACHE_CONTROL, "no-store")], self.0).into_response()
    }
}

impl<T: OperationOutput> OperationOutput for Unkept<T> {
    type Inner = T::Inner;

    fn inferred_responses(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, Documented)> {
        T::inferred_responses(context, operation)
    }
}

/// A status without a body.
pub(super) struct Empty<const STATUS: u16>;

/// It is stored.
pub(super) type Stored = Empty<201>;
/// It is done, and there is nothing to say.
pub(super) type Gone = Empty<204>;

impl<const STATUS: u16> IntoResponse for Empty<STATUS> {
    fn into_response(self) -> Response {
        StatusCode::from_u16(STATUS)
            .expect("is a status")
            .into_response()
    }
}

impl<const STATUS: u16> OperationOutput for Empty<STATUS> {
    type Inner = ();

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let done = Documented {
            description: "Done.".to_owned(),
            ..Documented::default()
        };
        vec![(Some(STATUS), done)]
    }
}

/// Whether something is there: 204 or 404, without a body.
pub(super) struct IsThere(pub(super) bool);

impl IntoResponse for IsThere {
    fn into_response(self) -> Response {
        match self.0 {
            true => StatusCode::NO_CONTENT.into_response(),
            false => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

impl OperationOutput for IsThere {
    type Inner = ();

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let of = |description: &str| Documented {
            description: description.to_owned(),
            ..Documented::default()
        };
        vec![
            (Some(204), of("It is there.")),
            (Some(404), of("It is not there.")),
        ]
    }
}

/// Whether the host takes connections: 200 or 503, and a word.
pub(super) struct Ready(pub(super) bool);

impl IntoResponse for Ready {
    fn into_response(self) -> Response {
        match self.0 {
            true => "ready".into_response(),
            false => (StatusCode::SERVICE_UNAVAILABLE, "not ready").into_response(),
        }
    }
}

impl OperationOutput for Ready {
    type Inner = ();

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let of = |text: &str| documented(text, "text/plain", None);
        vec![
            (Some(200), of("It does.")),
            (Some(503), of("It starts or stops.")),
        ]
    }
}

/// JSON values, one a line, as they come.
pub(super) struct Lines<T>(pub(super) Body, pub(super) PhantomData<T>);

impl<T> IntoResponse for Lines<T> {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, LINES)], self.0).into_response()
    }
}

const LINES: &str = "application/x-ndjson";

impl<T: JsonSchema> OperationOutput for Lines<T> {
    type Inner = T;

    fn inferred_responses(
        context: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<u16>, Documented)> {
        let schema = context.schema.subschema_for::<T>();
        let lines = documented("One a line.", LINES, Some(schema));
        vec![(Some(200), lines)]
    }
}

/// A response of one media type.
pub(super) fn documented(text: &str, media_type: &str, schema: Option<Schema>) -> Documented {
    let content = MediaType {
        schema: schema.map(schema_object),
        ..MediaType::default()
    };
    Documented {
        description: text.to_owned(),
        content: [(media_type.to_owned(), content)].into_iter().collect(),
        ..Documented::default()
    }
}
