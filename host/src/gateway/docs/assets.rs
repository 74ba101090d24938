//! What the pages are made of, beside the document: compressed in the binary.

use super::super::account::Outgoing;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::Response;
use http::header::{self, HeaderMap, HeaderValue};
use std::borrow::Cow;
use std::io::{Read as _, Write as _};
use std::sync::LazyLock;

/// A file that is the same for all functions. Its name changes when it does.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) name: Cow<'static, str>,
    media_type: &'static str,
    gzip: Cow<'static, [u8]>,
}

/// What the page to try things out consists of, in the order of loading.
pub(super) const EXPLORER: &[Asset] = &[SWAGGER_UI_STYLE, SWAGGER_UI_SCRIPT, EXPLORER_SCRIPT];

/// The same for the page to read.
pub(super) static REFERENCE: LazyLock<[Asset; 2]> = LazyLock::new(|| [redoc(), REFERENCE_SCRIPT]);

/// Makes what the page consists of, if it was not yet: that takes a while.
pub(super) async fn prepare_reference() {
    let made = tokio::task::spawn_blocking(|| {
        LazyLock::force(&REFERENCE);
    });
    made.await.expect("making it does not panic");
}

/// Redoc's script, out of the page that aide makes of it.
fn redoc() -> Asset {
    let page = aide::redoc::Redoc::new("").html();
    let script = page.split_once("<script>").and_then(|(_, rest)| {
        let (script, _call) = rest.rsplit_once("Redoc.init(")?;
        Some(script.trim())
    });
    let script = script.expect("aide's page is one script and its call");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(script.as_bytes());
    let gzip = written.and_then(|()| encoder.finish());
    let mut crc = flate2::Crc::new();
    crc.update(script.as_bytes());
    Asset {
        name: format!("redoc.{:08x}.js", crc.sum()).into(),
        media_type: "text/javascript; charset=utf-8",
        gzip: gzip.expect("memory takes all").into(),
    }
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

impl Asset {
    /// The file, compressed for those who take it so.
    pub(super) fn answer(&self, asked: &HeaderMap) -> Response<Outgoing> {
        let compressed = takes_gzip(asked);
        let body = match compressed {
            true => match &self.gzip {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::copy_from_slice(bytes),
            },
            false => self.plain(),
        };
        let mut response = Response::new(Outgoing::of_host(body));
        let headers = response.headers_mut();
        let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
        set(header::CONTENT_TYPE, self.media_type);
        set(header::CACHE_CONTROL, "public, max-age=31536000, immutable");
        set(header::VARY, "accept-encoding");
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        if compressed {
            set(header::CONTENT_ENCODING, "gzip");
        }
        response
    }

    fn plain(&self) -> Bytes {
        let mut plain = Vec::new();
        let read = GzDecoder::new(&*self.gzip).read_to_end(&mut plain);
        read.expect("what the build compressed is whole");
        plain.into()
    }
}

/// RFC 9110, section 12.5.3, for `gzip` and `*`. Who says nothing gets it plain:
/// such programs seldom know what to do with it.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let lines = asked.get_all(header::ACCEPT_ENCODING).into_iter();
    let codings: Vec<&str> = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .collect();
    let weight = |wanted: &str| {
        let mut weights = codings.iter().filter_map(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((*coding, "q=1"));
            let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
            let is_wanted = name.trim().eq_ignore_ascii_case(wanted);
            is_wanted.then(|| weight.parse().unwrap_or(0.0))
        });
        weights.next()
    };
    weight("gzip").or_else(|| weight("*")).unwrap_or(0.0) > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_whole_and_named_by_their_content() {
        let all = [
            (&SWAGGER_UI_SCRIPT, "SwaggerUIBundle"),
            (&SWAGGER_UI_STYLE, ".swagger-ui"),
            (&redoc(), "Redoc"),
            (&EXPLORER_SCRIPT, "openapi.json"),
            (&REFERENCE_SCRIPT, "openapi.json"),
        ];
        for (asset, part) in all {
            let plain = asset.plain();
            let text = std::str::from_utf8(&plain).unwrap();
            assert!(text.contains(part), "{}", asset.name);
            let mut crc = flate2::Crc::new();
            crc.update(&plain);
            assert!(asset.name.contains(&format!(".{:08x}.", crc.sum())));
        }
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        let takes = |line: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, line.parse().unwrap());
            takes_gzip(&headers)
        };
        for line in ["gzip", "br, GZIP;q=0.5", "*", "deflate, gzip, br"] {
            assert!(takes(line), "{line}");
        }
        for line in ["", "identity", "gzip;q=0", "gzip; q=0.0, *", "br"] {
            assert!(!takes(line), "{line}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
