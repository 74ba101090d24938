//! What there is to buy.

use dunlin::Router;
use dunlin::middleware::require;
use dunlin::prelude::*;

pub(crate) const ROUTER: Router = dunlin::router! {
    prefix: "/items",
    tags: ["items"],
    routes: [list, read],
    middleware: [require::<Dep<Customer>>()],
};

struct Customer;

#[dependency]
async fn customer(#[header] x_customer: Option<String>) -> Result<Customer, HttpError> {
    match x_customer {
        Some(_) => Ok(Customer),
        None => Err(HttpError::new(StatusCode::FORBIDDEN, "For customers only")),
    }
}

#[get("/")]
async fn list() -> &'static str {
    "tea and cups"
}

#[get("/{id}")]
async fn read(id: u32) -> String {
    format!("item {id}")
}
