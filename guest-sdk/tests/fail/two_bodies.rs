use dunlin::prelude::*;

#[post("/items")]
async fn write_item(_json: Json<u32>, _body: String) {}

dunlin::app![write_item];

fn main() {}
