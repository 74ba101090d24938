//! Taking a handler's arguments, so that one answer tells all that is wrong.

use super::{FromRequest, FromRequestParts, Invalid, Rejection};
use crate::request::{Parts, Request};
use crate::respond::IntoResponse;
use crate::response::Response;

/// The state of one extraction; the attributes' expansion drives it.
#[derive(Debug, Default)]
pub struct Extraction {
    invalid: Option<Invalid>,
    /// An answer that is no list of problems: the first one wins, and nothing
    /// more is taken after it.
    answer: Option<Response>,
}

impl Extraction {
    /// Nothing taken yet.
    #[must_use]
    pub fn new() -> Self {
        Extraction::default()
    }

    /// Takes an argument off the head; `None` if that failed.
    pub async fn part<T: FromRequestParts>(&mut self, request: &mut Request) -> Option<T> {
        self.head(request.parts_mut()).await
    }

    /// The same, where there is only a head.
    pub async fn head<T: FromRequestParts>(&mut self, parts: &mut Parts) -> Option<T> {
        if self.answer.is_some() {
            return None;
        }
        let taken = T::from_request_parts(parts).await;
        self.note(taken.map_err(Into::into))
    }

    /// Takes the last argument; `None` if that failed.
    pub async fn last<T: FromRequest<Via>, Via>(&mut self, request: Request) -> Option<T> {
        if self.answer.is_some() {
            return None;
        }
        let taken = T::from_request(request).await;
        self.note(taken.map_err(Into::into))
    }

    fn note<T>(&mut self, taken: Result<T, Rejection>) -> Option<T> {
        match taken {
            Ok(value) => return Some(value),
            Err(Rejection::Answer(answer)) => self.answer = Some(answer),
            Err(Rejection::Invalid(more)) => match &mut self.invalid {
                Some(invalid) => invalid.add(more),
                None => self.invalid = Some(more),
            },
        }
        None
    }

    /// The answer when an argument is missing.
    #[must_use]
    pub fn into_response(self) -> Response {
        self.into_rejection().into_response()
    }

    /// Why an argument is missing.
    #[must_use]
    pub fn into_rejection(self) -> Rejection {
        match (self.answer, self.invalid) {
            (Some(answer), _) => answer.into(),
            (None, Some(invalid)) => invalid.into(),
            (None, None) => Invalid::from(Vec::new()).into(),
        }
    }
}
