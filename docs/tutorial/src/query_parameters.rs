//! Values from the query.

use dunlin::prelude::*;

#[get("/items")]
async fn list_items(
    #[query] search: String,
    #[query(default = 10)] limit: u32,
    #[query] sort: Option<String>,
    #[query(default)] tag: Vec<String>,
) -> String {
    format!("{search}, {limit}, {sort:?}, {tag:?}")
}

#[model]
struct Page {
    #[field(default)]
    skip: u32,
    #[field(default = 10, le = 100)]
    limit: u32,
}

#[get("/orders")]
async fn list_orders(Query(page): Query<Page>) -> Json<Page> {
    Json(page)
}

dunlin::app![list_items, list_orders];
