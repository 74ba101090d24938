use dunlin::Router;
use dunlin::prelude::*;

#[get("/{id}")]
async fn read(_id: Path<u32>) {}

const ITEMS: Router = dunlin::router! { routes: [read], prefix: "/items" };

dunlin::app! { routers: [ITEMS], routes: [read] }

fn main() {}
