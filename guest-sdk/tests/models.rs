//! Models: their rules, and how what breaks them is told. The expected
//! problems were compared with those of FastAPI and pydantic 2 for the same
//! model. Pydantic stops at a field's first broken rule; here all are told.

mod problems;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use dunlin::prelude::*;
use dunlin::testing::TestClient;
use serde_json::{Value, json};

use self::problems::problems;

/// Something for sale.
#[model]
#[serde(rename_all = "camelCase")]
struct Item {
    /// What the label says.
    #[field(min_length = 1, max_length = 8, example = "hat")]
    name: String,
    #[field(gt = 0, le = 1000.5)]
    unit_price: f64,
    #[field(ge = 1, lt = 100, multiple_of = 2, default = 2)]
    count: u32,
    #[field(default, max_length = 2)]
    tags: Vec<Tag>,
    #[field(pattern = "^[a-z]+$")]
    code: Option<String>,
    #[field(format = "email", alias = "contact")]
    mail: Option<String>,
    #[field(check = even)]
    #[serde(default)]
    even: u8,
    #[serde(default)]
    stock: BTreeMap<String, Tag>,
    size: Option<Size>,
}

#[model]
#[derive(Clone)]
struct Tag {
    #[field(min_length = 2)]
    text: String,
}

#[model]
#[serde(rename_all = "lowercase")]
enum Size {
    Small,
    Exact(Exact),
}

#[model(check = ordered)]
struct Exact {
    #[field(ge = 0)]
    low: i32,
    high: i32,
}

fn ordered(size: &Exact) -> Result<(), String> {
    match size.low <= size.high {
        true => Ok(()),
        false => Err("low is above high".to_owned()),
    }
}

fn even(number: &u8) -> Result<(), &'static str> {
    match number % 2 {
        0 => Ok(()),
        _ => Err("is odd"),
    }
}

#[post("/items")]
async fn create(Json(item): Json<Item>) -> Json<Item> {
    Json(item)
}

#[model]
struct Page {
    #[field(le = 100, default = 10)]
    limit: u32,
    #[field(default, max_length = 1)]
    tag: Vec<String>,
}

#[get("/items")]
async fn list(Query(page): Query<Page>) -> String {
    format!("{} {:?}", page.limit, page.tag)
}

#[get("/broken")]
async fn broken() -> Json<Tag> {
    Json(Tag { text: "x".into() })
}

/// Where else items may be held.
#[model]
struct Held {
    queue: VecDeque<Tag>,
    boxed: Box<Tag>,
    borrowed: Cow<'static, Tag>,
}

#[post("/held")]
async fn hold(Json(held): Json<Held>) -> Json<Held> {
    Json(held)
}

dunlin::app![create, list, broken, hold];

#[test]
fn what_keeps_its_rules_is_taken() {
    let client = TestClient::new(app());
    let item = json!({"name": "hat", "unitPrice": 2.5, "contact": "a@example.com",
        "tags": [{"text": "ab"}], "stock": {"x": {"text": "cd"}},
        "size": {"exact": {"low": 1, "high": 2}}});
    let answer = client.post("/items").json(&item).send();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json::<Value>()["count"], 2);
    let answer = client.get("/items?limit=100").send();
    assert_eq!(answer.text(), "100 []");
    assert_eq!(client.get("/items").send().text(), "10 []");
}

#[test]
fn every_broken_rule_is_told_as_pydantic_tells_it() {
    let item = json!({"name": "", "unitPrice": 0.0, "count": 101,
        "tags": [{"text": "a"}, {"text": "ab"}, {"text": "ab"}], "code": "X", "even": 3,
        "stock": {"x": {"text": "d"}}});
    let client = TestClient::new(app());
    let answer = client.post("/items").json(&item).send();
    let told = Value::from(problems(&answer));
    let expected = json!([
        {"type": "string_too_short", "loc": ["body", "name"],
         "msg": "String should have at least 1 character", "input": "",
         "ctx": {"min_length": 1}},
        {"type": "greater_than", "loc": ["body", "unitPrice"],
         "msg": "Input should be greater than 0", "input": 0.0, "ctx": {"gt": 0.0}},
        {"type": "less_than", "loc": ["body", "count"],
         "msg": "Input should be less than 100", "input": 101, "ctx": {"lt": 100}},
        {"type": "multiple_of", "loc": ["body", "count"],
         "msg": "Input should be a multiple of 2", "input": 101, "ctx": {"multiple_of": 2}},
        {"type": "string_too_short", "loc": ["body", "tags", 0, "text"],
         "msg": "String should have at least 2 characters", "input": "a",
         "ctx": {"min_length": 2}},
        {"type": "too_long", "loc": ["body", "tags"],
         "msg": "List should have at most 2 items after validation, not 3",
         "input": [{"text": "a"}, {"text": "ab"}, {"text": "ab"}],
         "ctx": {"field_type": "List", "max_length": 2, "actual_length": 3}},
        {"type": "string_pattern_mismatch", "loc": ["body", "code"],
         "msg": "String should match pattern '^[a-z]+$'", "input": "X",
         "ctx": {"pattern": "^[a-z]+$"}},
        {"type": "value_error", "loc": ["body", "even"], "msg": "Value error, is odd",
         "input": 3, "ctx": {"error": {}}},
        {"type": "string_too_short", "loc": ["body", "stock", "x", "text"],
         "msg": "String should have at least 2 characters", "input": "d",
         "ctx": {"min_length": 2}},
    ]);
    assert_eq!(told, expected, "{told:#}");
}

#[test]
fn rules_hold_wherever_a_value_is_held() {
    let held = json!({"queue": [{"text": "ab"}, {"text": "a"}], "boxed": {"text": "a"},
        "borrowed": {"text": "a"}});
    let answer = TestClient::new(app()).post("/held").json(&held).send();
    let told = problems(&answer);
    let places: Vec<_> = told.iter().map(|problem| &problem["loc"]).collect();
    let expected = json!([
        ["body", "queue", 1, "text"],
        ["body", "boxed", "text"],
        ["body", "borrowed", "text"],
    ]);
    assert_eq!(json!(places), expected);
}

#[test]
fn wrong_types_and_broken_rules_are_in_one_answer() {
    let item = json!({"name": "much too long", "unitPrice": "x", "contact": "a@b",
        "size": {"exact": {"low": 3, "high": 2}}});
    let client = TestClient::new(app());
    let told: Vec<_> = problems(&client.post("/items").json(&item).send())
        .iter()
        .map(|problem| format!("{} {}", problem["type"], problem["loc"]))
        .collect();
    let expected = [
        r#""float_type" ["body","unitPrice"]"#,
        r#""string_too_long" ["body","name"]"#,
        r#""string_format" ["body","contact"]"#,
        r#""value_error" ["body","size","exact"]"#,
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_query_has_rules_too() {
    let client = TestClient::new(app());
    let told = Value::from(problems(&client.get("/items?limit=101&tag=a&tag=b").send()));
    let expected = json!([
        {"type": "less_than_equal", "loc": ["query", "limit"],
         "msg": "Input should be less than or equal to 100", "input": "101",
         "ctx": {"le": 100}},
        {"type": "too_long", "loc": ["query", "tag"],
         "msg": "List should have at most 1 item after validation, not 2", "input": ["a", "b"],
         "ctx": {"field_type": "List", "max_length": 1, "actual_length": 2}},
    ]);
    assert_eq!(told, expected, "{told:#}");
}

#[test]
fn an_answer_that_breaks_its_model_is_not_sent() {
    let answer = TestClient::new(app()).get("/broken").send();
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.text(), r#"{"detail":"Internal Server Error"}"#);
}

#[test]
fn the_schema_says_what_the_rules_say() {
    let document: Value = serde_json::from_str(&app().openapi()).expect("JSON");
    let item = &document["components"]["schemas"]["Item"];
    let golden = include_str!("models.schema.json");
    if std::env::var_os("DUNLIN_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models.schema.json");
        std::fs::write(path, format!("{item:#}\n")).expect("is writable");
        return;
    }
    assert_eq!(format!("{item:#}\n"), golden);
}
