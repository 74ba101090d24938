//! Code around handlers.

use dunlin::middleware::{Compress, Cors, Next};
use dunlin::prelude::*;
use dunlin::time::Instant;

async fn timing(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let answer = next.run(request).await;
    let millis = start.elapsed().as_millis();
    answer.with_header("server-timing", format!("app;dur={millis}"))
}

async fn open_hours(request: Request, next: Next) -> Result<Response, HttpError> {
    if request.headers().get("x-hour") == Some("23") {
        return Err(HttpError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "We are closed",
        ));
    }
    Ok(next.run(request).await)
}

const CORS: Cors = Cors::origins(&["https://shop.example"]);

#[get("/")]
async fn hello() -> &'static str {
    "Hello!"
}

#[get("/buy", middleware = [open_hours])]
async fn buy() -> &'static str {
    "bought"
}

dunlin::app! {
    title: "Shop",
    version: "1.0",
    description: "Sells tea.",
    routes: [hello, buy],
    middleware: [timing, CORS, Compress::new()],
}
