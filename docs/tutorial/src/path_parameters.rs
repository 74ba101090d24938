//! Values from the path.

use dunlin::prelude::*;

#[get("/items/{id}")]
async fn read_item(id: u32) -> String {
    format!("item {id}")
}

#[get("/items/best")]
async fn best_item() -> &'static str {
    "tea"
}

#[model]
#[serde(rename_all = "lowercase")]
enum Size {
    Small,
    Large,
}

#[get("/sizes/{size}")]
async fn read_size(size: Size) -> &'static str {
    match size {
        Size::Small => "50 g",
        Size::Large => "500 g",
    }
}

#[get("/files/{*path}")]
async fn read_file(path: String) -> String {
    format!("the file {path}")
}

#[get("/orders/{year}/{number}")]
async fn read_order(Path((year, number)): Path<(u16, u32)>) -> String {
    format!("order {number} of {year}")
}

dunlin::app![read_item, best_item, read_size, read_file, read_order];
