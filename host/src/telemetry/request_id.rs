//! The name of one request, in logs and in `x-request-id`.

use http::{HeaderName, HeaderValue};
use std::fmt;
use uuid::{ContextV7, Timestamp, Uuid};

/// Names one request: given by the caller's `x-request-id`, else a UUIDv7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The header that carries it.
    pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

    /// Longest id taken from a caller, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Keeps the caller's id when it is 1 to 128 visible ASCII characters, so
    /// that a trace through several services keeps one name; else makes one.
    pub fn given_or_new(given: Option<&HeaderValue>) -> Self {
        match given {
            Some(value)
                if (1..=Self::MAX_LEN).contains(&value.len())
                    && value.as_bytes().iter().all(u8::is_ascii_graphic) =>
            {
                Self(value.clone())
            }
            _ => Self::new(),
        }
    }

    fn new() -> Self {
        thread_local! {
            /// Orders the ids of one thread; the crate's own is under a lock.
            static ORDER: ContextV7 = const { ContextV7::new() };
        }
        let id = ORDER.with(|order| Uuid::new_v7(Timestamp::now(order)));
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = id.hyphenated().encode_lower(&mut text);
        Self(HeaderValue::from_str(text).expect("hex digits and hyphens are a header value"))
    }

    /// The id as a header value; cheap to clone.
    pub fn as_header(&self) -> &HeaderValue {
        &self.0
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("only visible ASCII is accepted")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_sane_id_and_replaces_any_other() {
        let given = HeaderValue::from_static("trace-42");
        assert_eq!(RequestId::given_or_new(Some(&given)).as_str(), "trace-42");

        let long = HeaderValue::from_str(&"x".repeat(129)).unwrap();
        for bad in [
            HeaderValue::from_static(""),
            HeaderValue::from_static("a b"),
            long,
        ] {
            assert_eq!(RequestId::given_or_new(Some(&bad)).as_str().len(), 36);
        }
        assert_ne!(RequestId::given_or_new(None), RequestId::given_or_new(None));
    }
}
