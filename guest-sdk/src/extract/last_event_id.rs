//! Where a client of server-sent events left off.

use std::convert::Infallible;

use super::FromRequestParts;
use crate::openapi::{Operation, Place, Property, Schema};
use crate::request::Parts;

/// The id of the last event that a client of an [`Sse`](crate::Sse) saw before
/// it came back; `None` at its first visit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LastEventId(pub Option<String>);

impl FromRequestParts for LastEventId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        let id = parts.headers().get("last-event-id");
        Ok(LastEventId(
            id.filter(|id| !id.is_empty()).map(str::to_owned),
        ))
    }

    fn describe(operation: &mut Operation) {
        let parameter = Property {
            name: "last-event-id".to_owned(),
            required: false,
            schema: Schema::text("{\"type\":\"string\"}"),
            description: "The id of the last event that was seen".to_owned(),
        };
        operation.parameter(Place::Header, parameter);
    }
}
