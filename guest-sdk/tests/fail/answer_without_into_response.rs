use dunlin::prelude::*;

struct Item {
    _id: u32,
}

#[get("/items/{id}")]
async fn read_item(Path(id): Path<u32>) -> Item {
    Item { _id: id }
}

dunlin::app![read_item];

fn main() {}
