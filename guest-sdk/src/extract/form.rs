//! HTML forms, as `application/x-www-form-urlencoded`.

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::query::{grouped, read_groups};
use super::{BodyRejection, FromRequest, Invalid, Rejection};
use crate::error::HttpError;
use crate::headers::Headers;
use crate::model::Model;
use crate::openapi::Operation;
use crate::request::Request;

/// The fields of an HTML form, as a struct; read like a
/// [`Query`](super::Query), problems at `["body", field]`.
///
/// It asks for `content-type: application/x-www-form-urlencoded`. A form with
/// files is a [`MultipartForm`](super::MultipartForm).
///
/// ```
/// # use dunlin::prelude::*;
/// use dunlin::extract::Form;
///
/// #[model]
/// struct Login {
///     username: String,
///     password: String,
/// }
///
/// #[post("/login")]
/// async fn login(Form(login): Form<Login>) -> String {
///     format!("Hello {}", login.username)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Form<T>(pub T);

/// Why a form could not be taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum FormRejection {
    /// 415: the `content-type` is missing or is another.
    ContentType,
    /// 422 with every [`Problem`](super::Problem).
    Data(Invalid),
    /// 400: it has more than 1,000 fields.
    TooManyFields,
    /// 400: it ended early.
    Body(BodyRejection),
}

/// Fields that a form may have, as Starlette's: held one by one they take many
/// times their size.
pub(super) const MAX_FIELDS: usize = 1000;

impl From<FormRejection> for Rejection {
    fn from(rejection: FormRejection) -> Self {
        match rejection {
            FormRejection::ContentType => HttpError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be a form: send `content-type: application/x-www-form-urlencoded`",
            )
            .into(),
            FormRejection::Data(invalid) => invalid.into(),
            FormRejection::TooManyFields => HttpError::new(
                StatusCode::BAD_REQUEST,
                format!("The form has more than {MAX_FIELDS} fields"),
            )
            .into(),
            FormRejection::Body(rejection) => rejection.into(),
        }
    }
}

impl<T: DeserializeOwned + Model> FromRequest for Form<T> {
    type Rejection = FormRejection;

    async fn from_request(request: Request) -> Result<Self, FormRejection> {
        if !is_of_type(request.headers(), "application/x-www-form-urlencoded") {
            return Err(FormRejection::ContentType);
        }
        let body = request.into_body().bytes().await;
        let body = body.map_err(|error| FormRejection::Body(error.into()))?;
        let pairs: Vec<_> = form_urlencoded::parse(&body).take(MAX_FIELDS + 1).collect();
        if pairs.len() > MAX_FIELDS {
            return Err(FormRejection::TooManyFields);
        }
        let groups = grouped(pairs);
        read_groups("body", &groups)
            .map(Form)
            .map_err(FormRejection::Data)
    }

    fn describe(operation: &mut Operation) {
        let schema = operation.schema::<T>();
        operation.body("application/x-www-form-urlencoded", Some(schema));
        operation.http_error(Some(415), "Not a form");
        operation.invalid();
    }
}

/// Whether the `content-type` is this one, whatever its parameters.
pub(super) fn is_of_type(headers: &Headers, essence: &str) -> bool {
    let sent = headers.get("content-type").unwrap_or_default();
    let sent = sent.split(';').next().unwrap_or_default();
    sent.trim().eq_ignore_ascii_case(essence)
}
