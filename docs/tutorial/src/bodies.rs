//! JSON in, JSON out.

use dunlin::prelude::*;

/// Something for sale.
#[model]
struct Item {
    name: String,
    price: f64,
    description: Option<String>,
    #[field(default)]
    tags: Vec<String>,
    maker: Option<Maker>,
}

#[model]
struct Maker {
    name: String,
    country: String,
}

#[post("/items")]
async fn create_item(Json(item): Json<Item>) -> Json<Item> {
    Json(item)
}

#[put("/items/{id}")]
async fn update_item(id: u32, #[query] notify: Option<bool>, Json(item): Json<Item>) -> String {
    format!("item {id} is {}, notify: {notify:?}", item.name)
}

#[post("/raw")]
async fn raw(body: Vec<u8>) -> String {
    format!("{} bytes", body.len())
}

dunlin::app![create_item, update_item, raw];
