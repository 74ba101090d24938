//! Header fields, as they travel.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Header fields in the order they came, names in lower case.
///
/// It is a plain list, the form in which host and guest exchange headers, so
/// that a handler that does not look at them costs nothing. For the types of
/// the `http` crate take a [`HeaderMap`] instead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// No fields at all.
    #[must_use]
    pub const fn new() -> Self {
        Headers(Vec::new())
    }

    /// The first field of that name, if it is UTF-8.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        str::from_utf8(value).ok()
    }

    /// Every field of that name, as bytes: HTTP does not promise UTF-8.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
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
    pub fn append(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.push((name.to_ascii_lowercase(), value.into()));
    }

    /// Takes out every field of that name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    /// Adds `other`'s fields, in place of all of their names.
    pub(crate) fn replace_with(&mut self, other: Headers) {
        for (name, _) in &other.0 {
            self.remove(name);
        }
        self.0.extend(other.0);
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// How many fields there are; a name may count more than once.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The contract's own form. The host sends names in lower case.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn from_wire(fields: Vec<(String, Vec<u8>)>) -> Self {
        Headers(fields)
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) fn into_wire(self) -> Vec<(String, Vec<u8>)> {
        self.0
    }
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        let fields = map.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into()));
        Headers(fields.collect())
    }
}

impl From<&Headers> for HeaderMap {
    /// Leaves out what is not a valid field; the host sends only valid ones.
    fn from(headers: &Headers) -> Self {
        let fields = headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(value).ok()?))
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
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("x-tag", b"c".as_slice())]);
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
