use dunlin::prelude::*;

#[get("/items/{id}")]
async fn nothing_takes_it() {}

#[get("/items/{id}/{part}")]
async fn nothing_takes_them(_query: Query<u32>) {}

#[get("/items")]
async fn there_is_none(_id: Path<u32>) {}

#[get("/items/{id}/{part}")]
async fn one_for_two(_id: Path<u32>) {}

#[get("/items/{id}")]
async fn two_for_one(_ids: Path<(u32, u32)>) {}

fn main() {}
