//! Header fields, as they travel.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Header fields in the order they came, names in lower case.
///
/// It is the very text in which host and guest exchange headers, `name: value`
/// and CR LF for each field, so that a handler that does not look at them costs
/// nothing. For the types of the `http` crate take a [`HeaderMap`] instead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<u8>);

impl Headers {
    /// No fields at all.
    #[must_use]
    pub const fn new() -> Self {
        Headers(Vec::new())
    }

    /// A section as it travels.
    pub(crate) fn from_static(section: &'static str) -> Self {
        Headers(section.as_bytes().to_vec())
    }

    /// The first field of that name, if it is UTF-8.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.iter();
        let (_, value) = fields.find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        str::from_utf8(value).ok()
    }

    /// Every field of that name, as bytes: HTTP does not promise UTF-8.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Whether a field of that name is there.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get_all(name).next().is_some()
    }

    /// Sets the field, in place of all of that name.
    pub fn insert(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove(name);
        self.append(name, value);
    }

    /// Adds a field, beside those of that name.
    ///
    /// What HTTP does not allow in a name or value makes the whole answer
    /// invalid: the host logs it and answers 502 `invalid-response`.
    pub fn append(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.push(name, &value.into());
    }

    pub(crate) fn push(&mut self, name: &str, value: &[u8]) {
        // A byte that would end the name or the value early becomes one that
        // the host refuses: nobody can smuggle a field in.
        self.0.reserve(name.len() + value.len() + 4);
        let start = self.0.len();
        self.0.extend_from_slice(name.as_bytes());
        for byte in &mut self.0[start..] {
            *byte = match *byte {
                b'\r' | b'\n' | b':' => 0,
                byte => byte.to_ascii_lowercase(),
            };
        }
        self.0.extend_from_slice(b": ");
        let start = self.0.len();
        self.0.extend_from_slice(value);
        for byte in &mut self.0[start..] {
            if matches!(*byte, b'\r' | b'\n') {
                *byte = 0;
            }
        }
        self.0.extend_from_slice(b"\r\n");
    }

    /// Takes out every field of that name.
    pub fn remove(&mut self, name: &str) {
        if self.contains(name) {
            let mut kept = Headers::new();
            for (other, value) in self.iter() {
                if !other.eq_ignore_ascii_case(name) {
                    kept.push(other, value);
                }
            }
            *self = kept;
        }
    }

    /// Adds `other`'s fields, in place of all of their names.
    pub(crate) fn replace_with(&mut self, other: Headers) {
        for (name, _) in other.iter() {
            self.remove(name);
        }
        self.0.extend(other.0);
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let colon = rest.iter().position(|&byte| byte == b':')?;
            let end = colon + rest[colon..].iter().position(|&byte| byte == b'\r')?;
            let (name, value) = (&rest[..colon], &rest[colon + 1..end]);
            rest = rest.get(end + 2..)?;
            // The host sends names in ASCII, and `push` takes only text.
            let name = str::from_utf8(name).unwrap_or_default();
            Some((name, value.strip_prefix(b" ").unwrap_or(value)))
        })
    }

    /// How many fields there are; a name may count more than once.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The contract's own form, as the host sends it.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn from_wire(section: Vec<u8>) -> Self {
        Headers(section)
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) fn into_wire(self) -> Vec<u8> {
        self.0
    }

    /// The form of `wasi:http`.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn to_list(&self) -> Vec<(String, Vec<u8>)> {
        self.iter()
            .map(|(name, value)| (name.to_owned(), value.to_vec()))
            .collect()
    }
}

impl<'a> FromIterator<(&'a str, &'a [u8])> for Headers {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a [u8])>>(fields: T) -> Self {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.push(name, value);
        }
        headers
    }
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        map.iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect()
    }
}

impl From<&Headers> for HeaderMap {
    /// Leaves out what is not a valid field; the host sends only valid ones.
    fn from(headers: &Headers) -> Self {
        let fields = headers.iter().filter_map(|(name, value)| {
            Some((
                HeaderName::try_from(name).ok()?,
                HeaderValue::from_bytes(value).ok()?,
            ))
        });
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(name, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_and_found_in_any() {
        let mut headers = Headers::new();
        headers.append("X-Tag", "a");
        headers.append("x-tag", "b");
        assert_eq!(headers.get("X-TAG"), Some("a"));
        assert_eq!(headers.get_all("x-tag").count(), 2);
        headers.insert("x-tag", "c");
        assert_eq!(
            headers.iter().collect::<Vec<_>>(),
            [("x-tag", b"c".as_slice())]
        );
    }

    #[test]
    fn a_value_cannot_end_its_field() {
        let mut headers = Headers::new();
        headers.append("x", "a\r\nset-cookie: b");
        headers.append("y\r\nz:", "c");
        assert_eq!(headers.len(), 2);
        assert!(!headers.contains("set-cookie"));
        assert!(HeaderMap::from(&headers).is_empty());
    }

    #[test]
    fn a_header_map_and_back() {
        let mut headers = Headers::new();
        headers.append("accept", "a");
        headers.append("accept", "b");
        headers.append("not a name", "c");
        let map = HeaderMap::from(&headers);
        assert_eq!(map.get_all("accept").iter().count(), 2);
        assert_eq!(Headers::from(map).len(), 2);
    }
}
