//! Reads queries without escapes, which the bench's are. Compiled into the
//! native peers and, by `#[path]`, into the `wasi:http` guests.

/// The value of `name`, if it is there.
pub(crate) fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_by_its_whole_name() {
        assert_eq!(parameter("rooms=1&ms=20", "ms"), Some("20"));
        assert_eq!(parameter("url=http://h/?a", "url"), Some("http://h/?a"));
        assert_eq!(parameter("mss=1", "ms"), None);
    }
}
