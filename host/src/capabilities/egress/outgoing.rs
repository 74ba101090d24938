//! What a guest's request must be, and what of it goes on the wire.

use std::net::Ipv6Addr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{Method, Uri, Version, request};
use http_body::SizeHint;

use super::{EgressError, Hops};
use crate::registry::{Destination, Host, Scheme};

/// Turns the head of a guest's request into the one that is sent: absolute,
/// normal URL; no header that speaks about a connection, which is the host's;
/// one more hop.
///
/// # Errors
/// `InvalidRequest` for a URL, method or header that cannot be sent.
pub(super) fn prepare(
    head: &mut request::Parts,
    size: &SizeHint,
    hops: Hops,
) -> Result<Destination, EgressError> {
    if head.method == Method::CONNECT {
        return Err(EgressError::invalid(
            "`CONNECT` makes tunnels, which egress does not",
        ));
    }
    let destination = destination(&head.uri)?;
    if !is_absolute_form(&head.uri, &destination) {
        head.uri = absolute(&destination, head.uri.path_and_query());
    }
    // A request handed on may carry the version and the extensions of the
    // connection that it came in on.
    head.version = Version::HTTP_11;
    head.extensions.clear();

    let accepts_trailers = head
        .headers
        .get(header::TE)
        .is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    strip_hop_by_hop(&mut head.headers);
    if accepts_trailers {
        // The one form that HTTP/2 lets through; gRPC asks for it.
        head.headers
            .insert(header::TE, HeaderValue::from_static("trailers"));
    }
    head.headers.remove(header::HOST);
    head.headers.remove(header::PROXY_AUTHORIZATION);
    head.headers.insert(Hops::HEADER, hops.next());
    check_content_length(&head.headers, size)?;
    Ok(destination)
}

/// Where a URL points, strictly: whatever two parsers could read differently
/// is refused.
///
/// # Errors
/// `InvalidRequest`, naming what is wrong with the URL.
pub(super) fn destination(uri: &Uri) -> Result<Destination, EgressError> {
    let invalid = |what: &str| EgressError::invalid(format!("the URL `{uri}` {what}"));
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        Some(_) => return Err(invalid("has a scheme other than `http` and `https`")),
        None => {
            return Err(invalid(
                "is not absolute: begin with `https://` or `http://`",
            ));
        }
    };
    let authority = uri.authority().ok_or_else(|| invalid("has no host"))?;
    if authority.as_str().contains('@') {
        // The URL itself is not shown: it holds a password.
        return Err(EgressError::invalid(
            "the URL has a user or password: send an `authorization` header instead",
        ));
    }
    let text = authority.host();
    let host = match text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(v6) => v6
            .parse::<Ipv6Addr>()
            .map(|v6| Host::Address(v6.into()))
            .map_err(|_| invalid("has no IPv6 address in `[]`"))?,
        None => match text.parse() {
            Ok(v4) => Host::Address(v4),
            Err(_) => Host::Name(
                text.parse()
                    .map_err(|e| invalid(&format!("is refused: {e}")))?,
            ),
        },
    };
    let port = match &authority.as_str()[text.len()..] {
        "" => scheme.default_port(),
        // `parse` alone would take `+80`.
        rest if rest.starts_with(":+") => return Err(invalid("has no port in 1 to 65535")),
        rest => match rest[1..].parse() {
            Ok(port) if port > 0 => port,
            _ => return Err(invalid("has no port in 1 to 65535")),
        },
    };
    Ok(Destination { scheme, host, port })
}

/// The URL in its normal form: one spelling per destination, which is the key
/// of the connection pool and the `Host` that is sent.
fn absolute(destination: &Destination, path: Option<&PathAndQuery>) -> Uri {
    let Destination { scheme, host, port } = destination;
    let authority = if *port == scheme.default_port() {
        host.to_string()
    } else {
        format!("{host}:{port}")
    };
    let authority =
        Authority::try_from(authority).expect("a checked host and port are an authority");
    Uri::builder()
        .scheme(scheme.as_str())
        .authority(authority)
        .path_and_query(
            path.cloned()
                .unwrap_or_else(|| PathAndQuery::from_static("/")),
        )
        .build()
        .expect("scheme, authority and path make a URL")
}

/// Whether a URL that leads to `destination` is in its normal form already, as
/// most are.
fn is_absolute_form(uri: &Uri, destination: &Destination) -> bool {
    let Some(authority) = uri.authority() else {
        return false;
    };
    let (host, port) = match authority.as_str().split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority.as_str(), None),
    };
    let is_host = match &destination.host {
        Host::Name(name) => name.as_str() == host,
        // Read strictly: there is one way to write it.
        Host::Address(address) => address.is_ipv4(),
    };
    let is_port = match port {
        None => true,
        Some(port) => {
            !port.starts_with('0') && destination.port != destination.scheme.default_port()
        }
    };
    is_host && is_port && uri.path_and_query().is_some()
}

/// Removes what speaks about one connection only (RFC 9110 7.6.1), together
/// with the fields that `connection` names.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    const ALWAYS: [HeaderName; 6] = [
        header::CONNECTION,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    if !headers.keys().any(|name| ALWAYS.contains(name)) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // RFC 9110 7.6.1: never a field that is meant for the recipient.
        .filter(|name| *name != header::CONTENT_LENGTH)
        .collect();
    for name in named.iter().chain(&ALWAYS) {
        headers.remove(name);
    }
}

/// A `content-length` that is not the body's would let a guest speak on after
/// its request, into a pooled connection.
fn check_content_length(headers: &HeaderMap, size: &SizeHint) -> Result<(), EgressError> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else {
        return Ok(());
    };
    let text = length.to_str().unwrap_or("");
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match (text.parse::<u64>(), lengths.next(), size.exact()) {
        (Ok(_), None, None) if digits => Ok(()),
        (Ok(length), None, Some(exact)) if digits && length == exact => Ok(()),
        (Ok(length), None, Some(exact)) if digits => Err(EgressError::invalid(format!(
            "`content-length` says {length}, the body has {exact} bytes: leave the header out"
        ))),
        _ => Err(EgressError::invalid(
            "`content-length` is not one number: leave the header out",
        )),
    }
}

/// Whether hyper would take this for a request without content and drop its
/// body unread: `GET` and `HEAD` of unknown length.
pub(super) fn is_sent_without_content(head: &request::Parts, size: &SizeHint) -> bool {
    matches!(head.method, Method::GET | Method::HEAD)
        && size.exact().is_none()
        && !head.headers.contains_key(header::CONTENT_LENGTH)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    fn prepared(
        request: http::request::Builder,
    ) -> Result<(request::Parts, Destination), EgressError> {
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let destination = prepare(&mut head, &SizeHint::with_exact(0), Hops::default())?;
        Ok((head, destination))
    }

    fn url(text: &str) -> Result<String, EgressError> {
        let uri: Uri = text
            .parse()
            .map_err(|_| EgressError::invalid("not a URI"))?;
        let destination = destination(&uri)?;
        let normal = absolute(&destination, uri.path_and_query());
        if is_absolute_form(&uri, &destination) {
            assert_eq!((uri.to_string(), &uri), (normal.to_string(), &normal));
        }
        Ok(normal.to_string())
    }

    #[test]
    fn urls_have_one_form() {
        for (text, normal) in [
            ("http://Example.COM", "http://example.com/"),
            ("http://example.com.:80/a?b=c", "http://example.com/a?b=c"),
            ("https://example.com:443/", "https://example.com/"),
            ("https://example.com:080/", "https://example.com:80/"),
            ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"),
            ("http://[::1]:80/", "http://[::1]/"),
            (
                "http://[0:0::FFFF:7f00:1]:81/",
                "http://[::ffff:127.0.0.1]:81/",
            ),
        ] {
            assert_eq!(url(text).unwrap(), normal);
        }
    }

    #[test]
    fn the_normal_form_is_known() {
        for (text, is_normal) in [
            ("http://example.com", true),
            ("https://example.com:80/a?b=c", true),
            ("http://127.0.0.1:8080/x", true),
            ("http://Example.com/", false),
            ("http://example.com./", false),
            ("http://example.com:80/", false),
            ("http://example.com:081/", false),
            ("http://[::1]/", false),
        ] {
            let uri: Uri = text.parse().unwrap();
            let known = is_absolute_form(&uri, &destination(&uri).unwrap());
            assert_eq!(known, is_normal, "{text}");
        }
    }

    proptest! {
        /// `url` compares it with the form that is made.
        #[test]
        fn the_known_form_is_the_normal_one(
            text in "https?://([a-zA-Z0-9.-]{1,8}|[0-9]{1,3}(\\.[0-9]{1,3}){3}|\\[[0-9a-f:]{2,8}\\])(:[0-9]{0,5})?(/[a-z]?)?"
        ) {
            let _ = url(&text);
        }
    }

    #[test]
    fn urls_that_could_be_read_in_two_ways_are_refused() {
        for text in [
            "/path",
            "*",
            "example.com:80",
            "ftp://example.com/",
            "http://user@example.com/",
            "http://user:secret@example.com/",
            "http://a@b@example.com/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://[fe80::1%25eth0]/",
            "http://[127.0.0.1]/",
            "http://example.com:0/",
            "http://example.com:65536/",
            "http://example.com:/",
            "http://%31.example.com/",
            "http://a..b/",
            "http://a_b-/",
        ] {
            assert!(url(text).is_err(), "{text} became {:?}", url(text));
        }
        let error = url("http://user:secret@example.com/")
            .unwrap_err()
            .to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn headers_about_the_connection_stay_here() {
        let request = Request::get("http://a.test/")
            .header("host", "evil.test")
            .header("connection", "x-secret, close, content-length")
            .header("x-secret", "1")
            .header("keep-alive", "timeout=5")
            .header("proxy-connection", "keep-alive")
            .header("proxy-authorization", "Basic x")
            .header("transfer-encoding", "chunked")
            .header("upgrade", "websocket")
            .header("te", "trailers")
            .header("dunlin-hops", "0")
            .header("x-mine", "kept")
            .version(Version::HTTP_2);
        let (head, _) = prepared(request).unwrap();
        let mut names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["dunlin-hops", "te", "x-mine"]);
        assert_eq!(head.headers[Hops::HEADER], "1");
        assert_eq!(head.version, Version::HTTP_11);
    }

    #[test]
    fn tunnels_and_false_lengths_are_refused() {
        assert!(prepared(Request::builder().method("CONNECT").uri("http://a.test")).is_err());
        for lengths in [
            &["1"][..],
            &["0", "0"],
            &["+0"],
            &["0, 0"],
            &[""],
            &["99999999999999999999"],
        ] {
            let request = Request::post("http://a.test/");
            let request = lengths
                .iter()
                .fold(request, |r, l| r.header("content-length", *l));
            assert!(prepared(request).is_err(), "{lengths:?}");
        }
        assert!(prepared(Request::post("http://a.test/").header("content-length", "0")).is_ok());
    }

    proptest! {
        #[test]
        fn any_uri_is_refused_or_normal(text in "https?://[a-z0-9.:@%\\[\\]_-]{0,24}(/[a-z?#]{0,4})?") {
            if let Ok(normal) = url(&text) {
                prop_assert_eq!(url(&normal).unwrap(), normal);
            }
        }
    }
}
