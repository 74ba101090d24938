use dunlin::middleware::Cors;
use dunlin::prelude::*;

async fn no_next(request: Request) -> Response {
    Response::new("")
}

#[get("/a", middleware = [no_next])]
async fn a() {}

#[get("/b", middleware = no_next)]
async fn b() {}

#[get("/c", dependencies = [u32])]
async fn c() {}

const _: Cors = Cors::any_origin().credentials();
const _: Cors = Cors::origins(&["https://shop.example/"]);

fn main() {}
