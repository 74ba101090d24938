//! An app that tells its errors as problem details, and says so.

use dunlin::middleware::ProblemDetails;
use dunlin::prelude::*;
use dunlin::testing::TestClient;
use serde_json::{Value, json};

#[get("/items/{id}")]
async fn read(id: u32, #[query(le = 9)] limit: u8) -> Result<String, HttpError> {
    let missing = format!("Item {id} not found, of {limit}");
    Err(HttpError::new(StatusCode::NOT_FOUND, missing))
}

dunlin::app! {
    routes: [read],
    middleware: [ProblemDetails],
}

#[test]
fn errors_are_problem_details() {
    let client = TestClient::new(app());
    let answer = client.get("/items/7?limit=1").send();
    assert_eq!(answer.status(), 404);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(
        answer.json::<Value>(),
        json!({"type": "about:blank", "title": "Not Found", "status": 404,
            "detail": "Item 7 not found, of 1"})
    );
    let told = client.get("/items/x?limit=10").send().json::<Value>();
    let kinds: Vec<_> = told["errors"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["type"])
        .collect();
    assert_eq!(kinds, ["int_parsing", "less_than_equal"]);
}

#[test]
fn so_says_the_documentation() {
    let document: Value = serde_json::from_str(&app().openapi()).expect("JSON");
    let answers = &document["paths"]["/items/{id}"]["get"]["responses"];
    for status in ["422", "default"] {
        let schema = &answers[status]["content"]["application/problem+json"]["schema"];
        assert_eq!(
            *schema,
            json!({"$ref": "#/components/schemas/ProblemDetails"})
        );
    }
    let schemas = &document["components"]["schemas"];
    assert!(schemas.get("ValidationError").is_some(), "{schemas}");
}
