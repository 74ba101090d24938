//! Matching a path against a template. The attributes have taken it apart.

use std::cmp::Ordering;

/// A segment of a path template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// Exactly this, as it is written in a URL.
    Literal(&'static str),
    /// `{name}`: one segment, not empty.
    Param(&'static str),
    /// `{*name}`: all the rest, not empty.
    Rest(&'static str),
}

impl Segment {
    const fn rank(self) -> u8 {
        match self {
            Segment::Literal(_) => 0,
            Segment::Param(_) => 1,
            Segment::Rest(_) => 2,
        }
    }
}

/// Whether the template matches the path.
pub(crate) fn matches(segments: &[Segment], path: &str) -> bool {
    each_param(segments, path, |_, _| {})
}

/// Calls `found` with each parameter's name and value, still encoded; answers
/// whether the whole path matched.
pub(crate) fn each_param<'p>(
    segments: &[Segment],
    path: &'p str,
    mut found: impl FnMut(&'static str, &'p str),
) -> bool {
    let mut rest = path.strip_prefix('/');
    for segment in segments {
        let Some(left) = rest else { return false };
        let (text, after) = match left.split_once('/') {
            Some((text, after)) => (text, Some(after)),
            None => (left, None),
        };
        match segment {
            Segment::Literal(literal) if *literal == text => {}
            Segment::Param(name) if !text.is_empty() => found(name, text),
            Segment::Rest(name) if !left.is_empty() => {
                found(name, left);
                return true;
            }
            _ => return false,
        }
        rest = after;
    }
    rest.is_none()
}

/// Which of two templates that match the same path goes first: at the first
/// difference, a literal beats a parameter, which beats the rest.
pub(crate) fn precedence(a: &[Segment], b: &[Segment]) -> Ordering {
    let rank = |segment: &Segment| segment.rank();
    a.iter().map(rank).cmp(b.iter().map(rank))
}

/// Whether two templates match exactly the same paths.
pub(crate) const fn same(a: &[Segment], b: &[Segment]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        let same = match (a[index], b[index]) {
            (Segment::Literal(a), Segment::Literal(b)) => same_text(a, b),
            (a, b) => a.rank() == b.rank(),
        };
        if !same {
            return false;
        }
        index += 1;
    }
    true
}

/// `a == b`, at compile time.
pub(crate) const fn same_text(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::Segment::{Literal, Param, Rest};
    use super::*;

    fn params(segments: &[Segment], path: &str) -> Option<Vec<(&'static str, String)>> {
        let mut params = Vec::new();
        each_param(segments, path, |name, value| {
            params.push((name, value.to_owned()))
        })
        .then_some(params)
    }

    #[test]
    fn paths() {
        let root = [Literal("")];
        assert_eq!(params(&root, "/"), Some(vec![]));
        assert_eq!(params(&root, "/a"), None);
        assert_eq!(params(&root, ""), None);
        let item = [Literal("items"), Param("id")];
        assert_eq!(params(&item, "/items/7"), Some(vec![("id", "7".into())]));
        assert_eq!(params(&item, "/items/"), None);
        assert_eq!(params(&item, "/items"), None);
        assert_eq!(params(&item, "/items/7/"), None);
        assert_eq!(
            params(&item, "/items/a%2Fb"),
            Some(vec![("id", "a%2Fb".into())])
        );
        let files = [Literal("files"), Rest("path")];
        assert_eq!(
            params(&files, "/files/a/b"),
            Some(vec![("path", "a/b".into())])
        );
        assert_eq!(params(&files, "/files/"), None);
    }

    #[test]
    fn literals_go_first() {
        let (literal, param, rest) = ([Literal("a")], [Param("x")], [Rest("x")]);
        assert_eq!(precedence(&literal, &param), Ordering::Less);
        assert_eq!(precedence(&param, &rest), Ordering::Less);
        assert!(same(&param, &[Param("y")]));
        assert!(!same(&param, &rest));
    }
}
