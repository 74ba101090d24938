//! Redirects.

use http::StatusCode;

use super::IntoResponse;
use crate::openapi::Operation;
use crate::response::Response;

/// Sends the caller elsewhere.
///
/// ```
/// # use dunlin::prelude::*;
/// #[get("/old")]
/// async fn old() -> Redirect {
///     Redirect::permanent("new")
/// }
/// ```
///
/// The place is a URL as it stands in a link: absolute, or relative to the
/// request's. One that starts with `/` starts at the host's root, above the
/// function's mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    status: StatusCode,
    location: String,
}

impl Redirect {
    /// 307, for now: the method and the body stay, as with FastAPI's
    /// `RedirectResponse`.
    #[must_use]
    pub fn to(location: impl Into<String>) -> Self {
        Redirect::with(StatusCode::TEMPORARY_REDIRECT, location)
    }

    /// 308, for good: the method and the body stay.
    #[must_use]
    pub fn permanent(location: impl Into<String>) -> Self {
        Redirect::with(StatusCode::PERMANENT_REDIRECT, location)
    }

    /// 303, after a form was sent: the next request is a `GET`.
    #[must_use]
    pub fn see_other(location: impl Into<String>) -> Self {
        Redirect::with(StatusCode::SEE_OTHER, location)
    }

    fn with(status: StatusCode, location: impl Into<String>) -> Self {
        Redirect {
            status,
            location: location.into(),
        }
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        self.status
            .into_response()
            .with_header("location", self.location)
    }

    /// The documentation knows the type, not the value: give the route its
    /// status (`#[post("/", status = 303)]`) where it is not 307.
    fn describe(operation: &mut Operation) {
        let status = operation.route().status.unwrap_or(307);
        operation.answer(status, "Redirect", None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_status() {
        let all = [
            (Redirect::to("a?b=c"), 307),
            (Redirect::permanent("a?b=c"), 308),
            (Redirect::see_other("a?b=c"), 303),
        ];
        for (redirect, status) in all {
            let response = redirect.into_response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().get("location"), Some("a?b=c"));
        }
    }
}
