//! JSON.

use serde::Serialize;

use super::IntoResponse;
use crate::error::Error;
use crate::extract::Json;
use crate::json;
use crate::model::{self, Model};
use crate::openapi::Operation;
use crate::response::{Response, content_type};

/// A value that cannot be written as JSON, such as a map whose keys are no
/// strings, is a 500 and a log line.
impl<T: Serialize + Model> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        if let Some(breach) = model::breach(&self.0) {
            return Error::msg(breach).into_response();
        }
        // Most answers fit without growing, which copies.
        let mut body = Vec::with_capacity(2048);
        match json::write(&mut body, &self.0) {
            Ok(()) => Response::with_section(content_type!("application/json"), body),
            Err(error) => Error::from(error).into_response(),
        }
    }

    fn describe(operation: &mut Operation) {
        let schema = operation.schema::<T>();
        operation.success_of("application/json", Some(schema));
    }
}
