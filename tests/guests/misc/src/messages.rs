//! Routes about requests and responses as they are.

use dunlin::prelude::*;

#[get("/method")]
pub(crate) async fn get_method() -> &'static str {
    "get"
}

#[post("/method")]
pub(crate) async fn post_method(body: String) -> String {
    format!("post {body}")
}

#[put("/method")]
pub(crate) async fn put_method(body: String) -> String {
    format!("put {body}")
}

#[patch("/method")]
pub(crate) async fn patch_method(body: String) -> String {
    format!("patch {body}")
}

#[delete("/method")]
pub(crate) async fn delete_method() -> StatusCode {
    StatusCode::NO_CONTENT
}

#[options("/method")]
pub(crate) async fn options_method() -> impl IntoResponse {
    ([("allow", "everything")], "options")
}

#[head("/head")]
pub(crate) async fn head_only() -> impl IntoResponse {
    ([("x-head", "yes")], StatusCode::OK)
}

/// The request's header fields, a line each.
#[get("/headers")]
pub(crate) async fn headers(headers: Headers) -> String {
    let line =
        |(name, value): (&str, &[u8])| format!("{name}: {}\n", String::from_utf8_lossy(value));
    headers.iter().map(line).collect()
}

/// What the function sees of the target.
#[get("/target/{*rest}")]
pub(crate) async fn target(request: Request) -> String {
    request.target().to_owned()
}

#[get("/var/{name}")]
pub(crate) async fn var(Path(name): Path<String>) -> Result<String, Error> {
    Ok(dunlin::var(&name)?)
}

/// An answer of the function itself, with the status that was asked for.
#[get("/status/{code}")]
pub(crate) async fn status(Path(code): Path<u16>) -> Result<impl IntoResponse, Error> {
    Ok((StatusCode::from_u16(code)?, "the function's own answer"))
}

/// How many bytes the body has.
#[post("/count")]
pub(crate) async fn count(mut body: Body) -> Result<String, Error> {
    let mut bytes = 0;
    while let Some(piece) = body.chunk().await? {
        bytes += piece.len();
    }
    Ok(bytes.to_string())
}

/// A body of so many bytes.
#[get("/give/{bytes}")]
pub(crate) async fn give(Path(bytes): Path<usize>) -> Body {
    Body::produce(async move |mut out| {
        let mut left = bytes;
        while left > 0 {
            let piece = left.min(64 * 1024);
            out.send(vec![b'x'; piece]).await;
            left -= piece;
        }
        Ok(())
    })
}

/// The same, handed over whole.
#[get("/whole/{bytes}")]
pub(crate) async fn whole(Path(bytes): Path<usize>) -> Vec<u8> {
    vec![b'x'; bytes]
}

/// Answers `first`, then whatever still comes in.
#[post("/first-then-rest")]
pub(crate) async fn first_then_rest(mut body: Body) -> Body {
    Body::produce(async move |mut out| {
        out.send("first ").await;
        while let Some(piece) = body.chunk().await? {
            out.send(piece).await;
        }
        Ok(())
    })
}
