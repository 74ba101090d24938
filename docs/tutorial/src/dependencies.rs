//! What several handlers need.

use dunlin::prelude::*;

#[model]
struct Page {
    #[field(default)]
    skip: u32,
    #[field(default = 10, le = 100)]
    limit: u32,
}

#[dependency]
async fn page(Query(page): Query<Page>) -> Page {
    page
}

#[get("/items")]
async fn items(page: Dep<Page>) -> String {
    format!("items {} to {}", page.skip, page.skip + page.limit)
}

#[get("/orders")]
async fn orders(page: Dep<Page>) -> String {
    format!("orders {} to {}", page.skip, page.skip + page.limit)
}

struct User {
    name: String,
}

#[dependency]
async fn current_user(headers: Headers) -> Result<User, HttpError> {
    match headers.get("x-user") {
        Some(name) => Ok(User { name: name.into() }),
        None => Err(HttpError::new(StatusCode::UNAUTHORIZED, "Who are you?")),
    }
}

struct Admin;

#[dependency]
async fn admin(user: Dep<User>) -> Result<Admin, HttpError> {
    match user.name.as_str() {
        "ada" => Ok(Admin),
        _ => Err(HttpError::new(StatusCode::FORBIDDEN, "Not for you")),
    }
}

#[delete("/items/{id}", dependencies = [Dep<Admin>])]
async fn delete_item(id: u32, user: Dep<User>) -> String {
    format!("{} deleted {id}", user.name)
}

struct Connection {
    number: u32,
}

#[dependency(teardown = close)]
async fn connect() -> Connection {
    Connection { number: 1 }
}

async fn close(connection: Connection) {
    println!("connection {} is closed", connection.number);
}

#[get("/report")]
async fn report(connection: Dep<Connection>) -> String {
    format!("read through connection {}", connection.number)
}

dunlin::app![items, orders, delete_item, report];
