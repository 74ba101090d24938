use dunlin::prelude::*;

struct Item {
    _id: u32,
}

#[post("/items")]
async fn write_item(_item: Json<Item>) {}

dunlin::app![write_item];

fn main() {}
