//! Header fields beside an answer.

use http::HeaderMap;

use crate::headers::Headers;

/// Header fields beside an answer. Each replaces those of its name that the
/// answer itself set; a name given twice is sent twice.
pub trait IntoHeaders {
    /// Adds the fields.
    fn add_to(self, headers: &mut Headers);
}

impl IntoHeaders for Headers {
    fn add_to(self, headers: &mut Headers) {
        headers.replace_with(self);
    }
}

impl IntoHeaders for HeaderMap {
    fn add_to(self, headers: &mut Headers) {
        headers.replace_with(Headers::from(self));
    }
}

impl<N: AsRef<str>, V: Into<Vec<u8>>, const COUNT: usize> IntoHeaders for [(N, V); COUNT] {
    fn add_to(self, headers: &mut Headers) {
        let mut fields = Headers::new();
        for (name, value) in self {
            fields.append(name.as_ref(), value);
        }
        headers.replace_with(fields);
    }
}
