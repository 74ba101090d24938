use dunlin::prelude::*;

#[get("/items/{item_id}")]
async fn misspelled(id: u32) -> String {
    id.to_string()
}

#[get("/items")]
async fn from_nowhere(limit: Option<u32>) -> String {
    format!("{limit:?}")
}

#[get("/items")]
async fn twice(#[query] #[header] limit: u32) -> String {
    limit.to_string()
}

#[get("/items")]
async fn field(#[field(le = 100)] limit: u32) -> String {
    limit.to_string()
}

#[get("/items/{id}")]
async fn both(id: u32, Path(again): Path<u32>) -> String {
    format!("{id} {again}")
}

#[get("/items")]
async fn borrowed(#[query] name: &str) -> String {
    name.to_owned()
}

#[get("/items/{id}")]
async fn untaken(#[query] limit: u32) -> String {
    limit.to_string()
}

#[get("/items")]
#[status(404)]
async fn not_a_success() -> &'static str {
    "none"
}

#[get("/items")]
fn waits() -> String {
    dunlin::sleep(std::time::Duration::from_secs(1)).await;
    String::new()
}

dunlin::app![misspelled, from_nowhere];

fn main() {}
