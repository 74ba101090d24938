//! Files.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::IntoResponse;
use crate::body::Body;
use crate::openapi::Operation;
use crate::response::Response;

/// A file: the browser saves it under its name, or shows it
/// ([`inline`](Self::inline)).
///
/// ```
/// # use dunlin::prelude::*;
/// #[get("/report")]
/// async fn report() -> File {
///     File::new("report.csv", "name,price\n")
/// }
///
/// #[get("/logo")]
/// async fn logo() -> File {
///     # const LOGO: &[u8] = b"";
///     // const LOGO: &[u8] = include_bytes!("logo.png");
///     File::new("logo.png", LOGO).inline()
/// }
/// ```
///
/// Its `content-type` follows from the name's ending.
#[derive(Debug)]
pub struct File {
    name: Cow<'static, str>,
    content_type: Cow<'static, str>,
    inline: bool,
    body: Body,
}

impl File {
    /// A file of this name; the content may also be a stream.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, content: impl Into<Body>) -> Self {
        let name = name.into();
        File {
            content_type: type_of(&name).into(),
            name,
            inline: false,
            body: content.into(),
        }
    }

    /// The browser shows it instead of saving it. Only for files that you
    /// trust: what your users uploaded could be a page with scripts.
    #[must_use]
    pub fn inline(mut self) -> Self {
        self.inline = true;
        self
    }

    /// It is of this type, whatever its name says.
    #[must_use]
    pub fn with_type(mut self, content_type: impl Into<Cow<'static, str>>) -> Self {
        self.content_type = content_type.into();
        self
    }
}

impl IntoResponse for File {
    fn into_response(self) -> Response {
        Response::typed(&self.content_type, self.body)
            .with_header("content-disposition", disposition(&self.name, self.inline))
            .with_header("x-content-type-options", "nosniff")
    }

    fn describe(operation: &mut Operation) {
        operation.success_of("*/*", None);
    }
}

/// What RFC 8187 allows in an extended value.
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The field's value, by RFC 6266. A name that is not plain ASCII is sent
/// twice: readably for old clients, and exactly.
fn disposition(name: &str, inline: bool) -> String {
    let kind = if inline { "inline" } else { "attachment" };
    // Within quotes some clients decode `%41`, and read `\"` wrongly.
    let plain = |character: char| {
        let quoted = matches!(character, '"' | '\\' | '%');
        !quoted && (character == ' ' || character.is_ascii_graphic())
    };
    if name.chars().all(plain) {
        return format!("{kind}; filename=\"{name}\"");
    }
    let readable = name.replace(|character| !plain(character), "_");
    let exact = utf8_percent_encode(name, EXTENDED);
    format!("{kind}; filename=\"{readable}\"; filename*=UTF-8''{exact}")
}

/// The type that files of this name mostly have.
fn type_of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "avif" => "image/avif",
        "css" => "text/css; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "gif" => "image/gif",
        "gz" => "application/gzip",
        "htm" | "html" => "text/html; charset=utf-8",
        "ico" => "image/x-icon",
        "ics" => "text/calendar; charset=utf-8",
        "jpeg" | "jpg" => "image/jpeg",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "jsonl" | "ndjson" => "application/x-ndjson",
        "md" => "text/markdown; charset=utf-8",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "ogg" => "audio/ogg",
        "otf" => "font/otf",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "tar" => "application/x-tar",
        "ttf" => "font/ttf",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "wav" => "audio/wav",
        "webm" => "video/webm",
        "webmanifest" => "application/manifest+json",
        "webp" => "image/webp",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "xml" => "application/xml",
        "yaml" | "yml" => "application/yaml",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_follows_from_the_name() {
        let types = [
            ("report.CSV", "text/csv; charset=utf-8"),
            ("a.tar.gz", "application/gzip"),
            ("Makefile", "application/octet-stream"),
        ];
        for (name, content_type) in types {
            let response = File::new(name, "").into_response();
            assert_eq!(response.headers().get("content-type"), Some(content_type));
        }
        let response = File::new("a.csv", "")
            .with_type("text/plain")
            .into_response();
        assert_eq!(response.headers().get("content-type"), Some("text/plain"));
    }

    #[test]
    fn names_survive() {
        assert_eq!(
            disposition("a b.csv", false),
            "attachment; filename=\"a b.csv\""
        );
        assert_eq!(disposition("a.png", true), "inline; filename=\"a.png\"");
        assert_eq!(
            disposition("naïve \"€\".txt", false),
            "attachment; filename=\"na_ve ___.txt\"; filename*=UTF-8''na%C3%AFve%20%22%E2%82%AC%22.txt"
        );
        assert_eq!(
            disposition("a\r\nb", false),
            "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"
        );
    }
}
