use dunlin::Router;
use dunlin::prelude::*;

#[get("/{id}")]
async fn read(_id: Path<u32>) {}

#[get("/items/{name}")]
async fn by_name(_name: Path<String>) {}

const WITH_PARAMETER: Router = dunlin::router! { prefix: "/shops/{shop}", routes: [read] };

const WITH_SLASH: Router = dunlin::router! { prefix: "/items/", routes: [read] };

const ITEMS: Router = dunlin::router! { prefix: "/items", routes: [read] };

dunlin::app! { routes: [by_name], routers: [ITEMS] }

fn main() {}
