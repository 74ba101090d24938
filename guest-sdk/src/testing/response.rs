//! The answer to a test's request.

use std::cell::RefCell;
use std::fmt;
use std::io::Read;
use std::rc::Rc;

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::client::Inside;
use crate::body::{Body, BodyError};
use crate::headers::Headers;

/// An answer. Its body may be read as often as wanted, or, where it is
/// streamed, piece by piece.
pub struct TestResponse {
    status: StatusCode,
    headers: Headers,
    body: RefCell<Source>,
}

pub(super) enum Source {
    Whole(Vec<u8>),
    /// A stream of the native app, which runs while it is read.
    Native(Body, Rc<Inside>),
    /// What comes from a real host.
    Host(Box<dyn Read>),
}

impl TestResponse {
    pub(super) fn new(status: StatusCode, headers: Headers, body: Source) -> Self {
        TestResponse {
            status,
            headers,
            body: RefCell::new(body),
        }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The first header field of that name, if it is UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// All header fields.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The body, or what [`chunk`](TestResponse::chunk) has left of it.
    ///
    /// # Panics
    /// If it ends early.
    #[must_use]
    #[track_caller]
    pub fn bytes(&self) -> Vec<u8> {
        let mut whole = Vec::new();
        loop {
            match self.chunk() {
                Ok(Some(piece)) => whole.extend(piece),
                Ok(None) => break,
                Err(error) => panic!("{error}; {self:?}"),
            }
        }
        self.body.replace(Source::Whole(whole.clone()));
        whole
    }

    /// The body as text.
    ///
    /// # Panics
    /// If it ends early or is not UTF-8.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> String {
        match String::from_utf8(self.bytes()) {
            Ok(text) => text,
            Err(error) => panic!("{error}; {self:?}"),
        }
    }

    /// The body, parsed as JSON.
    ///
    /// # Panics
    /// If it ends early or is not the JSON of a `T`.
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.bytes()) {
            Ok(value) => value,
            Err(error) => panic!("not the expected JSON: {error}; {self:?}"),
        }
    }

    /// The next piece of the body, as soon as it is there; `None` at the end.
    ///
    /// # Errors
    /// If the body ends early.
    pub fn chunk(&self) -> Result<Option<Vec<u8>>, BodyError> {
        let mut source = self.body.borrow_mut();
        let piece = match &mut *source {
            Source::Whole(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Source::Native(body, inside) => {
                let piece = inside.run(body.chunk())?;
                if piece.is_none() {
                    inside.run_spawned();
                }
                piece
            }
            Source::Host(reader) => {
                let mut piece = vec![0; 64 * 1024];
                let length = reader
                    .read(&mut piece)
                    .map_err(|error| BodyError::Cut(error.to_string()))?;
                piece.truncate(length);
                Some(piece).filter(|piece| !piece.is_empty())
            }
        };
        if piece.is_none() {
            *source = Source::Whole(Vec::new());
        }
        Ok(piece)
    }
}

impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for (name, value) in self.headers.iter() {
            write!(f, "\n{name}: {}", value.escape_ascii())?;
        }
        match self.body.try_borrow().as_deref() {
            Ok(Source::Whole(bytes)) => write!(f, "\n\n{}", String::from_utf8_lossy(bytes)),
            _ => f.write_str("\n\n(a stream)"),
        }
    }
}
