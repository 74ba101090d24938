use dunlin::prelude::*;

#[get("/items", status = 201)]
async fn unknown_argument() {}

#[get]
async fn no_path() {}

#[get(items)]
async fn path_without_quotes() {}

#[get("items/:id")]
async fn no_slash() {}

#[get("/items/:id")]
async fn another_frameworks_parameter() {}

#[get("/items")]
async fn generic<T>() {}

#[get("/items")]
struct NotAFunction;

fn main() {}
