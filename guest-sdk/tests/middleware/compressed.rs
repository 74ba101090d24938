//! `Compress`, of bodies whole and streamed.

use std::io::Read as _;
use std::sync::OnceLock;
use std::time::Duration;

use dunlin::middleware::Compress;
use dunlin::prelude::*;
use dunlin::testing::{TestClient, TestResponse};

const COMPRESS: Compress = Compress::new().min_bytes(100);

fn long() -> &'static str {
    static LONG: OnceLock<String> = OnceLock::new();
    LONG.get_or_init(|| "All work and no play makes Jack a dull boy.\n".repeat(1000))
}

#[get("/text")]
async fn text() -> impl IntoResponse {
    ([("etag", "\"1\""), ("content-length", "44000")], long())
}

#[get("/short")]
async fn short() -> &'static str {
    "short"
}

#[get("/image")]
async fn image() -> impl IntoResponse {
    ([("content-type", "image/png")], long())
}

#[get("/as-it-is")]
async fn as_it_is() -> impl IntoResponse {
    ([("cache-control", "public, no-transform")], long())
}

#[get("/stream")]
async fn stream() -> impl IntoResponse {
    let body = Body::produce(async |mut out| {
        for n in 0..3 {
            out.send(format!("line {n}\n")).await;
            dunlin::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    });
    ([("content-type", "application/x-ndjson")], body)
}

#[get("/cut")]
async fn cut() -> impl IntoResponse {
    let body = Body::produce(async |mut out| {
        out.send("half").await;
        Err(Error::msg("no more"))
    });
    ([("content-type", "text/plain")], body)
}

mod root {
    dunlin::app! {
        routes: [super::text, super::short, super::image, super::as_it_is, super::stream, super::cut],
        middleware: [super::COMPRESS],
    }
}

fn get(path: &str) -> TestResponse {
    let client = TestClient::native(root::app());
    client
        .get(path)
        .header("accept-encoding", "br, gzip")
        .send()
}

fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_string(&mut text)
        .expect("is gzip");
    text
}

#[test]
fn a_whole_body() {
    let answer = get("/text");
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert_eq!(answer.header("vary"), Some("accept-encoding"));
    assert_eq!(answer.header("etag"), Some("W/\"1\""));
    assert_eq!(answer.header("content-length"), None);
    assert!(answer.bytes().len() < 1000);
    assert_eq!(unpacked(&answer.bytes()), long());
}

#[test]
fn what_is_left_as_it_is() {
    for (path, vary) in [("/short", true), ("/image", false), ("/as-it-is", false)] {
        let answer = get(path);
        assert_eq!(answer.header("content-encoding"), None, "{path}");
        assert_eq!(answer.header("vary").is_some(), vary, "{path}");
    }
    let client = TestClient::new(root::app());
    let answer = client.get("/text").send();
    assert_eq!(answer.text(), long());
    assert_eq!(answer.header("vary"), Some("accept-encoding"));
}

#[test]
fn each_piece_of_a_stream_can_be_read_at_once() {
    let client = TestClient::native(root::app());
    let answer = client
        .get("/stream")
        .header("accept-encoding", "gzip")
        .send();
    let mut unpacker = flate2::write::GzDecoder::new(Vec::new());
    for n in 0..3 {
        std::io::Write::write_all(&mut unpacker, &answer.chunk().unwrap().unwrap()).unwrap();
        std::io::Write::flush(&mut unpacker).unwrap();
        let text = std::mem::take(unpacker.get_mut());
        assert_eq!(String::from_utf8(text).unwrap(), format!("line {n}\n"));
        assert_eq!(client.elapsed(), Duration::from_secs(n));
    }
    std::io::Write::write_all(&mut unpacker, &answer.bytes()).unwrap();
    assert_eq!(unpacker.finish().unwrap(), b"");
}

#[test]
fn a_stream_that_is_cut_is_cut() {
    let answer = get("/cut");
    assert!(answer.chunk().unwrap().is_some());
    assert!(answer.chunk().is_err());
}
