//! Errors in the standard's form.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Middleware, Next};
use crate::body::{Body, Kind};
use crate::openapi::Operation;
use crate::request::Request;
use crate::response::Response;

/// Writes errors as problem details (RFC 9457) rather than in FastAPI's form.
///
/// ```
/// use dunlin::middleware::ProblemDetails;
/// use dunlin::prelude::*;
///
/// #[get("/items/{id}")]
/// async fn read(id: u32) -> Result<String, HttpError> {
///     Err(HttpError::new(StatusCode::NOT_FOUND, format!("Item {id} not found")))
/// }
///
/// dunlin::app! {
///     routes: [read],
///     middleware: [ProblemDetails],
/// }
/// # fn main() {
/// # let client = dunlin::testing::TestClient::new(app());
/// # let answer = client.get("/items/7").send();
/// # assert_eq!(answer.header("content-type"), Some("application/problem+json"));
/// # }
/// ```
///
/// `{"detail": "…"}` of a [`HttpError`](crate::HttpError), an error enum or a
/// bare 500 becomes `{"type": "about:blank", "title": "Not Found", "status":
/// 404, "detail": "Item 7 not found"}`. A 422 has the list of its problems as
/// `errors`. Errors of another form pass as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProblemDetails;

/// An error in FastAPI's form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    detail: Value,
}

impl Middleware for ProblemDetails {
    async fn handle(&self, request: Request, next: Next) -> Response {
        let answer = next.run(request).await;
        match problem(&answer) {
            Some(problem) => {
                let mut answer = answer.with_header("content-type", "application/problem+json");
                answer.headers_mut().remove("content-length");
                answer.body = Body::from(problem);
                answer
            }
            None => answer,
        }
    }

    fn describe(&self, operation: &mut Operation) {
        operation.tell_problem_details();
    }
}

fn problem(answer: &Response) -> Option<String> {
    let status = answer.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_json = answer.headers().get("content-type") == Some("application/json");
    let Kind::Bytes(body) = &answer.body.0 else {
        return None;
    };
    if !is_error || !is_json {
        return None;
    }
    let Told { detail } = serde_json::from_slice(body).ok()?;
    let title = status.canonical_reason().unwrap_or("Error");
    let mut problem = json!({
        "type": "about:blank",
        "title": title,
        "status": status.as_u16(),
    });
    match detail {
        Value::Array(errors) if status == StatusCode::UNPROCESSABLE_ENTITY => {
            problem["detail"] = "The request is not valid: see errors".into();
            problem["errors"] = errors.into();
        }
        detail => problem["detail"] = detail,
    }
    Some(problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    fn told(answer: impl IntoResponse) -> Option<Value> {
        let text = problem(&answer.into_response())?;
        Some(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn errors_are_told_in_the_standards_form() {
        let error = HttpError::new(StatusCode::NOT_FOUND, "Item 7 not found");
        let expected = json!({"type": "about:blank", "title": "Not Found", "status": 404,
            "detail": "Item 7 not found"});
        assert_eq!(told(error), Some(expected));
        let invalid: crate::extract::Invalid =
            crate::extract::Problem::new(&["query", "q"], "missing", "Field required", "").into();
        let told = told(invalid).unwrap();
        assert_eq!(told["errors"][0]["loc"], json!(["query", "q"]));
        assert_eq!(
            (&told["status"], &told["title"]),
            (&json!(422), &json!("Unprocessable Entity"))
        );
    }

    #[test]
    fn whatever_else_passes() {
        assert_eq!(told("text"), None);
        assert_eq!(told(Json(json!({"detail": "fine"}))), None);
        let own = (
            StatusCode::CONFLICT,
            Json(json!({"detail": "x", "code": 7})),
        );
        assert_eq!(told(own), None);
        let streamed = (StatusCode::CONFLICT, Body::produce(async |_| Ok(())));
        assert_eq!(told(streamed), None);
    }
}
