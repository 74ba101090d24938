//! Answers that come piece by piece.

use futures::stream::{Stream, StreamExt as _};
use serde::Serialize;

use super::IntoResponse;
use super::text::TEXT;
use crate::body::Body;
use crate::error::Error;
use crate::json;
use crate::model::{self, Model};
use crate::openapi::{Operation, Schema};
use crate::response::Response;

/// What a stream of an answer yields: an item, or a `Result` of one. An error
/// cuts the answer off, so that it never looks whole, and writes a log line.
///
/// `Form` tells what the stream becomes.
#[diagnostic::on_unimplemented(
    message = "the stream cannot be answered: `{Self}` is no item of it",
    label = "yields `{Self}`",
    note = "`JsonLines` takes models (`#[model]`), `TextStream` takes `String` and `&'static str`, `Sse` takes `Event`; each also a `Result` of these"
)]
pub trait StreamItem<Form> {
    /// The item as it is sent.
    ///
    /// # Errors
    /// Its own, or that it cannot be written.
    fn write(self) -> Result<Vec<u8>, Error>;

    /// The schema of an item.
    fn schema(operation: &mut Operation) -> Schema;
}

impl<T: StreamItem<Form>, E: Into<Error>, Form> StreamItem<Form> for Result<T, E> {
    fn write(self) -> Result<Vec<u8>, Error> {
        self.map_err(Into::into)?.write()
    }

    fn schema(operation: &mut Operation) -> Schema {
        T::schema(operation)
    }
}

/// Marks items of [`JsonLines`].
#[derive(Debug)]
pub enum AsJson {}

impl<T: Serialize + Model> StreamItem<AsJson> for T {
    fn write(self) -> Result<Vec<u8>, Error> {
        if let Some(breach) = model::breach(&self) {
            return Err(Error::msg(breach));
        }
        let mut line = json::to_vec(&self)?;
        line.push(b'\n');
        Ok(line)
    }

    fn schema(operation: &mut Operation) -> Schema {
        operation.schema::<T>()
    }
}

/// Marks items of [`TextStream`].
#[derive(Debug)]
pub enum AsText {}

impl StreamItem<AsText> for String {
    fn write(self) -> Result<Vec<u8>, Error> {
        Ok(self.into_bytes())
    }

    fn schema(_: &mut Operation) -> Schema {
        Schema::text(TEXT)
    }
}

impl StreamItem<AsText> for &'static str {
    fn write(self) -> Result<Vec<u8>, Error> {
        Ok(self.into())
    }

    fn schema(_: &mut Operation) -> Schema {
        Schema::text(TEXT)
    }
}

/// A stream of JSON values, one per line (`application/x-ndjson`).
///
/// ```
/// # use dunlin::prelude::*;
/// use dunlin::stream::{self, Stream};
/// #[get("/numbers")]
/// async fn numbers() -> JsonLines<impl Stream<Item = u32>> {
///     JsonLines(stream::iter([1, 2, 3]))
/// }
/// ```
///
/// The stream runs as fast as the client reads, and is dropped when it goes.
#[derive(Debug, Clone, Copy)]
pub struct JsonLines<S>(pub S);

impl<S: Stream<Item: StreamItem<AsJson>> + 'static> IntoResponse for JsonLines<S> {
    fn into_response(self) -> Response {
        Response::typed(
            "application/x-ndjson",
            Body::stream(self.0.map(StreamItem::write)),
        )
    }

    fn describe(operation: &mut Operation) {
        let schema = S::Item::schema(operation);
        operation.success_of("application/x-ndjson", Some(schema));
    }
}

/// A text that comes piece by piece.
///
/// ```
/// # use dunlin::prelude::*;
/// use dunlin::stream::{self, Stream};
/// #[get("/poem")]
/// async fn poem() -> TextStream<impl Stream<Item = &'static str>> {
///     TextStream(stream::iter(["Roses are red\n", "Violets are blue\n"]))
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TextStream<S>(pub S);

impl<S: Stream<Item: StreamItem<AsText>> + 'static> IntoResponse for TextStream<S> {
    fn into_response(self) -> Response {
        Response::typed(
            "text/plain; charset=utf-8",
            Body::stream(self.0.map(StreamItem::write)),
        )
    }

    fn describe(operation: &mut Operation) {
        let schema = S::Item::schema(operation);
        operation.success_of("text/plain", Some(schema));
    }
}
