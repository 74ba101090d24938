//! Reads HTTP/1.1 responses out of a connection's buffer, cheaply.

use anyhow::{Context as _, bail, ensure};

/// What the front of a buffer holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// Not yet a whole response.
    Partial,
    Whole {
        status: u16,
        keep_alive: bool,
        /// Length of head and body as sent.
        length: usize,
    },
}

enum Framing {
    Length(usize),
    Chunked,
}

/// Parses the response at the front of `buffer`. `on_data` is given the
/// parts of the body, of a partial one as well, and again at the next call.
pub(crate) fn parse(buffer: &[u8], mut on_data: impl FnMut(&[u8])) -> anyhow::Result<Parsed> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head_length) = head.parse(buffer)? else {
        return Ok(Parsed::Partial);
    };
    let mut framing = None;
    let mut keep_alive = head.version == Some(1);
    for field in head.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(field.value)?.trim().parse()?;
            framing = Some(Framing::Length(length));
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            ensure!(
                field.value.eq_ignore_ascii_case(b"chunked"),
                "unknown transfer-encoding"
            );
            framing = Some(Framing::Chunked);
        } else if field.name.eq_ignore_ascii_case("connection") {
            keep_alive = !field.value.eq_ignore_ascii_case(b"close");
        }
    }
    let rest = &buffer[head_length..];
    let body_length = match framing {
        Some(Framing::Length(length)) => rest.get(..length).map(|data| {
            on_data(data);
            length
        }),
        Some(Framing::Chunked) => chunked(rest, on_data)?,
        None => bail!("a response without content-length and chunks"),
    };
    let Some(body_length) = body_length else {
        return Ok(Parsed::Partial);
    };
    Ok(Parsed::Whole {
        status: head.code.context("a complete head has a status")?,
        keep_alive,
        length: head_length + body_length,
    })
}

/// The length of the chunked body at the front of `buffer`, once it is whole.
/// Trailers are not expected.
fn chunked(buffer: &[u8], mut on_data: impl FnMut(&[u8])) -> anyhow::Result<Option<usize>> {
    let mut at = 0;
    loop {
        let size_line = httparse::parse_chunk_size(&buffer[at..])
            .map_err(|_| anyhow::anyhow!("a malformed chunk size"))?;
        let httparse::Status::Complete((line_length, size)) = size_line else {
            return Ok(None);
        };
        let data = at + line_length;
        let end = data + usize::try_from(size)?;
        let Some(line_end) = buffer.get(end..end + 2) else {
            return Ok(None);
        };
        ensure!(line_end == b"\r\n", "a chunk without its end of line");
        on_data(&buffer[data..end]);
        at = end + 2;
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        3\r\nhel\r\n2;note=x\r\nlo\r\n0\r\n\r\n";
    const SIZED: &[u8] = b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy";

    #[test]
    fn a_response_is_whole_only_at_its_last_byte() {
        for response in [CHUNKED, SIZED] {
            for cut in 0..response.len() {
                assert_eq!(
                    parse(&response[..cut], |_| {}).unwrap(),
                    Parsed::Partial,
                    "cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn chunks_are_joined() {
        let mut body = Vec::new();
        let whole = Parsed::Whole {
            status: 200,
            keep_alive: true,
            length: CHUNKED.len(),
        };
        assert_eq!(
            parse(CHUNKED, |data| body.extend_from_slice(data)).unwrap(),
            whole
        );
        assert_eq!(body, b"hello");
    }

    #[test]
    fn what_follows_a_response_is_not_part_of_it() {
        let two = [SIZED, CHUNKED].concat();
        let first = Parsed::Whole {
            status: 503,
            keep_alive: false,
            length: SIZED.len(),
        };
        assert_eq!(parse(&two, |_| {}).unwrap(), first);
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(parse(b"SMTP ready\r\n\r\n", |_| {}).is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n", |_| {}).is_err());
        let bad_chunk = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhello\r\n";
        assert!(parse(bad_chunk, |_| {}).is_err());
    }
}
