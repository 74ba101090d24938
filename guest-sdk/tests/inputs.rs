//! Single values as arguments: of the path, the query, header fields, cookies.

mod problems;

use dunlin::extract::{Cookie, Header};
use dunlin::prelude::*;
use dunlin::testing::TestClient;
use serde_json::{Value, json};

use self::problems::problems;

#[get("/items/{item_id}/parts/{part}")]
async fn read(
    item_id: u32,
    part: String,
    /// How many at most.
    #[query(ge = 1, le = 100, default = 10)]
    limit: u32,
    #[query(alias = "item-query")] query: Option<String>,
    #[query(default)] tag: Vec<String>,
    #[header] user_agent: Option<String>,
    #[header(default = 1, lt = 3)] x_version: u8,
    #[cookie(min_length = 3)] session: Option<String>,
) -> String {
    format!("{item_id} {part} {limit} {query:?} {tag:?} {user_agent:?} {x_version} {session:?}")
}

#[model]
struct Order {
    #[field(ge = 1)]
    count: u32,
}

#[put("/orders/{id}")]
#[status(202)]
async fn order(#[path(ge = 1)] id: u64, #[query] dry: bool, Json(order): Json<Order>) -> String {
    format!("{id} {dry} {}", order.count)
}

#[model]
#[serde(rename_all = "kebab-case")]
struct Common {
    x_tag: Vec<String>,
}

#[model]
struct Session {
    id: u32,
}

#[get("/common")]
async fn common(Header(common): Header<Common>, Cookie(session): Cookie<Session>) -> String {
    format!("{:?} {}", common.x_tag, session.id)
}

dunlin::app![read, order, common];

#[test]
fn values_come_from_where_they_say() {
    let client = TestClient::new(app());
    let answer = client
        .get("/items/7/parts/a%20b?limit=3&item-query=q&tag=x&tag=y")
        .header("user-agent", "curl")
        .header("cookie", "other=1; session=\"abc\"")
        .send();
    assert_eq!(
        answer.text(),
        r#"7 a b 3 Some("q") ["x", "y"] Some("curl") 1 Some("abc")"#
    );
    let answer = client
        .get("/common")
        .header("x-tag", "a")
        .header("x-tag", "b")
        .header("cookie", "id=5")
        .send();
    assert_eq!(answer.text(), r#"["a", "b"] 5"#);
    let answer = client
        .put("/orders/1?dry=yes")
        .json(&json!({"count": 2}))
        .send();
    assert_eq!(
        (answer.status().as_u16(), answer.text()),
        (202, "1 true 2".to_owned())
    );
}

#[test]
fn everything_wrong_with_a_request_is_in_one_answer() {
    let client = TestClient::new(app());
    let answer = client
        .get("/items/x/parts/p?limit=0")
        .header("x-version", "3")
        .header("cookie", "session=ab")
        .send();
    let told: Vec<_> = problems(&answer)
        .iter()
        .map(|problem| {
            format!(
                "{} {} {}",
                problem["type"], problem["loc"], problem["input"]
            )
        })
        .collect();
    let expected = [
        r#""int_parsing" ["path","item_id"] "x""#,
        r#""greater_than_equal" ["query","limit"] "0""#,
        r#""less_than" ["header","x-version"] "3""#,
        r#""string_too_short" ["cookie","session"] "ab""#,
    ];
    assert_eq!(told, expected);
    let answer = client.put("/orders/0").json(&json!({"count": 0})).send();
    let told = problems(&answer);
    let places: Vec<_> = told.iter().map(|p| &p["loc"]).collect();
    assert_eq!(
        places,
        [
            &json!(["path", "id"]),
            &json!(["query", "dry"]),
            &json!(["body", "count"])
        ]
    );
}

#[test]
fn the_documentation_knows_them() {
    let document: Value = serde_json::from_str(&app().openapi()).expect("JSON");
    let parameters = &document["paths"]["/items/{item_id}/parts/{part}"]["get"]["parameters"];
    let all = parameters.as_array().expect("a list");
    let limit = all.iter().find(|one| one["name"] == "limit");
    assert_eq!(
        *limit.expect("is told"),
        json!({"name": "limit", "in": "query", "required": false,
            "description": "How many at most.",
            "schema": {"type": "integer", "format": "uint32", "minimum": 1, "maximum": 100,
                "default": 10}}),
    );
    let places: Vec<_> = all
        .iter()
        .map(|one| format!("{} {} {}", one["in"], one["name"], one["required"]))
        .collect();
    assert_eq!(places[0], r#""path" "item_id" true"#);
    assert!(
        places.contains(&r#""query" "item-query" false"#.to_owned()),
        "{places:?}"
    );
    assert!(
        places.contains(&r#""header" "x-version" false"#.to_owned()),
        "{places:?}"
    );
    assert!(
        places.contains(&r#""cookie" "session" false"#.to_owned()),
        "{places:?}"
    );
    let answers = &document["paths"]["/orders/{id}"]["put"]["responses"];
    assert!(answers.get("202").is_some(), "{answers}");
}
