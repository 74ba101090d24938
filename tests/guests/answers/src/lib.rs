//! A guest that answers in all the ways, and takes forms.

use std::time::Duration;

use dunlin::prelude::*;
use dunlin::stream::{self, Stream, StreamExt as _};

dunlin::app![
    item, login, logout, report, upload, form, lines, cut, silent, events, endless
];

#[derive(Debug, ErrorResponse)]
enum ShopError {
    /// There is no such item
    #[status(404, "Item {0} not found")]
    NotFound(u32),
    /// The stock cannot be read
    #[status(503, "Try again later")]
    Stock(#[from] std::num::ParseIntError),
}

#[get("/items/{id}")]
async fn item(Path(id): Path<u32>) -> Result<String, ShopError> {
    match id {
        0 => Ok("x".parse::<u8>()?.to_string()),
        id => Err(ShopError::NotFound(id)),
    }
}

#[post("/login")]
async fn login() -> ([SetCookie; 2], Redirect) {
    let cookies = [
        SetCookie::new("session", "a;b").max_age(Duration::from_secs(60)),
        SetCookie::new("theme", "dark").readable_by_scripts(),
    ];
    (cookies, Redirect::see_other("items/1"))
}

#[post("/logout")]
async fn logout() -> (SetCookie, Redirect) {
    (SetCookie::remove("session"), Redirect::to("items/1"))
}

#[get("/report")]
async fn report() -> File {
    File::new("Übersicht.csv", include_bytes!("report.csv").as_slice()).inline()
}

#[post("/upload")]
async fn upload(mut form: Multipart) -> Result<String, HttpError> {
    let mut told = String::new();
    while let Some(mut field) = form.next_field().await? {
        told += &format!("{} {:?} ", field.name(), field.file_name());
        let mut bytes = 0;
        while let Some(piece) = field.chunk().await? {
            bytes += piece.len();
        }
        told += &format!("{bytes}\n");
    }
    Ok(told)
}

#[model]
struct Login {
    name: String,
    age: u8,
}

#[post("/form")]
async fn form(Form(login): Form<Login>) -> Json<Login> {
    Json(login)
}

#[get("/lines")]
async fn lines() -> JsonLines<impl Stream<Item = u32>> {
    JsonLines(stream::iter([1, 2, 3]))
}

#[get("/cut")]
async fn cut() -> JsonLines<impl Stream<Item = Result<u32, Error>>> {
    JsonLines(stream::iter([Ok(1), Err(Error::msg("the source is dry"))]))
}

/// Nothing but pings.
#[get("/silent")]
async fn silent() -> Sse<impl Stream<Item = Event>> {
    Sse::new(stream::pending()).ping_after(Duration::from_millis(20))
}

/// Three events after the one that was seen last.
#[get("/events")]
async fn events(LastEventId(last): LastEventId) -> Sse<impl Stream<Item = Event>> {
    let last: u32 = last.and_then(|id| id.parse().ok()).unwrap_or_default();
    Sse::new(stream::iter(last + 1..=last + 3).map(|n| Event::new().id(n).data("one\ntwo")))
}

/// Tells the log when it is dropped.
struct Watched;

impl Drop for Watched {
    fn drop(&mut self) {
        eprintln!("the producer was dropped");
    }
}

#[get("/endless")]
async fn endless() -> Sse<impl Stream<Item = Event>> {
    let ticks = stream::unfold(Watched, |watched| async {
        dunlin::sleep(Duration::from_millis(10)).await;
        Some((Event::new().data("tick"), watched))
    });
    Sse::new(ticks)
}
