//! Forms with files as a struct, through the app.

mod problems;

use dunlin::prelude::*;
use dunlin::testing::TestClient;
use serde_json::{Value, json};

use self::problems::problems;

#[model]
struct Order {
    #[field(max_length = 6)]
    note: String,
    count: Option<u8>,
    list: UploadFile,
    photo: Option<UploadFile>,
    #[serde(default)]
    #[field(max_length = 2)]
    more: Vec<UploadFile>,
}

#[post("/orders")]
async fn order(MultipartForm(order): MultipartForm<Order>) -> String {
    let list = &order.list;
    format!(
        "{} {:?} {} {:?} {} {:?} {:?}",
        order.note,
        order.count,
        list.file_name(),
        list.content_type(),
        list.bytes().len(),
        order.photo.map(UploadFile::into_bytes),
        order.more,
    )
}

/// Which nobody should: a file is not written.
#[post("/back")]
async fn back(MultipartForm(order): MultipartForm<Order>) -> Json<Order> {
    Json(order)
}

#[post("/json")]
async fn json(Json(order): Json<Order>) -> String {
    order.note
}

dunlin::app![order, back, json];

#[test]
fn a_form_with_files_is_a_struct() {
    let client = TestClient::native(app());
    let answer = client
        .post("/orders")
        .part("note", "old")
        .part("note", "urgent")
        .part("count", "3")
        .file("list", "l.txt", "text/plain", vec![7; 2_000_000])
        .file("more", "a", "a/b", "1")
        .file("more", "b", "a/b", "22")
        .file("unknown", "c", "a/b", "")
        .send();
    assert_eq!(
        answer.text(),
        "urgent Some(3) l.txt Some(\"text/plain\") 2000000 None \
         [UploadFile { file_name: \"a\", content_type: Some(\"a/b\"), bytes: 1 }, \
         UploadFile { file_name: \"b\", content_type: Some(\"a/b\"), bytes: 2 }]"
    );
}

/// A browser sends a file without name and content then.
#[test]
fn a_file_that_was_not_chosen_is_missing() {
    let client = TestClient::native(app());
    let with = |name: &str| {
        let request = client.post("/orders").part("note", "");
        let request = request.file("photo", name, "a/b", "");
        request.file("list", name, "a/b", "").send()
    };
    assert!(with("x").text().contains("Some([])"));
    let told = Value::from(problems(&with("")));
    assert_eq!(told[0]["loc"], json!(["body", "list"]));
    assert_eq!(told[0]["type"], "missing");
    assert_eq!(told.as_array().unwrap().len(), 1);
}

#[test]
fn all_that_is_wrong_is_told() {
    let client = TestClient::native(app());
    let answer = client
        .post("/orders")
        .file("note", "n", "a/b", "a file")
        .part("count", "many")
        .part("list", "a text")
        .file("more", "a", "a/b", "")
        .file("more", "b", "a/b", "")
        .file("more", "c", "a/b", "")
        .send();
    let told: Vec<_> = problems(&answer)
        .iter()
        .map(|it| json!([it["type"], it["loc"], it["msg"], it["input"]]))
        .collect();
    let expected = json!([
        [
            "int_parsing",
            ["body", "count"],
            "Input should be a valid integer, unable to parse string as an integer",
            "many"
        ],
        [
            "value_error",
            ["body", "list"],
            "Value error, Expected a file",
            "a text"
        ],
        [
            "string_type",
            ["body", "note"],
            "Input should be a valid string",
            null
        ],
        [
            "too_long",
            ["body", "more"],
            "List should have at most 2 items after validation, not 3",
            null
        ],
    ]);
    assert_eq!(json!(told), expected);

    let answer = client
        .post("/orders")
        .part("note", "too long")
        .file("list", "a", "a/b", "")
        .send();
    assert_eq!(problems(&answer)[0]["type"], "string_too_long");
    assert_eq!(problems(&answer)[0]["input"], "too long");
}

#[test]
fn what_is_no_such_form_is_refused() {
    let client = TestClient::native(app());
    let answer = client.post("/orders").form(&[("note", "a")]).send();
    assert_eq!(answer.status(), 415);
    let long = "a".repeat(1024 * 1024 + 1);
    let answer = client.post("/orders").part("note", &long).send();
    assert_eq!(answer.status(), 413);
}

#[test]
fn a_file_is_of_forms_only() {
    let client = TestClient::native(app());
    let answer = client
        .post("/back")
        .part("note", "")
        .file("list", "a", "a/b", "")
        .send();
    assert_eq!(answer.status(), 500);
    let body = json!({"note": "", "list": "text", "more": []});
    let answer = client.post("/json").json(&body).send();
    assert_eq!(problems(&answer)[0]["msg"], "Value error, Expected a file");
}

#[test]
fn files_are_documented() {
    let document: Value = app().openapi().parse().unwrap();
    let body = &document["paths"]["/orders"]["post"]["requestBody"]["content"];
    assert_eq!(
        body["multipart/form-data"]["schema"]["$ref"],
        "#/components/schemas/Order"
    );
    let order = &document["components"]["schemas"]["Order"]["properties"];
    let file = json!({"type": "string", "format": "binary"});
    assert_eq!(order["list"], file);
    assert_eq!(order["more"]["items"], file);
}
