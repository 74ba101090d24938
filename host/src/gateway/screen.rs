//! What is refused before a function is looked for: messages that hyper lets
//! pass, but that two servers in a row may understand differently.

use super::error::GatewayError;
use http::header::{self, HeaderValue};
use http::uri::Authority;
use http::{Method, Request, Version};

/// Bytes that a request's target may have; RFC 9112, section 3, asks for 8,000
/// at least.
const MAX_TARGET: usize = 16 * 1024;

/// The host that a request is for, if the request is fit to be handled.
///
/// # Errors
/// When it is not.
pub(super) fn screen<B>(request: &Request<B>) -> Result<Option<&str>, GatewayError> {
    // RFC 9110, section 9.3.6: it is for proxies. A 2xx would end HTTP on this
    // connection, whatever the function meant by it.
    if request.method() == Method::CONNECT {
        return Err(GatewayError::NotImplemented("CONNECT"));
    }
    let uri = request.uri();
    let target = uri.path_and_query().map_or(0, |it| it.as_str().len());
    if target > MAX_TARGET {
        return Err(GatewayError::UriTooLong(MAX_TARGET));
    }
    // RFC 9112, section 6.1: a coding that is not understood is a 501. `chunked`
    // is understood once; hyper takes it after anything else, and twice.
    let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next()
        && (!coding.as_bytes().eq_ignore_ascii_case(b"chunked") || codings.next().is_some())
    {
        return Err(GatewayError::NotImplemented("this transfer coding"));
    }
    host(request)
}

/// RFC 9112, section 3.2: one `Host` line, neither none nor two. A target that
/// names a host overrides it; in HTTP/2 (RFC 9113, section 8.3.1) the two must
/// not differ.
fn host<B>(request: &Request<B>) -> Result<Option<&str>, GatewayError> {
    let authority = request.uri().authority().map(Authority::as_str);
    let mut lines = request.headers().get_all(header::HOST).iter();
    let line = match (lines.next(), lines.next()) {
        (Some(line), None) => Some(text(line)?),
        (None, _) => None,
        (Some(_), Some(_)) => return Err(GatewayError::BadHost),
    };
    let is_named = match (request.version(), authority, line) {
        (Version::HTTP_2, Some(authority), Some(line)) => authority.eq_ignore_ascii_case(line),
        (Version::HTTP_2, authority, line) => authority.is_some() || line.is_some(),
        (Version::HTTP_11, _, line) => line.is_some(),
        _ => true,
    };
    // RFC 9110, section 4.2.4: user information in front of a host misleads.
    if !is_named || authority.is_some_and(|authority| authority.contains('@')) {
        return Err(GatewayError::BadHost);
    }
    Ok(authority.or(line))
}

/// RFC 9110, section 7.2: a host and perhaps a port, in the characters that
/// RFC 3986, section 3.2, allows them.
fn text(line: &HeaderValue) -> Result<&str, GatewayError> {
    let is_allowed = |byte: &u8| {
        matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%'
            | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':'
            | b'[' | b']')
    };
    if !line.as_bytes().iter().all(is_allowed) {
        return Err(GatewayError::BadHost);
    }
    line.to_str().map_err(|_| GatewayError::BadHost)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(version: Version, target: &str, fields: &[(&str, &str)]) -> String {
        let mut request = Request::builder().uri(target).version(version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        match screen(&request) {
            Ok(host) => host.unwrap_or("no host").to_owned(),
            Err(error) => error.code().to_owned(),
        }
    }

    #[test]
    fn a_request_names_one_host() {
        let one = |target, fields: &[_]| outcome(Version::HTTP_11, target, fields);
        let host = |value| [("host", value)];
        for valid in ["a.example", "a.example:80", "[::1]:80", "a_b", ""] {
            assert_eq!(one("/", &host(valid)), valid);
        }
        for invalid in ["a b", "a/b", "a@b", "a?b", "a#b", "a\\b", "é"] {
            assert_eq!(one("/", &host(invalid)), "bad-host", "{invalid}");
        }
        assert_eq!(one("/", &[]), "bad-host");
        assert_eq!(one("/", &[("host", "a"), ("host", "a")]), "bad-host");
        assert_eq!(one("http://b/", &host("a")), "b");
        assert_eq!(one("http://b/", &[]), "bad-host");
        assert_eq!(one("http://u@b/", &host("b")), "bad-host");
        assert_eq!(outcome(Version::HTTP_10, "/", &[]), "no host");
    }

    #[test]
    fn over_http2_the_target_names_it() {
        let two = |target, fields: &[_]| outcome(Version::HTTP_2, target, fields);
        assert_eq!(two("http://a:80/", &[]), "a:80");
        assert_eq!(two("http://a:80/", &[("host", "A:80")]), "a:80");
        assert_eq!(two("http://a:80/", &[("host", "b:80")]), "bad-host");
        assert_eq!(two("/", &[("host", "a")]), "a");
        assert_eq!(two("/", &[]), "bad-host");
        assert_eq!(two("/", &[("host", "a"), ("host", "b")]), "bad-host");
    }

    #[test]
    fn a_body_is_chunked_once_and_nothing_else() {
        let coded = |codings: &[&'static str]| {
            let mut fields = vec![("host", "h")];
            fields.extend(codings.iter().map(|coding| ("transfer-encoding", *coding)));
            outcome(Version::HTTP_11, "/", &fields)
        };
        assert_eq!(coded(&["Chunked"]), "h");
        for codings in [
            &["chunked", "chunked"][..],
            &["chunked, chunked"],
            &["gzip, chunked"],
            &["gzip", "chunked"],
            &["chunked;q=1"],
        ] {
            assert_eq!(coded(codings), "not-implemented", "{codings:?}");
        }
    }

    #[test]
    fn a_target_has_its_limit() {
        let long = |bytes| {
            let target = format!("/{}", "a".repeat(bytes - 1));
            outcome(Version::HTTP_11, &target, &[("host", "h")])
        };
        assert_eq!(long(MAX_TARGET), "h");
        assert_eq!(long(MAX_TARGET + 1), "uri-too-long");
    }
}
