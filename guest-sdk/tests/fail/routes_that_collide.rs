use dunlin::prelude::*;

#[get("/items/{id}")]
async fn by_id(_id: Path<u32>) {}

#[get("/items/{name}")]
async fn by_name(_name: Path<String>) {}

dunlin::app![by_id, by_name];

fn main() {}
