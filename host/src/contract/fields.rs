//! Header sections as one list of bytes: `name: value`, CR LF, for each field.

use super::{InvalidMessage, types};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};

/// Fields of one connection, not of the message (RFC 9110, section 7.6.1): the
/// host speaks for itself on each side.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    [
        header::CONNECTION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ]
    .contains(name)
        || matches!(
            name.as_str(),
            "keep-alive" | "proxy-connection" | "http2-settings"
        )
}

/// Longest header section taken from a guest, in bytes: no server that it could
/// be meant for takes more.
pub(super) const MAX_SECTION: usize = 64 * 1024;

/// Room for what the host adds to a request, in bytes.
const ADDED: usize = 192;

/// Writes fields for a guest, without those of the connection.
pub(super) fn to_guest(headers: &HeaderMap) -> types::Headers {
    let size = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum::<usize>();
    let mut section = Vec::with_capacity(size + ADDED);
    for (name, value) in headers {
        if !is_hop_by_hop(name) {
            push(&mut section, name, value);
        }
    }
    section
}

/// Writes one field.
pub(super) fn push(section: &mut types::Headers, name: &HeaderName, value: &HeaderValue) {
    section.extend_from_slice(name.as_str().as_bytes());
    section.extend_from_slice(b": ");
    section.extend_from_slice(value.as_bytes());
    section.extend_from_slice(b"\r\n");
}

/// Reads a guest's fields, without those of the connection.
///
/// # Errors
///
/// The first field that HTTP does not allow.
pub(super) fn from_guest(section: types::Headers) -> Result<HeaderMap, InvalidMessage> {
    if section.len() > MAX_SECTION {
        return Err(InvalidMessage::TooLong(section.len()));
    }
    let section = Bytes::from(section);
    let mut headers = HeaderMap::new();
    let mut start = 0;
    while start < section.len() {
        let end = memchr::memchr(b'\r', &section[start..]).map(|end| start + end);
        let line = start..end.unwrap_or(section.len());
        let invalid =
            || InvalidMessage::Field(String::from_utf8_lossy(&section[line.clone()]).into_owned());
        // Without a line feed it would be a part of the value, which has none.
        if section.get(line.end + 1) != Some(&b'\n') {
            return Err(invalid());
        }
        let colon = memchr::memchr(b':', &section[line.clone()]).ok_or_else(invalid)?;
        let colon = line.start + colon;
        let name = HeaderName::from_bytes(&section[line.start..colon]).map_err(|_| invalid())?;
        let padding = section[colon + 1..line.end]
            .iter()
            .take_while(|&&byte| byte == b' ')
            .count();
        // Checked: a value can end neither its field nor the section.
        let value = HeaderValue::from_maybe_shared(section.slice(colon + 1 + padding..line.end))
            .map_err(|_| invalid())?;
        if !is_hop_by_hop(&name) {
            headers.append(name, value);
        }
        start = line.end + 2;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_section_loses_the_connections_fields_and_keeps_duplicates() {
        let section = b"set-cookie: a=1\r\nset-cookie:b=2\r\ntransfer-encoding: chunked\r\n\
                        connection: close\r\nx-empty: \r\n";
        let headers = from_guest(section.to_vec()).unwrap();
        assert_eq!(headers.len(), 3);
        assert_eq!(
            headers.get_all("set-cookie").iter().collect::<Vec<_>>(),
            ["a=1", "b=2"]
        );
        assert_eq!(headers["x-empty"], "");
        assert_eq!(
            to_guest(&headers),
            b"set-cookie: a=1\r\nset-cookie: b=2\r\nx-empty: \r\n"
        );
    }

    #[test]
    fn fields_that_would_split_a_message_are_refused() {
        for bad in [
            &b"x: a\nset-cookie: b\r\n"[..],
            b"x: a\r\n\r\nbody",
            b"x y: a\r\n",
            b"x: a",
            b": a\r\n",
            b"no colon\r\n",
            b"x: \0\r\n",
        ] {
            let error = from_guest(bad.to_vec()).unwrap_err();
            assert!(matches!(error, InvalidMessage::Field(_)), "{error}");
        }
    }

    #[test]
    fn a_section_without_end_is_refused() {
        let section = b"a: b\r\n".repeat(MAX_SECTION / 6 + 1);
        let error = from_guest(section).unwrap_err();
        assert!(matches!(error, InvalidMessage::TooLong(_)), "{error}");
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(section in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(headers) = from_guest(section) {
                prop_assert_eq!(from_guest(to_guest(&headers)).unwrap(), headers);
            }
        }

        #[test]
        fn fields_round_trip(fields in proptest::collection::vec(("x-[a-z]{1,8}", "[!-~]([ -~]{0,20}[!-~])?"), 0..10)) {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
            }
            prop_assert_eq!(from_guest(to_guest(&headers)).unwrap(), headers);
        }
    }
}
