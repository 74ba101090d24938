//! Forms with files, as `multipart/form-data`.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::stream::{LocalBoxStream, Stream, StreamExt as _};
use http::StatusCode;
use send_wrapper::SendWrapper;

use super::FromRequest;
use super::form::{MAX_FIELDS, is_of_type};
use crate::body::{Body, BodyError};
use crate::error::HttpError;
use crate::openapi::{Operation, Schema};
use crate::request::Request;

/// What [`Field::bytes`] and [`Field::text`] take, in bytes, as Starlette does.
const MAX_FIELD_BYTES: usize = 1024 * 1024;

/// What may stand before and between the fields' contents, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// A form with files, field by field, while it comes in. As a struct it is a
/// [`MultipartForm`](super::MultipartForm).
///
/// No field is held in memory, unless you ask for it whole: then it may be of
/// 1 MiB, or as many bytes as [`max_field_bytes`](Self::max_field_bytes) says.
///
/// ```
/// # use dunlin::prelude::*;
/// use dunlin::extract::Multipart;
///
/// #[post("/upload")]
/// async fn upload(mut form: Multipart) -> Result<String, HttpError> {
///     let mut bytes = 0;
///     while let Some(mut field) = form.next_field().await? {
///         if field.name() == "note" {
///             println!("{}", field.text().await?);
///             continue;
///         }
///         while let Some(piece) = field.chunk().await? {
///             bytes += piece.len();
///         }
///     }
///     Ok(format!("{bytes} bytes"))
/// }
/// ```
///
/// What is wrong with the form is an [`HttpError`], for `?` to answer: 415 when
/// it is no such form, 400 when it is malformed, 413 when it is too large.
#[derive(Debug)]
pub struct Multipart {
    form: multer::Multipart<'static>,
    /// The field that is being read. It is kept here so that what remains of it
    /// is skipped before the next.
    current: Option<multer::Field<'static>>,
    /// How much more may come before the next field; `None` within a field.
    head: Rc<Cell<Option<usize>>>,
    taken: usize,
    max_fields: usize,
    max_field_bytes: usize,
}

impl Multipart {
    /// At most this many fields, instead of 1,000.
    #[must_use]
    pub fn max_fields(mut self, count: usize) -> Self {
        self.max_fields = count;
        self
    }

    /// At most this many bytes in a field that is taken whole, instead of
    /// 1 MiB.
    #[must_use]
    pub fn max_field_bytes(mut self, bytes: usize) -> Self {
        self.max_field_bytes = bytes;
        self
    }

    /// What the documentation says of a form whose fields `schema` describes.
    pub(super) fn describe_with(operation: &mut Operation, schema: Schema) {
        operation.body("multipart/form-data", Some(schema));
        operation.http_error(Some(400), "Malformed form");
        operation.http_error(Some(413), "Form too large");
        operation.http_error(Some(415), "Not a form");
    }

    /// The next field; `None` after the last. What was not read of the one
    /// before is skipped.
    ///
    /// # Errors
    /// If the form is malformed, ends early, or has too many fields.
    pub async fn next_field(&mut self) -> Result<Option<Field<'_>>, HttpError> {
        if let Some(mut rest) = self.current.take() {
            while rest.chunk().await.map_err(refusal)?.is_some() {}
        }
        self.head.set(Some(MAX_HEAD_BYTES));
        let next = self.form.next_field().await.map_err(refusal)?;
        self.head.set(None);
        let Some(next) = next else {
            return Ok(None);
        };
        self.taken += 1;
        if self.taken > self.max_fields {
            let max = self.max_fields;
            return Err(HttpError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("Too many fields: {max} at most"),
            ));
        }
        Ok(Some(Field {
            max_bytes: self.max_field_bytes,
            field: self.current.insert(next),
        }))
    }
}

/// A field of a [`Multipart`]: a text, or a file.
#[derive(Debug)]
pub struct Field<'a> {
    field: &'a mut multer::Field<'static>,
    max_bytes: usize,
}

impl Field<'_> {
    /// Its name; empty if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.field.name().unwrap_or_default()
    }

    /// The file's name, as the client says; `None` if it is no file. Never a
    /// path to write to.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.field.file_name()
    }

    /// The `content-type`, as the client says.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.field.content_type().map(AsRef::as_ref)
    }

    /// The next piece of the content, as it comes; `None` at the end.
    ///
    /// # Errors
    /// If the form is malformed or ends early.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        let piece = self.field.chunk().await.map_err(refusal)?;
        Ok(piece.map(Into::into))
    }

    /// The same field, which may be taken whole whatever its size.
    pub(super) fn whatever_size(self) -> Self {
        Field {
            max_bytes: usize::MAX,
            ..self
        }
    }

    /// The content, whole.
    ///
    /// # Errors
    /// If it is too large, or the form is malformed or ends early.
    pub async fn bytes(mut self) -> Result<Vec<u8>, HttpError> {
        let mut whole = Vec::new();
        while let Some(piece) = self.chunk().await? {
            if piece.len() > self.max_bytes - whole.len() {
                let (name, max) = (self.name(), self.max_bytes);
                return Err(HttpError::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("The field `{name}` is too large: {max} bytes at most"),
                ));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// The content, whole, as text.
    ///
    /// # Errors
    /// If it is too large or not UTF-8, or the form is malformed or ends early.
    pub async fn text(self) -> Result<String, HttpError> {
        let not_text = format!("The field `{}` is not UTF-8", self.name());
        String::from_utf8(self.bytes().await?)
            .map_err(|_| HttpError::new(StatusCode::BAD_REQUEST, not_text))
    }
}

impl FromRequest for Multipart {
    type Rejection = HttpError;

    async fn from_request(request: Request) -> Result<Self, HttpError> {
        if !is_of_type(request.headers(), "multipart/form-data") {
            return Err(HttpError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be a form: send `content-type: multipart/form-data`",
            ));
        }
        let content_type = request.headers().get("content-type").unwrap_or_default();
        let boundary = multer::parse_boundary(content_type).map_err(|_| {
            HttpError::new(StatusCode::BAD_REQUEST, "Missing boundary in multipart")
        })?;
        let head = Rc::new(Cell::new(None));
        let feed = Feed::new(request.into_body(), Rc::clone(&head));
        Ok(Multipart {
            // multer is written for threads. A function has one; natively, a
            // test runs on one.
            form: multer::Multipart::new(SendWrapper::new(feed), boundary),
            current: None,
            head,
            taken: 0,
            max_fields: MAX_FIELDS,
            max_field_bytes: MAX_FIELD_BYTES,
        })
    }

    fn describe(operation: &mut Operation) {
        Self::describe_with(operation, Schema::text("{\"type\":\"object\"}"));
    }
}

fn refusal(error: multer::Error) -> HttpError {
    let detail = match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<BodyError>() {
            Ok(_) => "The request body ended early".to_owned(),
            Err(cause) => cause.to_string(),
        },
        other => format!("The form is malformed: {other}"),
    };
    HttpError::new(StatusCode::BAD_REQUEST, detail)
}

/// The body, one piece at a time. multer takes all that is ready before it
/// looks at any of it, so between two pieces nothing is.
struct Feed {
    pieces: LocalBoxStream<'static, Result<Vec<u8>, BodyError>>,
    gave: bool,
    head: Rc<Cell<Option<usize>>>,
}

impl Feed {
    fn new(body: Body, head: Rc<Cell<Option<usize>>>) -> Self {
        Feed {
            pieces: body.into_stream().boxed_local(),
            gave: false,
            head,
        }
    }
}

impl Stream for Feed {
    type Item = Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.gave) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.head.get() == Some(0) {
            return Poll::Ready(Some(Err("A field's head is too long".into())));
        }
        let piece = self.pieces.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(piece))) = &piece {
            self.gave = true;
            let left = self.head.get().map(|left| left.saturating_sub(piece.len()));
            self.head.set(left);
        }
        piece.map_err(Into::into)
    }
}
