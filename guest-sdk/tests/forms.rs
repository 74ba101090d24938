//! Forms, with and without files, through the app.

use std::cell::Cell;
use std::rc::Rc;

use dunlin::prelude::*;
use dunlin::testing::{TestClient, TestResponse};
use serde_json::{Value, json};

#[model]
struct Login {
    #[field(min_length = 2)]
    name: String,
    age: u8,
    #[serde(default)]
    tag: Vec<String>,
}

#[post("/login")]
async fn login(Form(login): Form<Login>) -> Json<Login> {
    Json(login)
}

/// Tells each field: its name, its file's name and type, its size. Skips what
/// is named `skip`.
#[post("/upload")]
async fn upload(mut form: Multipart) -> Result<Json<Vec<String>>, HttpError> {
    let mut told = Vec::new();
    while let Some(mut field) = form.next_field().await? {
        if field.name() == "skip" {
            continue;
        }
        let head = format!(
            "{} {:?} {:?}",
            field.name(),
            field.file_name(),
            field.content_type()
        );
        let mut bytes = 0;
        while let Some(piece) = field.chunk().await? {
            bytes += piece.len();
        }
        told.push(format!("{head} {bytes}"));
    }
    Ok(Json(told))
}

#[post("/texts")]
async fn texts(form: Multipart) -> Result<String, HttpError> {
    let mut form = form.max_fields(2).max_field_bytes(4);
    let mut all = String::new();
    while let Some(field) = form.next_field().await? {
        all += &field.text().await?;
    }
    Ok(all)
}

dunlin::app![login, upload, texts];

fn detail(answer: &TestResponse) -> Value {
    answer.json::<Value>()["detail"].clone()
}

#[test]
fn a_form_has_a_thousand_fields_at_most() {
    let client = TestClient::native(app());
    let with = |tags| {
        let mut form = vec![("name", "Ada"), ("age", "36")];
        form.extend(vec![("tag", "a"); tags]);
        client.post("/login").form(&form).send()
    };
    let answer = with(998);
    assert_eq!(answer.json::<Value>()["tag"].as_array().unwrap().len(), 998);
    let answer = with(999);
    assert_eq!(answer.status(), 400);
    assert_eq!(detail(&answer), "The form has more than 1000 fields");
}

#[test]
fn a_form_is_read_like_a_query() {
    let client = TestClient::native(app());
    let form = [
        ("name", "Ada L"),
        ("age", "36"),
        ("tag", "a&b"),
        ("tag", "c"),
    ];
    let answer = client.post("/login").form(&form).send();
    assert_eq!(
        answer.json::<Value>(),
        json!({ "name": "Ada L", "age": 36, "tag": ["a&b", "c"] })
    );
}

#[test]
fn all_that_is_wrong_with_a_form_is_told() {
    let client = TestClient::native(app());
    let answer = client.post("/login").form(&[("age", "old")]).send();
    assert_eq!(answer.status(), 422);
    let told = detail(&answer);
    assert_eq!(told[0]["loc"], json!(["body", "age"]));
    assert_eq!(told[0]["type"], "int_parsing");
    assert_eq!(told[1]["loc"], json!(["body", "name"]));
    assert_eq!(told[1]["type"], "missing");

    let answer = client
        .post("/login")
        .form(&[("name", "A"), ("age", "1")])
        .send();
    assert_eq!(answer.status(), 422);
    assert_eq!(detail(&answer)[0]["type"], "string_too_short");
}

#[test]
fn what_is_no_form_is_refused() {
    let client = TestClient::native(app());
    assert_eq!(client.post("/login").body("name=a").send().status(), 415);
    assert_eq!(
        client.post("/upload").form(&[("a", "b")]).send().status(),
        415
    );
    let answer = client
        .post("/upload")
        .header("content-type", "multipart/form-data")
        .body("x")
        .send();
    assert_eq!(answer.status(), 400);
    assert_eq!(detail(&answer), "Missing boundary in multipart");
}

#[test]
fn an_upload_comes_field_by_field() {
    let client = TestClient::native(app());
    let answer = client
        .post("/upload")
        .part("note", "hello")
        .part("skip", "what nobody reads")
        .file("photo", "a.png", "image/png", vec![7; 300_000])
        .send();
    let expected = [
        "note None None 5",
        "photo Some(\"a.png\") Some(\"image/png\") 300000",
    ];
    assert_eq!(answer.json::<Value>(), json!(expected));
}

#[test]
fn fields_taken_whole_are_limited() {
    let client = TestClient::native(app());
    let answer = client.post("/texts").part("a", "1234").part("b", "").send();
    assert_eq!(answer.text(), "1234");

    let answer = client.post("/texts").part("a", "12345").send();
    assert_eq!(answer.status(), 413);
    assert_eq!(
        detail(&answer),
        "The field `a` is too large: 4 bytes at most"
    );

    let answer = client
        .post("/texts")
        .part("a", "")
        .part("b", "")
        .part("c", "")
        .send();
    assert_eq!(answer.status(), 413);
    assert_eq!(detail(&answer), "Too many fields: 2 at most");

    let answer = client
        .post("/texts")
        .file("a", "a", "text/plain", [0xff])
        .send();
    assert_eq!(answer.status(), 400);
    assert_eq!(detail(&answer), "The field `a` is not UTF-8");
}

/// A body of these pieces, and how many of them were taken.
fn pieces(pieces: Vec<Vec<u8>>) -> (Body, Rc<Cell<usize>>) {
    let taken = Rc::new(Cell::new(0));
    let count = Rc::clone(&taken);
    let body = Body::produce(async move |mut out| {
        for piece in pieces {
            count.set(count.get() + 1);
            out.send(piece).await;
        }
        Ok(())
    });
    (body, taken)
}

fn send(body: Body) -> TestResponse {
    let client = TestClient::native(app());
    client
        .post("/upload")
        .header("content-type", "multipart/form-data; boundary=b")
        .body(body)
        .send()
}

#[test]
fn a_malformed_upload_is_the_clients_fault() {
    let told = |body: &str| {
        let answer = send(body.into());
        assert_eq!(answer.status(), 400, "{body:?}");
        detail(&answer).as_str().unwrap().to_owned()
    };
    assert_eq!(
        told(""),
        "The form is malformed: incomplete multipart stream"
    );
    let half = "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nhalf";
    assert!(told(half).starts_with("The form is malformed: "));

    let body = Body::produce(async move |mut out| {
        out.send(half).await;
        Err(Error::msg("gone"))
    });
    assert_eq!(detail(&send(body)), "The request body ended early");
}

/// Neither before the first field nor in a field's head.
#[test]
fn a_head_without_end_is_not_kept() {
    for start in ["", "--b\r\nx: "] {
        let mut all = vec![start.as_bytes().to_vec()];
        all.extend(vec![vec![b'x'; 16 * 1024]; 100]);
        let (body, taken) = pieces(all);
        let answer = send(body);
        assert_eq!(answer.status(), 400);
        assert_eq!(detail(&answer), "A field's head is too long");
        assert!(taken.get() < 10, "{} pieces were taken", taken.get());
    }
}

#[test]
fn forms_are_documented() {
    let described: Value = serde_json::from_str(&app().describe()).unwrap();
    let paths = &described["openapi"]["paths"];
    let login = &paths["/login"]["post"]["requestBody"]["content"];
    assert_eq!(
        login["application/x-www-form-urlencoded"]["schema"]["$ref"],
        "#/components/schemas/Login"
    );
    let upload = &paths["/upload"]["post"];
    let content = &upload["requestBody"]["content"]["multipart/form-data"];
    assert_eq!(content["schema"]["type"], "object");
    assert!(upload["responses"]["413"].is_object());
}
