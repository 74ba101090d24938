//! An app in several files.

mod items;

use dunlin::prelude::*;

#[get("/")]
async fn home() -> &'static str {
    "Welcome!"
}

dunlin::app! {
    routes: [home],
    routers: [items::ROUTER],
}
