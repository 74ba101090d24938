//! A guest that says of itself what the SDK can say: its OpenAPI document is
//! golden. It also has routes where the host has pages.

use dunlin::Router;
use dunlin::prelude::*;

/// What is for sale.
#[model]
struct Item {
    /// As it is told to customers.
    name: String,
    /// In the shop's currency.
    price: f64,
    kind: Kind,
    #[serde(default)]
    tags: Vec<String>,
    note: Option<String>,
}

/// What sort of thing an item is.
#[model]
#[derive(PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Tool,
    Toy,
}

/// Which items to list.
#[model]
struct Wanted {
    /// Items to leave out at the start.
    #[serde(default)]
    skip: u32,
    /// Only of this kind.
    kind: Option<Kind>,
}

fn item(name: &str) -> Item {
    Item {
        name: name.to_owned(),
        price: 1.5,
        kind: Kind::Toy,
        tags: Vec::new(),
        note: None,
    }
}

/// Lists items.
///
/// There are *two*, a ball and a kite.
#[get("/")]
async fn list(Query(wanted): Query<Wanted>) -> Json<Vec<Item>> {
    let all = ["ball", "kite"].map(item).into_iter();
    let skip = usize::try_from(wanted.skip).unwrap_or(usize::MAX);
    let of_kind = |it: &Item| wanted.kind.as_ref().is_none_or(|kind| *kind == it.kind);
    Json(all.filter(of_kind).skip(skip).collect())
}

/// Adds an item.
#[post("/", status = 201)]
async fn add(Json(item): Json<Item>) -> Json<Item> {
    Json(item)
}

/// Reads an item of an order.
#[get("/orders/{order}/items/{item}", tags = ["orders"])]
async fn of_order(Path((order, number)): Path<(u32, u8)>) -> Json<Item> {
    Json(item(&format!("item {number} of order {order}")))
}

/// What an item looks like.
#[model]
#[serde(deny_unknown_fields)]
struct Picture {
    /// What there is to see.
    #[field(max_length = 20)]
    caption: String,
    file: UploadFile,
    /// From other sides.
    #[serde(default)]
    more: Vec<UploadFile>,
}

/// Shows an item.
#[put("/{item}/picture")]
async fn picture(item: u8, MultipartForm(picture): MultipartForm<Picture>) -> String {
    let bytes = picture.file.bytes().len();
    format!("{item}, {}: {bytes} bytes", picture.caption)
}

/// Still there for old clients.
#[get("/old", deprecated)]
fn old() -> &'static str {
    "old"
}

/// For nobody's eyes.
#[get("/inside", hidden)]
async fn inside() -> &'static str {
    "inside"
}

/// The function's own page, where the host would have one.
#[get("/redoc")]
async fn own_page() -> &'static str {
    "the function's own"
}

/// Would take the host's pages, if those did not come first.
#[get("/{name}")]
async fn any(Path(name): Path<String>) -> String {
    name
}

/// The same for a document that is sent.
#[put("/{name}", status = 202)]
async fn replace(Path(name): Path<String>, body: String) -> String {
    format!("{name}: {body}")
}

const ITEMS: Router = dunlin::router! {
    prefix: "/items",
    tags: ["items"],
    routes: [list, add, picture],
};

dunlin::app! {
    title: "Documented",
    version: "1.2.3",
    routes: [of_order, old, inside, own_page, any, replace],
    routers: [ITEMS],
}
