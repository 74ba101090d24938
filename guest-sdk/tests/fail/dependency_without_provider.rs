use dunlin::prelude::*;

struct User;

#[get("/")]
async fn me(user: Dep<User>) {}

fn main() {}
