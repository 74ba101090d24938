//! Rules for values.

use dunlin::prelude::*;

#[model(check = cheap_or_described)]
struct Item {
    #[field(min_length = 1, max_length = 20)]
    name: String,
    #[field(gt = 0, le = 10_000)]
    price: f64,
    #[field(pattern = "^[A-Z]{2}-[0-9]+$")]
    code: Option<String>,
    #[field(format = "email")]
    contact: Option<String>,
    #[field(default, max_length = 3, check = no_doubles)]
    tags: Vec<String>,
}

fn no_doubles(tags: &[String]) -> Result<(), &'static str> {
    match (1..tags.len()).any(|n| tags[n..].contains(&tags[n - 1])) {
        true => Err("a tag is there twice"),
        false => Ok(()),
    }
}

fn cheap_or_described(item: &Item) -> Result<(), String> {
    match item.price > 100.0 && item.code.is_none() {
        true => Err(format!("at {} it needs a code", item.price)),
        false => Ok(()),
    }
}

#[post("/items")]
async fn create_item(Json(item): Json<Item>) -> Json<Item> {
    Json(item)
}

#[get("/items/{id}")]
async fn read_item(
    #[path(ge = 1)] id: u32,
    /// How many reviews to show with it.
    #[query(le = 50, default = 5)]
    reviews: u32,
) -> String {
    format!("item {id} with {reviews} reviews")
}

#[get("/broken")]
async fn broken() -> Json<Item> {
    Json(Item {
        name: String::new(),
        price: 1.0,
        code: None,
        contact: None,
        tags: Vec::new(),
    })
}

dunlin::app![create_item, read_item, broken];
