//! The formats of `#[field(format = "…")]`: names as in JSON Schema.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An address as mail programs take it (RFC 5321, without quoted forms).
#[must_use]
pub fn email(text: &str) -> bool {
    email_address::EmailAddress::parse_with_options(
        text,
        email_address::Options::default()
            .with_required_tld()
            .without_display_text()
            .without_domain_literal(),
    )
    .is_ok()
}

/// An absolute URI with a host (RFC 3986).
#[must_use]
pub fn uri(text: &str) -> bool {
    text.parse::<http::Uri>()
        .is_ok_and(|uri| uri.scheme().is_some() && uri.host().is_some_and(|host| !host.is_empty()))
}

/// A UUID with its hyphens (RFC 9562).
#[must_use]
pub fn uuid(text: &str) -> bool {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| {
            if HYPHENS.contains(&index) {
                byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        })
}

/// An IPv4 address.
#[must_use]
pub fn ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

/// An IPv6 address.
#[must_use]
pub fn ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

/// `2026-11-22` (RFC 3339, `full-date`).
#[must_use]
pub fn date(text: &str) -> bool {
    time::Date::parse(
        text,
        time::macros::format_description!("[year]-[month]-[day]"),
    )
    .is_ok()
}

/// `2026-11-22T21:36:23Z` (RFC 3339).
#[must_use]
pub fn date_time(text: &str) -> bool {
    time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_one_and_what_is_none() {
        type Format = (
            fn(&str) -> bool,
            &'static [&'static str],
            &'static [&'static str],
        );
        let formats: [Format; 7] = [
            (
                email,
                &["a.b+c@example.com"],
                &["a", "a@b", "a b@example.com", "x <a@b.cd>"],
            ),
            (
                uri,
                &["https://example.com/a?b=c"],
                &["/a", "example.com", "http://"],
            ),
            (
                uuid,
                &["01a20334-eefd-76cf-95a7-3b8133f8be8f"],
                &[
                    "01a20334eefd76cf95a73b8133f8be8f",
                    "x1a20334-eefd-76cf-95a7-3b8133f8be8f",
                ],
            ),
            (ipv4, &["127.0.0.1"], &["127.0.0.256", "::1"]),
            (ipv6, &["::1"], &["127.0.0.1", ":"]),
            (
                date,
                &["2024-02-29"],
                &["2023-02-29", "2024-2-9", "2024-02-29T00:00:00Z"],
            ),
            (
                date_time,
                &["2026-11-22T21:36:23Z", "2026-11-22T21:36:23.5+01:00"],
                &["2026-11-22", "2026-11-22T25:00:00Z", "2026-11-22T21:36:23"],
            ),
        ];
        for (valid, good, bad) in formats {
            for text in good {
                assert!(valid(text), "{text}");
            }
            for text in bad {
                assert!(!valid(text), "{text}");
            }
        }
    }
}
