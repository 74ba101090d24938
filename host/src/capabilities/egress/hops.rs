//! How often a request has passed through Dunlin, so that functions that call
//! each other in a circle meet an end.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

/// The number of Dunlin functions that a request has already come through.
///
/// Carried in `dunlin-hops`, which guests can neither set nor remove: egress
/// overwrites it with one more than the invocation came in with, and the
/// gateway answers `loop-detected` (508) past [`Hops::LIMIT`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hops(u32);

impl Hops {
    /// More than any sensible chain of functions, and few enough that a circle
    /// ends before it hurts.
    pub const LIMIT: u32 = 16;

    /// The header that carries the count.
    pub const HEADER: HeaderName = HeaderName::from_static("dunlin-hops");

    /// The count that a request came in with, 0 without a count that is one.
    /// The highest of several counts, so that adding one cannot reset it.
    pub fn of(headers: &HeaderMap) -> Self {
        let counts = headers.get_all(Self::HEADER).iter();
        let counts = counts.filter_map(|value| value.to_str().ok()?.trim().parse().ok());
        Self(counts.max().unwrap_or(0))
    }

    /// Whether the request has come too far to be served.
    pub fn is_loop(self) -> bool {
        self.0 > Self::LIMIT
    }

    /// The header value for requests made while serving this one.
    pub(super) fn next(self) -> HeaderValue {
        HeaderValue::from(self.0.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Hops {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(Hops::HEADER, HeaderValue::from_static(value));
        }
        Hops::of(&headers)
    }

    #[test]
    fn counts_are_read_and_passed_on() {
        assert_eq!(of(&[]), Hops(0));
        assert_eq!(of(&["3"]), Hops(3));
        assert_eq!(of(&["3", "0", "x"]), Hops(3));
        assert_eq!(of(&["-1", "many", "99999999999"]), Hops(0));
        assert_eq!(of(&["3"]).next(), "4");
        assert_eq!(of(&["4294967295"]).next(), "4294967295");
    }

    #[test]
    fn the_limit_is_the_last_hop_served() {
        assert!(!of(&["16"]).is_loop());
        assert!(of(&["17"]).is_loop());
    }
}
