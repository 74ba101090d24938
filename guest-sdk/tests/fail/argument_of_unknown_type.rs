use dunlin::prelude::*;

struct Page {
    _limit: u32,
}

#[get("/items")]
async fn list_items(_page: Page) {}

dunlin::app![list_items];

fn main() {}
