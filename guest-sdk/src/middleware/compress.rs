//! Answers that travel compressed.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;

use super::{Middleware, Next};
use crate::body::{Body, BodyError, Kind};
use crate::headers::Headers;
use crate::request::Request;
use crate::response::Response;

/// Middleware that compresses answers with gzip, for callers that accept it.
///
/// ```
/// use dunlin::middleware::Compress;
///
/// const COMPRESS: Compress = Compress::new().min_bytes(2048);
/// ```
///
/// - Text, JSON, XML, JavaScript, SVG and WebAssembly are compressed; images,
///   archives and other bytes are not, nor are server-sent events, answers with
///   a `content-encoding` of their own or with `cache-control: no-transform`,
///   and parts of a whole (206).
/// - A whole body is compressed if it has 1,024 bytes or more. A streamed one is
///   always; what was streamed so far reaches the caller at once.
/// - A strong `etag` becomes a weak one: the bytes are others.
/// - It is computing: some 10 ms of CPU time for each megabyte. Listed for the
///   routes that need it, it costs the others nothing.
/// - Do not compress what holds a secret beside what a caller may choose: the
///   length would tell (the BREACH attack).
#[derive(Debug, Clone, Copy)]
pub struct Compress {
    min_bytes: usize,
    level: u32,
}

impl Compress {
    /// With the usual compromise between size and time.
    #[must_use]
    pub const fn new() -> Self {
        Compress {
            min_bytes: 1024,
            level: 6,
        }
    }

    /// Whole bodies below this size are sent as they are. Default: 1,024.
    #[must_use]
    pub const fn min_bytes(mut self, bytes: usize) -> Self {
        self.min_bytes = bytes;
        self
    }

    /// From 1, the fastest, to 9, the smallest. Default: 6.
    ///
    /// # Panics
    /// At any other level; in a constant this is an error of the compiler.
    #[must_use]
    pub const fn level(mut self, level: u32) -> Self {
        assert!(matches!(level, 1..=9), "a level is 1 to 9");
        self.level = level;
        self
    }

    fn gzip(&self, mut answer: Response) -> Response {
        let encoder = GzEncoder::new(Vec::new(), Compression::new(self.level));
        answer.body = match answer.body.0 {
            Kind::Bytes(bytes) if bytes.len() < self.min_bytes => {
                answer.body = bytes.into();
                return answer;
            }
            Kind::Bytes(bytes) => whole(encoder, &bytes).into(),
            stream => piece_by_piece(encoder, Body(stream)),
        };
        let headers = &mut answer.headers;
        headers.insert("content-encoding", "gzip");
        headers.remove("content-length");
        headers.remove("accept-ranges");
        let strong = headers.get("etag").filter(|tag| !tag.starts_with("W/"));
        if let Some(weak) = strong.map(|tag| format!("W/{tag}")) {
            headers.insert("etag", weak);
        }
        answer
    }
}

impl Default for Compress {
    fn default() -> Self {
        Compress::new()
    }
}

impl Middleware for Compress {
    async fn handle(&self, request: Request, next: Next) -> Response {
        let wanted = accepts_gzip(request.headers());
        let is_head = request.method() == "HEAD";
        let mut answer = next.run(request).await;
        if !is_compressible(&answer) {
            return answer;
        }
        // Caches must not hand one caller's form to another.
        answer.headers.append("vary", "accept-encoding");
        if wanted && !is_head {
            self.gzip(answer)
        } else {
            answer
        }
    }
}

const CANNOT_FAIL: &str = "writing to memory cannot fail";

fn whole(mut encoder: GzEncoder<Vec<u8>>, bytes: &[u8]) -> Vec<u8> {
    encoder.write_all(bytes).expect(CANNOT_FAIL);
    encoder.finish().expect(CANNOT_FAIL)
}

/// Each piece goes out as soon as it is there.
fn piece_by_piece(encoder: GzEncoder<Vec<u8>>, body: Body) -> Body {
    let state = (Some(encoder), body);
    Body::stream(futures::stream::try_unfold(
        state,
        async |(encoder, mut body)| {
            let Some(mut encoder) = encoder else {
                return Ok(None);
            };
            Ok::<_, BodyError>(Some(match body.chunk().await? {
                Some(piece) => {
                    encoder.write_all(&piece).expect(CANNOT_FAIL);
                    encoder.flush().expect(CANNOT_FAIL);
                    let compressed = std::mem::take(encoder.get_mut());
                    (compressed, (Some(encoder), body))
                }
                None => (encoder.finish().expect(CANNOT_FAIL), (None, body)),
            }))
        },
    ))
}

/// RFC 9110, section 12.5.3: `gzip` by name, else what `*` says.
fn accepts_gzip(headers: &Headers) -> bool {
    let mut any = false;
    for value in headers.get_all("accept-encoding") {
        for member in str::from_utf8(value).unwrap_or_default().split(',') {
            let (name, parameters) = member.split_once(';').unwrap_or((member, ""));
            let quality = parameters.trim().strip_prefix("q=").map(str::trim);
            let accepted = quality.and_then(|quality| quality.parse().ok()) != Some(0_f32);
            let name = name.trim();
            if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
                return accepted;
            }
            if name == "*" {
                any = accepted;
            }
        }
    }
    any
}

fn is_compressible(answer: &Response) -> bool {
    let headers = &answer.headers;
    let status = answer.status;
    let has_body = !status.is_informational()
        && ![
            StatusCode::NO_CONTENT,
            StatusCode::RESET_CONTENT,
            StatusCode::PARTIAL_CONTENT,
            StatusCode::NOT_MODIFIED,
        ]
        .contains(&status);
    let as_it_is = headers
        .get("cache-control")
        .is_some_and(|value| value.to_ascii_lowercase().contains("no-transform"));
    has_body
        && !as_it_is
        && !headers.contains("content-encoding")
        && headers
            .get("content-type")
            .is_some_and(is_compressible_type)
}

fn is_compressible_type(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    match essence.split_once('/') {
        Some(("text", kind)) => kind != "event-stream",
        Some(("image", kind)) => kind == "svg+xml",
        Some(("application", kind)) => {
            kind.ends_with("json")
                || kind.ends_with("xml")
                || ["javascript", "x-ndjson", "jsonl", "wasm", "yaml", "x-yaml"].contains(&kind)
                || kind.ends_with("+yaml")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callers_accept() {
        let accepts = |value: &str| {
            let mut headers = Headers::new();
            headers.append("accept-encoding", value);
            accepts_gzip(&headers)
        };
        for yes in [
            "gzip",
            "br, GZIP;q=0.5",
            "*",
            "deflate, *;q=0.1",
            "*;q=0, gzip",
        ] {
            assert!(accepts(yes), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "gzip; q=0.0, *", "*;q=0", "identity"] {
            assert!(!accepts(no), "{no}");
        }
        assert!(!accepts_gzip(&Headers::new()));
    }

    #[test]
    fn what_is_compressed() {
        for yes in [
            "text/html; charset=utf-8",
            "application/json",
            "application/problem+json",
            "application/x-ndjson",
            "image/svg+xml",
            "Text/Plain",
        ] {
            assert!(is_compressible_type(yes), "{yes}");
        }
        for no in [
            "text/event-stream",
            "image/png",
            "application/octet-stream",
            "application/zip",
            "nonsense",
        ] {
            assert!(!is_compressible_type(no), "{no}");
        }
    }
}
